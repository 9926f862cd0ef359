"""Small parts for the tests of joint training: clips as `python -m train prepare` leaves them, and a small recipe."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from small_parts import save_random_checkpoint, tiny_tokenizer

from sentiment.clip_datatypes import ClipSettings
from train.clip_cache import StoredClip, cache_folder, clip_path, index_path, stored_size_px, write_clip, write_index
from train.corpora import Example, Split
from train.corpora.meld import OFFICIAL_SPLITS

LINES = {
    "anger": ("get out of my house", "negative"),
    "disgust": ("that smells of rot", "negative"),
    "fear": ("someone is behind us", "negative"),
    "joy": ("we won the cup", "positive"),
    "neutral": ("it is on the table", "neutral"),
    "sadness": ("she is not coming back", "negative"),
    "surprise": ("you did what", "positive"),
}

RECIPE = """
name = "tiny"
seed = 1
[clip]
modalities = {modalities}
frame_count = 2
frame_size_px = 32
framing = "frame"
max_tokens = 48
max_audio_seconds = 1.0
context_utterances = 1
[network]
audio_channels = [4, 8]
fusion_size = 16
dropout = {dropout}
[joint]
epochs = {epochs}
batch_size = 8
head_learning_rate = 2e-3
class_weight_power = 0.25
label_smoothing = 0.05
workers = 0
{joint}
[joint.text]
start = "{folder}/bert"
learning_rate = 1e-3
[joint.audio]
start = "{folder}/starter"
frozen_batch_norm = {frozen_norm}
learning_rate = 1e-3
{video}
"""


def write_prepared(data: Path, settings: ClipSettings, rows_per_split: int = 22) -> Path:
    """Clips of noise and tones; the third of them lacks its sound, the sixth everything but its words."""
    rng = np.random.default_rng(0)
    splits: tuple[Split, ...] = ("train", "selection", "test")
    for split in splits:
        cache, rows = cache_folder(data, settings), []
        index_path(cache, split).parent.mkdir(parents=True)
        for i in range(rows_per_split):
            emotion = list(LINES)[i % len(LINES)]
            line, sentiment = LINES[emotion]
            key = f"{OFFICIAL_SPLITS[split]}/dia{i // 3}_utt{i % 3}"
            context = ("well", "i see")[: i % 3]
            example = Example("meld", key, emotion, sentiment, line, context, group=key.partition("_")[0])
            no_sound = "silent" if i % 6 in (2, 5) else None
            no_frames = "corrupt" if i % 6 == 5 else None
            if no_frames is None:
                pictures = rng.integers(0, 256, (settings.frame_count, *[stored_size_px(settings)] * 2, 3), np.uint8)
                jpegs = tuple(cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures)
                times = np.arange(4_000 + 500 * i) / settings.sample_rate_hz
                tone = (8_000 * np.sin(2 * np.pi * 100 * (1 + i % len(LINES)) * times)).astype(np.int16)
                clip = StoredClip(1.0, jpegs, None, None if no_sound else tone, no_sound)
                write_clip(clip_path(index_path(cache, split).parent, key), clip, {})
            rows.append({"example": asdict(example), "no_sound": no_sound, "no_frames": no_frames})
        write_index(cache, split, settings, rows)
    return data


def write_bert(folder: Path, dropout: float = 0.0) -> Path:
    """A BERT of random weights as transformers keeps them, with its tokenizer."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=128, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def recipe_text(
    folder: Path,
    joint: str = "",
    dropout: float = 0.0,
    video: str | None = None,
    frozen_norm: bool = True,
    epochs: int = 2,
) -> str:
    """A recipe of words and sound, and of frames where `video` has settings for them; its starts lie in `folder`."""
    modalities = '["text", "audio", "video"]' if video is not None else '["text", "audio"]'
    table = f"[joint.video]\n{video}" if video is not None else ""
    parts = {"joint": joint, "epochs": epochs, "dropout": dropout, "video": table}
    return RECIPE.format(modalities=modalities, folder=folder, frozen_norm=str(frozen_norm).lower(), **parts)


def write_recipe(folder: Path, joint: str = "", dropout: float = 0.0, **options: Any) -> Path:
    """The recipe of that text, and what it starts from beside it."""
    write_bert(folder / "bert", dropout)
    save_random_checkpoint(folder / "starter")
    path = folder / "tiny.toml"
    path.write_text(recipe_text(folder, joint, dropout, **options), encoding="utf-8")
    return path


def start_fit(recipe: Path, data: Path, run: Path, **environment: str) -> subprocess.Popen[str]:
    """`python -m train fit` in a process of its own, on the CPU."""
    arguments = ["fit", "--recipe", str(recipe), "--data", str(data), "--run", str(run)]
    return subprocess.Popen(
        [sys.executable, "-m", "train", *arguments],
        cwd=Path(__file__).resolve().parent.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def start_together(recipe: Path, data: Path, run: Path, count: int) -> list[subprocess.Popen[str]]:
    """The same in `count` processes, told of each other as torchrun does: accelerate launch starts one on a CPU."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    group = {"ACCELERATE_USE_CPU": "true", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(count)}
    return [
        start_fit(recipe, data, run, **group, LOCAL_WORLD_SIZE=str(count), RANK=str(rank), LOCAL_RANK=str(rank))
        for rank in range(count)
    ]
