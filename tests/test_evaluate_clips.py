"""On clips every utterance counts, each answered from what it has; and the ways of fusing are compared on them."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from small_parts import few_resamples, save_random_checkpoint

from sentiment.checkpoint import Checkpoint, load_checkpoint
from sentiment.datatypes import Word
from sentiment.labels import EMOTIONS, MODALITIES
from sentiment.media_datatypes import AudioTrack
from sentiment.transcription import Transcript
from train import evaluate_clips as module
from train.__main__ import main
from train.ablation import Budget, compare_fusions
from train.card_figures import table
from train.clip_cache import PreparedClips, StoredClip, cache_folder, clip_path, find_cache, write_clip, write_index
from train.clip_transcripts import recognised_texts
from train.clips_card import ablation_section, clips_section
from train.corpora import Example
from train.errors import DataError
from train.evaluate_clips import as_heard, encode_clips, evaluate_clips, has_prepared_clips

SENTIMENT_OF = {"joy": "positive", "anger": "negative", "neutral": "neutral"}
LINES = (
    # dialogue, text, emotion, has sound, has frames
    (0, "hello there", "joy", True, True),
    (0, "go away", "anger", True, True),
    (0, "well", "neutral", True, False),
    (1, "so it goes", "neutral", False, True),
    (1, "no no no", "anger", True, True),
    (1, "lovely", "joy", False, False),
    (1, "", "joy", False, False),
)
FULL = (0, 1, 4)
"""Rows that have everything."""


@pytest.fixture(scope="module", autouse=True)
def _few_resamples() -> Iterator[None]:
    with few_resamples():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_checkpoint(
        tmp_path_factory.mktemp("weights") / "checkpoint", framing="frame", context_utterances=2
    )


@pytest.fixture(scope="module")
def checkpoint(folder: Path) -> Checkpoint:
    return load_checkpoint(folder)


@pytest.fixture
def data(prepared: Path, tmp_path: Path) -> Path:
    """A copy of the data folder for one test."""
    return Path(shutil.copytree(prepared, tmp_path / "data"))


@pytest.fixture(scope="module")
def prepared(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with prepared clips of the lines above, the same in each part."""
    settings, data = checkpoint.clip_settings, tmp_path_factory.mktemp("data")
    cache = cache_folder(data, settings)
    random = np.random.default_rng(0)
    for split, part in (("train", "train"), ("selection", "dev"), ("test", "test")):
        (cache / part).mkdir(parents=True)
        rows = []
        for number, (dialogue, text, emotion, has_sound, has_frames) in enumerate(LINES):
            key = f"{part}/dia{dialogue}_utt{number}"
            example = Example("meld", key, emotion, SENTIMENT_OF[emotion], text, group=f"{part}/dia{dialogue}")
            reasons = {"no_sound": None if has_sound else "none", "no_frames": None if has_frames else "none"}
            fields = {k: v for k, v in dataclasses.asdict(example).items() if k not in ("audio", "image")}
            rows.append({"example": fields, **reasons})
            pixels = random.integers(0, 255, (64, 64, 3), dtype=np.uint8)
            jpeg = cv2.imencode(".jpg", pixels)[1].tobytes()
            sound = random.integers(-3000, 3000, 4000, dtype=np.int16)
            frames = (jpeg,) * settings.frame_count if has_frames else ()
            stored = StoredClip(0.25, frames, reasons["no_frames"], sound if has_sound else None, reasons["no_sound"])
            write_clip(clip_path(cache / part, key), stored, {})
        write_index(cache, split, settings, rows)
    return data


class Listener:
    """A Whisper that hears these texts in turn."""

    model_name = "owner/base"

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.heard: list[AudioTrack] = []

    def transcribe(self, audio: AudioTrack, language: str) -> Transcript:
        self.heard.append(audio)
        words = self.texts.pop(0).split()
        return Transcript(tuple(Word(i / 10, i / 10 + 0.1, w, 0.9) for i, w in enumerate(words)), language)


class AddsUp(torch.nn.Module):
    """A fusion that adds up the first seven features of all that is there."""

    absent = torch.zeros(3, 128)

    def forward(self, features: torch.Tensor, presence: torch.Tensor) -> torch.Tensor:
        shown = (features[..., : len(EMOTIONS)] * presence.unsqueeze(2)).sum(dim=1)
        return 4 * torch.cat([shown, shown[:, -1:]], dim=1)


