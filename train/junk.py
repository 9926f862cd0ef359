"""Inputs that carry no feeling at all: what a camera, a microphone and a recogniser give when things go wrong.

The fusion is shown them, so that it learns how little a signal may be worth even where it is present.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import cv2
import numpy as np

from sentiment.clip_datatypes import ClipInputs
from sentiment.media_datatypes import AudioTrack
from train.dataset import ExampleDataset

_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.8, 4.0


def junk_clips(modality: str, dataset: ExampleDataset, count: int, seed: int) -> list[ClipInputs]:
    """`count` clips of one modality without meaning, some of them made from wrecked examples of the data set."""
    rng = np.random.default_rng(seed)
    make = {"text": _word_salad, "audio": _noise, "video": _no_face}[modality]
    return [make(dataset, rng) for _ in range(count)]


def _word_salad(dataset: ExampleDataset, rng: np.random.Generator) -> ClipInputs:
    """Words of several lines in any order, as a recogniser writes over music."""
    lines = [dataset.examples[int(i)].text or "" for i in rng.integers(0, len(dataset), 6)]
    words = [word for line in lines for word in line.split()]
    chosen = rng.permutation(words)[: int(rng.integers(1, 12))]
    return dataset.preprocessor.make(text=" ".join(chosen) or "...")


def _noise(dataset: ExampleDataset, rng: np.random.Generator) -> ClipInputs:
    rate_hz = dataset.preprocessor.settings.sample_rate_hz
    num_samples = round(rng.uniform(_SHORTEST_SECONDS, _LONGEST_SECONDS) * rate_hz)
    samples = _SOUNDS[int(rng.integers(0, len(_SOUNDS)))](num_samples, rate_hz, rng)
    samples = (0.5 * samples / np.abs(samples).max()).astype(np.float32)
    return dataset.preprocessor.make(audio=AudioTrack(samples, rate_hz))


def _hiss(num_samples: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(num_samples)


def _rumble(num_samples: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Traffic, wind on the microphone."""
    walk = np.cumsum(rng.standard_normal(num_samples))
    return walk - np.linspace(walk[0], walk[-1], num_samples) + 1e-3 * rng.standard_normal(num_samples)


def _hum(num_samples: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """The mains, with its overtones."""
    times = np.arange(num_samples) / rate_hz
    tones = [np.sin(2 * np.pi * 50 * k * times + rng.uniform(0, 6)) / k for k in range(1, 12)]
    return np.sum(tones, axis=0) + 0.02 * rng.standard_normal(num_samples)


def _chords(num_samples: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Music without singing: a chord after the other, each fading."""
    samples = np.zeros(num_samples)
    step = rate_hz // 3
    for start in range(0, num_samples, step):
        times = np.arange(min(step, num_samples - start)) / rate_hz
        root_hz = 110 * 2 ** (rng.integers(0, 24) / 12)
        for interval in (0, rng.integers(3, 5), 7):
            note = np.sin(2 * np.pi * root_hz * 2 ** (interval / 12) * times)
            samples[start : start + len(times)] += note * np.exp(-4 * times)
    return samples + 1e-3 * rng.standard_normal(num_samples)


_SOUNDS: Final[Sequence[Callable[[int, int, np.random.Generator], np.ndarray]]] = (_hiss, _rumble, _hum, _chords)


def _no_face(dataset: ExampleDataset, rng: np.random.Generator) -> ClipInputs:
    """Something that a face finder took for a face: a plain wall, noise, a smear, torn pieces."""
    settings = dataset.preprocessor.settings
    size = settings.frame_size_px
    kind = int(rng.integers(0, 4))
    if kind == 0:
        picture = np.full((size, size, 3), rng.integers(0, 256), np.uint8)
    elif kind == 1:
        picture = np.repeat(rng.integers(0, 256, (size, size, 1)).astype(np.uint8), 3, axis=2)
    else:
        face = dataset.picture(int(rng.integers(0, len(dataset))))
        if kind == 2:
            picture = cv2.GaussianBlur(face, (0, 0), size / 5)
        else:
            pieces = rng.permutation([p for row in np.split(face, 4) for p in np.split(row, 4, axis=1)])
            picture = np.concatenate([np.concatenate(list(pieces[i : i + 4]), axis=1) for i in range(0, 16, 4)])
    return dataset.preprocessor.make(images=[picture] * settings.frame_count)
