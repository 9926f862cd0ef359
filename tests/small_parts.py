"""Small parts for the tests of the whole path: a network of random weights, speech, and a picture that talks."""

from __future__ import annotations

import os
import time
import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from media_files import even_times, silence, write_media
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from sentiment.checkpoint import Calibration, save_checkpoint, subset_key
from sentiment.clip_datatypes import ClipSettings
from sentiment.clips import ClipPreprocessor
from sentiment.model import FusionNetwork, NetworkSettings
from sentiment.prediction import SUBSETS
from sentiment.whisper_files import OFFLINE_PACKAGES

FRAMES_PER_SECOND = 10
PATIENCE_SECONDS = 120


def wait_until(is_so: Callable[[], bool]) -> None:
    """Fails where it is not so within PATIENCE_SECONDS."""
    patience_ends = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < patience_ends
        time.sleep(0.01)


def tiny_tokenizer() -> Tokenizer:
    """BERT's kind of tokenizer, one character a token."""
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    letters = [c for c in "abcdefghijklmnopqrstuvwxyz0123456789',.?!"]
    vocabulary = {token: i for i, token in enumerate([*marks, *letters, *(f"##{c}" for c in letters)])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def save_random_checkpoint(folder: Path, **clip_settings: object) -> Path:
    """A checkpoint of random weights whose answers are all called certain, unless they are mixed."""
    torch.manual_seed(0)
    settings = ClipSettings(**{"frame_count": 4, "frame_size_px": 56, **clip_settings})
    bert = {
        **{"vocab_size": 128, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2},
        **{"intermediate_size": 64, "max_position_embeddings": 128},
    }
    sizes = NetworkSettings(bert=bert, audio_channels=(4, 8), fusion_size=32)
    network = FusionNetwork(sizes, settings.n_mels, settings.modalities)
    keys = [subset_key(subset) for subset in SUBSETS]
    calibration = Calibration(dict.fromkeys(keys, 1.0), dict.fromkeys(keys, 0.0))
    save_checkpoint(folder, "random", network, ClipPreprocessor(settings, tiny_tokenizer()), calibration, {}, {})
    return folder


def spoken_sound(paths: Sequence[Path], pause_seconds: float) -> tuple[np.ndarray, int]:
    """(num_samples, 1) int16 of several mono wav files, a pause after each, and their sample rate in Hz."""
    parts, rate_hz = [], 0
    for path in paths:
        with wave.open(str(path)) as file:
            rate_hz = file.getframerate()
            parts.append(np.frombuffer(file.readframes(file.getnframes()), np.int16)[:, None])
            parts.append(silence(pause_seconds, rate_hz))
    return np.concatenate(parts), rate_hz


def write_picture_video(
    path: Path, picture: np.ndarray, duration_seconds: float, sound: np.ndarray | None = None, rate_hz: int = 48_000
) -> Path:
    """A video that shows one picture, (H, W, 3) uint8 RGB with even sides; `sound` is (num_samples, 1) int16."""
    times_seconds = even_times(duration_seconds, FRAMES_PER_SECOND)
    return write_media(path, times_seconds=times_seconds, picture=lambda _: picture, sound=sound, rate_hz=rate_hz)


@contextmanager
def few_resamples() -> Iterator[None]:
    """Bootstrap intervals of 20 resamples in place of thousands, where a test does not look at them."""
    with pytest.MonkeyPatch.context() as patched:
        for module in ("metrics", "probes"):
            patched.setattr(f"train.{module}.BOOTSTRAP_RESAMPLES", 20)
        yield


def require(present: bool, what: str) -> None:
    """Skips the test where something that it needs is missing; fails it where nothing may be missing."""
    if not present:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say(f"missing: {what}")


def require_whisper() -> None:
    """Whisper base must be installed: no test fetches it from a hub."""
    require(all(find_spec(name) for name in OFFLINE_PACKAGES), "the Whisper wheels of requirements-offline.txt")
