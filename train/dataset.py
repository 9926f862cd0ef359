"""Examples to batches: the preprocessing of `sentiment.clips`, then augmentation, then padding."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from sentiment.clip_datatypes import ClipBatch, ClipInputs, ClipSettings
from sentiment.clips import ClipPreprocessor, collate, frames_to_tensor
from sentiment.datatypes import AudioTrack
from sentiment.labels import EMOTIONS, SENTIMENTS
from train.augment import mask_spectrogram, pseudo_clips, roughen_sound
from train.corpora import Example

UNKNOWN = -1
"""Target of a head that an example says nothing about."""

_SILENCE_BELOW_PEAK_DB = 35.0
"""Recordings begin and end with a second of nothing; segments in use are cut to the words."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Clips with their targets."""

    clips: ClipBatch
    emotion: torch.Tensor
    """(B,) int64 indices into EMOTIONS, or UNKNOWN."""
    sentiment: torch.Tensor
    """(B,) int64 indices into SENTIMENTS, or UNKNOWN."""


def load_audio(source: Path | bytes, sample_rate_hz: int) -> AudioTrack:
    """An example's sound without the silence around it."""
    from sentiment.media import read_audio

    audio = read_audio(io.BytesIO(source) if isinstance(source, bytes) else source, sample_rate_hz)
    return trim_silence(audio)


def trim_silence(audio: AudioTrack) -> AudioTrack:
    """The sound from its first to its last loud moment; all of it where it has none."""
    frame = audio.sample_rate_hz // 50
    if len(audio.samples) < 2 * frame:
        return audio
    frames = audio.samples[: len(audio.samples) // frame * frame].reshape(-1, frame)
    level_db = 10 * np.log10((frames**2).mean(axis=1) + 1e-10)
    loud = np.flatnonzero(level_db > level_db.max() - _SILENCE_BELOW_PEAK_DB)
    return replace(audio, samples=audio.samples[loud[0] * frame : (loud[-1] + 1) * frame])


def load_image(source: Path | bytes) -> np.ndarray:
    """An example's picture, (H, W, 3) uint8 RGB."""
    content = source.read_bytes() if isinstance(source, Path) else source
    image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("a picture of the corpus cannot be decoded")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


class ExampleDataset:
    """Examples of one modality, decoded once and kept in memory, augmented anew each time."""

    def __init__(self, examples: Sequence[Example], preprocessor: ClipPreprocessor) -> None:
        self.examples = list(examples)
        self.preprocessor = preprocessor
        settings = preprocessor.settings
        self._emotion = torch.tensor([_index(EMOTIONS, e.emotion) for e in self.examples])
        self._sentiment = torch.tensor([_index(SENTIMENTS, e.sentiment) for e in self.examples])
        self._audio = [None if e.audio is None else load_audio(e.audio, settings.sample_rate_hz) for e in self.examples]
        # Half precision: 27,000 faces would otherwise take most of a gigabyte.
        self._stills = [
            None if e.image is None else frames_to_tensor([load_image(e.image)], settings).half() for e in self.examples
        ]

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def emotion(self) -> torch.Tensor:
        """(N,) int64 targets."""
        return self._emotion

    @property
    def sentiment(self) -> torch.Tensor:
        """(N,) int64 targets."""
        return self._sentiment

    def batches(
        self,
        batch_size: int,
        order: Sequence[int] | None = None,
        seed: int | None = None,
        frame_count: int | None = None,
    ) -> Iterator[Batch]:
        """The examples in batches: as they are in use, or, given a seed, augmented.

        `order` lists the examples to take; `frame_count` overrules the settings' for stills.
        Neighbours of similar length share a batch, so that little is padded.
        """
        order = range(len(self)) if order is None else order
        frame_count = frame_count or self.preprocessor.settings.frame_count
        for start in range(0, len(order), batch_size):
            rows = torch.tensor(order[start : start + batch_size])
            clips = collate([self._clip(int(i), None if seed is None else [seed, int(i)]) for i in rows])
            if clips.frames is not None:
                clips = replace(clips, frames=_to_clips(clips.frames.float(), frame_count, seed, start))
            yield Batch(clips, self._emotion[rows], self._sentiment[rows])

    def _clip(self, i: int, seed: list[int] | None) -> ClipInputs:
        """One example's tensors; a still picture stays a clip of one frame here."""
        example, audio = self.examples[i], self._audio[i]
        rng = None if seed is None else np.random.default_rng(seed)
        if audio is not None and rng is not None:
            audio = roughen_sound(audio, rng)
        clip = self.preprocessor.make(text=example.text, context=example.context, audio=audio)
        if clip.log_mel is not None and rng is not None:
            clip = replace(clip, log_mel=mask_spectrogram(clip.log_mel, rng))
        return replace(clip, frames=self._stills[i])


def _to_clips(stills: torch.Tensor, frame_count: int, seed: int | None, salt: int) -> torch.Tensor:
    """(B, 3, frame_count, H, W) from stills (B, 3, 1, H, W): still, or, given a seed, moving."""
    if seed is None:
        return stills.expand(-1, -1, frame_count, -1, -1)
    return pseudo_clips(stills, frame_count, torch.Generator().manual_seed(seed * 1_000_003 + salt))


def measure_mel(examples: Sequence[Example], preprocessor: ClipPreprocessor) -> ClipSettings:
    """The preprocessor's settings with the mean and deviation of these examples' log-mel power."""
    settings = preprocessor.settings
    values = torch.cat(
        [preprocessor.log_mel.raw(load_audio(e.audio, settings.sample_rate_hz)).flatten() for e in examples if e.audio]
    )
    return replace(settings, mel_mean=round(values.mean().item(), 4), mel_std=round(values.std().item(), 4))


def _index(labels: Sequence[str], label: str | None) -> int:
    return UNKNOWN if label is None else labels.index(label)