def showing(*emotions: str | None) -> torch.Tensor:
    """(N, 128) features of one modality, each of which shows that emotion."""
    features = torch.zeros(len(emotions), 128)
    for row, emotion in enumerate(emotions):
        if emotion is not None:
            features[row, EMOTIONS.index(emotion)] = 1
    return features


def evaluate_adding_up(checkpoint: Checkpoint, data: Path, words: str = "joy", **options: Any) -> dict[str, Any]:
    """Written words are always right, recognised ones say `words` five times as loud; the sound always says fear, twice
    as loud; the picture says nothing."""
    true = [emotion for _, _, emotion, _, _ in LINES]
    features = torch.stack([showing(*true), 2 * showing(*["fear"] * len(true)), showing(*[None] * len(true))], dim=1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "encode_clips", lambda *_: features)
        patched.setattr(module, "_encode_words", lambda _, examples: 5 * showing(*[words] * len(examples)))
        adds_up = dataclasses.replace(checkpoint, network=SimpleNamespace(fusion=AddsUp()))
        return evaluate_clips(adds_up, data, **options)


@pytest.fixture(scope="module")
def found(checkpoint: Checkpoint, prepared: Path) -> dict[str, Any]:
    return evaluate_adding_up(checkpoint, prepared)


def test_every_utterance_is_answered_from_what_it_has(found: dict[str, Any]) -> None:
    assert found["n"] == 7 and found["unanswered"] == 1 and found["measured_on"] == "MELD test, clips"
    assert found["had"] == {"text+audio+video": 3, "text+audio": 1, "text+video": 1, "text": 1, "nothing": 1}
    # Four of the six that are answered hear the misleading sound.
    assert found["all"]["emotion"]["n"] == 6 and found["all"]["emotion"]["accuracy"] == pytest.approx(2 / 6, abs=1e-5)
    assert found["all"]["emotion"]["certain"]["threshold"] is None  # they were not all read from the same


def test_signals_are_measured_alone_and_left_out(found: dict[str, Any]) -> None:
    accuracy = {s: (r["emotion"]["n"], r["emotion"]["accuracy"]) for s, r in found["subsets"].items()}
    assert accuracy["text"] == (6, 1) and accuracy["audio"] == (4, 0) and accuracy["text+video"] == (4, 1)
    assert accuracy["text+audio"] == (4, 0) and accuracy["text+audio+video"] == (3, 0)
    left_out = found["left_out"]
    assert {m: left_out[m]["n"] for m in MODALITIES} == dict.fromkeys(MODALITIES, len(FULL))
    assert left_out["audio"]["emotion"]["weighted_f1"] == 0 and left_out["audio"]["emotion"]["without_it"] == 1
    assert left_out["audio"]["emotion"]["difference"] == [1, 1, 1]
    assert left_out["text"]["emotion"]["difference"][0] == 0


def test_recognised_words_take_the_place_of_the_written_ones(checkpoint: Checkpoint, data: Path) -> None:
    whisper = Listener("hello there", "", "well", "no yes no")
    found = evaluate_adding_up(checkpoint, data, transcriber=whisper)
    heard = found["recognised"]
    assert (heard["whisper"], heard["n"], heard["unheard"]) == ("owner/base", 4, 1)
    # hello there / go away / well / no no no: "go away" is lost, and one "no" became "yes".
    assert heard["word_error_rate"] == pytest.approx(3 / 8, abs=1e-5)
    # The words now outvote the sound; where none was heard there is no voice either, and the face knows nothing.
    assert heard["unanswered"] == 0 and heard["emotion"]["weighted_f1"] == 0
    # One joy of one is right, and two more are named so: precision 1/3, F1 1/2, of four utterances one.
    assert heard["emotion"]["recognised"] == pytest.approx(0.5 / 4, abs=1e-5)

    text = clips_section(found)
    assert "7 utterances, by what they had – words, voice, face: 3;" in text
    assert "1 had nothing to be read and got no answer" in text
    assert "| without voice | emotion | 3 | 0.000 | 1.000 | +1.000 (+1.000 to +1.000) |" in text
    assert "in 1 none was heard" in text and "RoBERTa-large with context" in text

    # What was recognised is kept beside the clips: Whisper is not asked again.
    assert evaluate_adding_up(checkpoint, data, transcriber=Listener())["recognised"] == heard


