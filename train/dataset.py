"""Examples to batches: the preprocessing of `sentiment.clips`, then augmentation, then padding."""

from __future__ import annotations

import copy
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from sentiment.clip_datatypes import ClipBatch, ClipInputs, ClipSettings
from sentiment.clips import ClipPreprocessor, LogMel, collate, frames_to_tensor
from sentiment.context import WordsInContext
from sentiment.labels import EMOTIONS, SENTIMENTS
from sentiment.media_datatypes import AudioTrack
from train.augment import (
    flatten_punctuation,
    forget_context,
    forget_following,
    mask_spectrogram,
    pseudo_clips,
    roughen_sound,
)
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

    def __init__(
        self,
        examples: Sequence[Example],
        preprocessor: ClipPreprocessor,
        sound_variants: int = 5,
        flat_punctuation: float = 0.0,
    ) -> None:
        """Sound is roughened in `sound_variants` ways, which epochs take in turn: each has to be heard only once.

        In the share `flat_punctuation` of their readings, lines lose their exclamation marks; see `train.augment`.
        """
        self.examples = list(examples)
        self.preprocessor = preprocessor
        self._sound_variants = sound_variants
        self._flat_punctuation = flat_punctuation
        settings = preprocessor.settings
        self.emotion = label_indices(EMOTIONS, [e.emotion for e in self.examples])
        """(N,) int64 targets."""
        self.sentiment = label_indices(SENTIMENTS, [e.sentiment for e in self.examples])
        """(N,) int64 targets."""
        self._audio = [None if e.audio is None else load_audio(e.audio, settings.sample_rate_hz) for e in self.examples]
        # Half precision: 27,000 faces would otherwise take most of a gigabyte.
        self._stills = [
            None if e.image is None else frames_to_tensor([load_image(e.image)], settings).half() for e in self.examples
        ]
        self._heard: dict[tuple[str, int | None], tuple[torch.Tensor, torch.Tensor | None]] = {}
        """What the preprocessor made of a recording's variant, None for the recording itself. Variants, of
        which there are many, are kept in half precision."""

    def __len__(self) -> int:
        return len(self.examples)

    def picture(self, i: int) -> np.ndarray:
        """The picture of an example at the settings' size, (frame_size_px, frame_size_px, 3) uint8 RGB."""
        source = self.examples[i].image
        if source is None:
            raise ValueError(f"{self.examples[i].key} of {self.examples[i].corpus} has no picture")
        size = self.preprocessor.settings.frame_size_px
        return cv2.resize(load_image(source), (size, size))

    def subset(self, rows: Sequence[int]) -> ExampleDataset:
        """Some of the examples as a data set of their own; what was decoded and heard is shared."""
        part = copy.copy(self)
        part.examples = [self.examples[i] for i in rows]
        part.emotion, part.sentiment = self.emotion[list(rows)], self.sentiment[list(rows)]
        part._audio, part._stills = [self._audio[i] for i in rows], [self._stills[i] for i in rows]
        return part

    def batches(
        self,
        batch_size: int,
        order: Sequence[int] | None = None,
        seed: int | None = None,
        frame_count: int | None = None,
        frame_size_px: int | None = None,
    ) -> Iterator[Batch]:
        """The examples in batches: as they are in use, or, given a seed, augmented.

        `order` lists the examples to take; `frame_count` and `frame_size_px` overrule the settings' for stills.
        Neighbours of similar length share a batch, so that little is padded.
        """
        order = range(len(self)) if order is None else order
        frame_count = frame_count or self.preprocessor.settings.frame_count
        for start in range(0, len(order), batch_size):
            rows = torch.tensor(order[start : start + batch_size])
            clips = collate([self._clip(int(i), seed) for i in rows])
            if clips.frames is not None:
                stills = _resize(clips.frames.float(), frame_size_px or self.preprocessor.settings.frame_size_px)
                clips = replace(clips, frames=_to_clips(stills, frame_count, seed, start))
            yield Batch(clips, self.emotion[rows], self.sentiment[rows])

    def _clip(self, i: int, seed: int | None) -> ClipInputs:
        """One example's tensors; a still picture stays a clip of one frame here."""
        clip = self.preprocessor.make(*self._read(i, seed))
        if self._audio[i] is not None:
            log_mel, speech_states = self._hear(i, None if seed is None else seed % self._sound_variants)
            log_mel = log_mel.float()
            if seed is not None:
                log_mel = mask_spectrogram(log_mel, np.random.default_rng([seed, i]))
            speech_states = None if speech_states is None else speech_states.float()
            clip = replace(clip, log_mel=log_mel, speech_states=speech_states)
        return replace(clip, frames=self._stills[i])

    def text_length(self, i: int, seed: int | None = None) -> int:
        """How many characters of an example are read, its context included; for putting like beside like."""
        text, context, following = self._read(i, seed)
        return sum(len(line) for line in (text or "", *context, *following))

    def _read(self, i: int, seed: int | None) -> WordsInContext:
        generator = None if seed is None else np.random.default_rng([seed, i])
        return read_words(self.examples[i], self.preprocessor.settings, generator, self._flat_punctuation)

    def _hear(self, i: int, variant: int | None) -> tuple[torch.Tensor, torch.Tensor | None]:
        key = self.examples[i].key
        if (key, variant) not in self._heard:
            audio = self._audio[i]
            assert audio is not None
            if variant is not None:
                audio = roughen_sound(audio, np.random.default_rng([zlib.crc32(key.encode()), variant]))
            log_mel, speech_states = self.preprocessor.hear(audio)
            if variant is not None:
                log_mel, speech_states = log_mel.half(), None if speech_states is None else speech_states.half()
            self._heard[key, variant] = log_mel, speech_states
        return self._heard[key, variant]


