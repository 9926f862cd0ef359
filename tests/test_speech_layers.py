"""Judging layers: the one that tells feelings apart is told apart."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest

from sentiment.labels import EMOTIONS
from train import speech_layers
from train.corpora import Example
from train.settings import load_recipe


class OneLayerHears:
    """States that depend on the sound after the second layer alone."""

    def __init__(self, num_layers: int) -> None:
        self.num_layers = num_layers

    def encode(self, log_mel: np.ndarray) -> np.ndarray:
        level = np.round(log_mel.mean(), 2) if self.num_layers == 2 else 0.0
        return np.full((4, 10), level, np.float32) ** np.arange(1, 5)[:, None]


def test_the_layer_that_hears_feelings_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    examples = [
        Example("ravdess", f"{actor}-{emotion}", emotion, None, audio=_tone(number), group=f"actor{actor:02}")
        for actor in range(1, 11)
        for number, emotion in enumerate(EMOTIONS[:2])
    ]
    monkeypatch.setattr(speech_layers, "all_recordings", lambda data: examples)
    monkeypatch.setattr(speech_layers, "count_layers", lambda model: 3)
    monkeypatch.setattr(speech_layers, "load_whisper_encoder", lambda model, num_layers: OneLayerHears(num_layers))
    accuracies = speech_layers.judge_layers(load_recipe("starter"), tmp_path)
    assert accuracies == {"1": 0.5, "2": 1.0, "3": 0.5}


def _tone(number: int) -> bytes:
    """A hiss, or one pitch: the mean of their spectrograms differs."""

    samples = np.random.default_rng(0).normal(size=8000) if number else np.sin(np.arange(8000) * 0.3)
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((8_000 * samples / np.abs(samples).max()).astype(np.int16).tobytes())
    return content.getvalue()