def test_what_was_recognised_survives_an_interruption(
    checkpoint: Checkpoint, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.clip_transcripts.KEEP_EVERY", 1)
    cache = find_cache(data, checkpoint.clip_settings, "test")
    clips = PreparedClips(cache, "test", checkpoint.preprocessor)
    with pytest.raises(IndexError):  # the list of texts is at its end
        recognised_texts(cache, "test", clips, Listener("one", "two"))  # type: ignore[arg-type]
    whisper = Listener("three", "four")
    texts = recognised_texts(cache, "test", clips, whisper)  # type: ignore[arg-type]
    assert list(texts.values()) == ["one", "two", "three", "four"] and len(whisper.heard) == 2
    assert whisper.heard[0].sample_rate_hz == 16_000 and len(whisper.heard[0].samples) == 4000


def test_context_is_what_was_heard_around_it_in_the_same_dialogue() -> None:
    examples = [Example("meld", f"{d}-{i}", "joy", "positive", "written", group=d) for d in "ab" for i in range(3)]
    heard = as_heard(examples, {"a-0": "one", "a-1": "", "a-2": "two", "b-1": "three", "b-2": "four"})
    assert [e.context for e in heard] == [(), ("one",), ("one",), (), (), ("three",)]
    assert [e.following for e in heard] == [("two",), ("two",), (), ("three", "four"), ("four",), ()]
    assert [e.text for e in heard] == ["one", "", "two", "", "three", "four"]


def test_features_are_those_of_the_app(checkpoint: Checkpoint, data: Path) -> None:
    from sentiment.clips import collate

    clips = PreparedClips(find_cache(data, checkpoint.clip_settings, "test"), "test", checkpoint.preprocessor)
    features = encode_clips(checkpoint, clips)
    assert features.shape == (len(LINES), 3, 128)
    assert (features.abs().sum(dim=2) > 0).equal(clips.presence)
    with torch.inference_mode():
        alone = checkpoint.network.encode(collate([clips[4][0]]))
    assert torch.allclose(alone[0], features[4], atol=1e-4)


def test_the_command_stores_prints_and_draws(
    folder: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "--checkpoint", str(folder), "--data", str(data)]
    assert main([*command, "--table", "--figures", str(tmp_path / "drawings")]) == 0
    printed = capsys.readouterr()
    clips = json.loads(printed.out)["clips"]
    assert clips["n"] == 7
    assert table(("class", "precision", "recall", "F1", "examples"), []) in printed.err
    assert "| words, voice, face | emotion | 3 |" in printed.err
    assert {path.name for path in (tmp_path / "drawings").iterdir()} == {
        *("confusion-clips.svg", "reliability-clips.svg", "coverage-clips.svg")
    }
    with pytest.raises(DataError, match=r"train prepare"):
        evaluate_clips(load_checkpoint(folder), tmp_path)
    assert not has_prepared_clips(load_checkpoint(folder), tmp_path, "test")


def test_ways_of_fusing_are_compared_on_frozen_features(checkpoint: Checkpoint, data: Path) -> None:
    budget = Budget(epochs=1, batch_size=4, fusion_size=8)
    found = compare_fusions(checkpoint, data, budget)
    assert list(found["fusion"]) == ["late", "early", "intermediate"]
    assert all(row[part]["emotion"]["n"] == 7 for row in found["fusion"].values() for part in ("dev", "test"))
    kept = sorted(find_cache(data, checkpoint.clip_settings, "test").glob("sequences-*/*.safetensors"))
    assert [path.stem for path in kept] == ["dev", "test", "train"]
    written = [path.stat().st_mtime_ns for path in kept]
    again = compare_fusions(checkpoint, data, budget)
    assert [path.stat().st_mtime_ns for path in kept] == written
    assert again["fusion"]["early"]["test"] == found["fusion"]["early"]["test"]
    text = ablation_section({**found, "encoders": []})
    assert f"| early | {found['fusion']['early']['parameters']:,} | emotion |" in text