def read_words(
    example: Example, settings: ClipSettings, generator: np.random.Generator | None, flat_punctuation: float
) -> WordsInContext:
    """An example's text and the utterances around it that the settings ask for.

    Given a generator, some of these are forgotten, and a share `flat_punctuation` of the times all is flattened.
    """
    context = example.context[max(0, len(example.context) - settings.context_utterances) :]
    following = example.following[: settings.following_utterances]
    if example.text is None or generator is None:
        return WordsInContext(example.text, context, following)
    context = forget_context(context, generator) if context else ()
    following = forget_following(following, generator) if following else ()
    lines = (*context, example.text, *following)
    if generator.random() < flat_punctuation:
        lines = flatten_punctuation(lines)
    return WordsInContext(lines[len(context)], lines[: len(context)], lines[len(context) + 1 :])


def _resize(stills: torch.Tensor, size_px: int) -> torch.Tensor:
    """Stills (B, 3, 1, H, W) at another size, (B, 3, 1, size_px, size_px)."""
    if stills.shape[-1] == size_px:
        return stills
    resized = F.interpolate(stills.squeeze(2), (size_px, size_px), mode="bilinear", antialias=True)
    return resized.unsqueeze(2)


def _to_clips(stills: torch.Tensor, frame_count: int, seed: int | None, salt: int) -> torch.Tensor:
    """(B, 3, frame_count, H, W) from stills (B, 3, 1, H, W): still, or, given a seed, moving."""
    if seed is None:
        return stills.expand(-1, -1, frame_count, -1, -1)
    return pseudo_clips(stills, frame_count, torch.Generator().manual_seed(seed * 1_000_003 + salt))


def measure_mel(examples: Sequence[Example], settings: ClipSettings) -> ClipSettings:
    """The settings with the mean and deviation of these examples' log-mel power."""
    log_mel = LogMel(settings)
    heard = (load_audio(e.audio, settings.sample_rate_hz) for e in examples if e.audio)
    values = torch.cat([log_mel.clip(log_mel.raw(audio)).flatten() for audio in heard])
    return replace(settings, mel_mean=round(values.mean().item(), 4), mel_std=round(values.std().item(), 4))


def label_indices(labels: Sequence[str], found: Sequence[str | None]) -> torch.Tensor:
    """(N,) int64: where in `labels` each of the N is, UNKNOWN for None."""
    return torch.tensor([UNKNOWN if label is None else labels.index(label) for label in found], dtype=torch.int64)
