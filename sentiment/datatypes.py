"""The things that are handed from room to room. All are immutable and check themselves.

Times are in seconds from the start of the file, and every interval is half-open: [start, end).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sentiment.errors import SettingsError
from sentiment.labels import EMOTIONS, MODALITIES, SENTIMENTS, is_permitted_pair

if TYPE_CHECKING:
    import torch

Modality = Literal["text", "audio", "video"]
ModalitySubset = tuple[str, ...]
"""Some of MODALITIES, in their order: ("text", "video")."""

PROBABILITY_TOLERANCE = 1e-3
"""How far from 1 the sum of a distribution may lie after rounding to float32 or for a file."""


def _check_interval(owner: object, start_seconds: float, end_seconds: float) -> None:
    if not (math.isfinite(start_seconds) and math.isfinite(end_seconds) and 0 <= start_seconds < end_seconds):
        name = type(owner).__name__
        raise ValueError(f"{name} needs 0 <= start < end, got [{start_seconds}, {end_seconds}) seconds")


# ---------------------------------------------------------------- what the decoder gives


@dataclass(frozen=True, slots=True, eq=False)
class AudioTrack:
    """A stretch of mono sound."""

    samples: np.ndarray
    """(num_samples,) float32 in [-1, 1]."""
    sample_rate_hz: int
    start_seconds: float = 0.0
    """Where in the file the first sample lies."""

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.float32:
            raise ValueError(f"samples must be (num_samples,) float32, got {self.samples.shape} {self.samples.dtype}")
        if self.sample_rate_hz <= 0:
            raise ValueError(f"sample_rate_hz must be positive, got {self.sample_rate_hz}")

    def __repr__(self) -> str:
        return f"AudioTrack({len(self.samples)} samples, {self.sample_rate_hz} Hz, from {self.start_seconds:.3f} s)"

    @property
    def duration_seconds(self) -> float:
        return len(self.samples) / self.sample_rate_hz

    @property
    def end_seconds(self) -> float:
        return self.start_seconds + self.duration_seconds

    def between(self, start_seconds: float, end_seconds: float) -> AudioTrack:
        """The part of this track that lies in [start_seconds, end_seconds) of the file; may be empty."""
        first = max(0, round((start_seconds - self.start_seconds) * self.sample_rate_hz))
        last = max(first, round((end_seconds - self.start_seconds) * self.sample_rate_hz))
        samples = self.samples[first:last]
        return AudioTrack(samples, self.sample_rate_hz, self.start_seconds + first / self.sample_rate_hz)


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """What is known of a video stream before a frame is decoded."""

    path: Path
    width: int
    """As displayed, after rotation."""
    height: int
    duration_seconds: float
    display_matrix: tuple[float, ...] | None = None
    """The 9 numbers, row by row, that turn stored pixels to displayed ones; None where none is given."""

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f"a video needs a size, got {self.width}x{self.height}")
        if self.display_matrix is not None and len(self.display_matrix) != 9:
            raise ValueError(f"display_matrix must have 9 numbers, got {len(self.display_matrix)}")


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """One decoded picture, turned the way a player would show it."""

    time_seconds: float
    """The timestamp it carries in the file, which may lie a little before the time asked for."""
    image: np.ndarray
    """(height, width, 3) uint8, RGB."""

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(f"image must be (height, width, 3) uint8, got {self.image.shape} {self.image.dtype}")

    def __repr__(self) -> str:
        height, width, _ = self.image.shape
        return f"VideoFrame({self.time_seconds:.3f} s, {width}x{height})"


# ---------------------------------------------------------------- what is said, and when


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word."""

    start_seconds: float
    end_seconds: float
    text: str
    """As the recogniser writes it: with its punctuation, without surrounding blanks."""
    probability: float
    """The recogniser's, in [0, 1]."""

    def __post_init__(self) -> None:
        _check_interval(self, self.start_seconds, self.end_seconds)


@dataclass(frozen=True, slots=True)
class Segment:
    """The unit that is answered for: one utterance, or a stretch in which nobody speaks."""

    start_seconds: float
    end_seconds: float
    kind: Literal["speech", "silent"]
    text: str = ""
    """The words of the utterance; empty where kind is "silent"."""

    def __post_init__(self) -> None:
        _check_interval(self, self.start_seconds, self.end_seconds)
        if self.kind not in ("speech", "silent"):
            raise ValueError(f"kind must be 'speech' or 'silent', got {self.kind!r}")
        if self.kind == "silent" and self.text:
            raise ValueError(f"a silent segment has no words, got {self.text!r}")

    @property
    def duration_seconds(self) -> float:
        return self.end_seconds - self.start_seconds


@dataclass(frozen=True, slots=True)
class FaceBox:
    """Where a face is in one picture, as fractions of its width and height."""

    left: float
    top: float
    right: float
    bottom: float
    confidence: float
    """The detector's, in [0, 1]."""
    time_seconds: float = 0.0

    def __post_init__(self) -> None:
        if not (self.left < self.right and self.top < self.bottom):
            raise ValueError(
                f"a face box needs left < right and top < bottom, "
                f"got {self.left:.3f}, {self.top:.3f}, {self.right:.3f}, {self.bottom:.3f}"
            )

    @property
    def area(self) -> float:
        """In fractions of the picture's area."""
        return (self.right - self.left) * (self.bottom - self.top)


# ---------------------------------------------------------------- what the network reads


@dataclass(frozen=True, slots=True)
class ClipSettings:
    """How a clip becomes tensors. Lives in the checkpoint, so that training and use cannot differ."""

    frame_count: int = 16
    """Frames spread evenly over the whole segment."""
    frame_size_px: int = 112
    """Frames are square."""
    framing: Literal["face", "frame"] = "face"
    """What the network learned to look at: the face alone, or the whole picture."""
    face_margin: float = 0.0
    """How much of the face box's size is added on each side before cropping."""
    colour: Literal["rgb", "grey"] = "rgb"
    """Grey frames are repeated over the three channels."""
    frame_mean: tuple[float, float, float] = (0.43216, 0.394666, 0.37645)
    """Of Kinetics-400, as torchvision's R3D_18_Weights.KINETICS400_V1 states it."""
    frame_std: tuple[float, float, float] = (0.22803, 0.22145, 0.216989)

    sample_rate_hz: int = 16_000
    n_fft: int = 400
    """25 ms at 16 kHz. The mel settings are those of Whisper (openai/whisper, audio.py), so that its
    encoder could read the same spectrogram."""
    hop_length: int = 160
    """10 ms at 16 kHz: 100 spectrogram frames a second."""
    n_mels: int = 80
    mel_mean: float = 0.0
    """Of the training corpus's log10 mel power, measured from each clip's loudest point."""
    mel_std: float = 1.0
    mel_dynamic_range_log10: float = 6.0
    """What lies further below a clip's loudest point is silence: 60 dB, about what a good room gives."""
    max_audio_seconds: float = 15.0
    """Longer sound is cut to its middle."""

    max_tokens: int = 96
    """Words beyond are cut: first those of the oldest context, last those of the utterance itself."""
    languages: tuple[str, ...] = ("en",)
    """ISO 639-1 codes of what the network has learned to read. Words in any other language are shown, and
    taken as absent."""
    context_utterances: int = 0
    """How many earlier utterances the words are read with, as BERT's segment B."""

    def __post_init__(self) -> None:
        for name in ("frame_count", "frame_size_px", "sample_rate_hz", "n_fft", "hop_length", "n_mels"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"clip setting {name} must be positive, got {getattr(self, name)}")
        if self.framing not in ("face", "frame"):
            raise SettingsError(f"clip setting framing must be 'face' or 'frame', got {self.framing!r}")
        if self.colour not in ("rgb", "grey"):
            raise SettingsError(f"clip setting colour must be 'rgb' or 'grey', got {self.colour!r}")
        for name in ("mel_std", "mel_dynamic_range_log10", "max_audio_seconds"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"clip setting {name} must be positive, got {getattr(self, name)}")
        if self.max_tokens < 3:
            raise SettingsError(f"clip setting max_tokens must be at least 3, got {self.max_tokens}")
        if self.context_utterances < 0:
            raise SettingsError(f"clip setting context_utterances must be >= 0, got {self.context_utterances}")


@dataclass(frozen=True, slots=True, eq=False)
class ClipInputs:
    """One segment as tensors. What the segment does not have is None."""

    frames: torch.Tensor | None = None
    """(3, frame_count, frame_size_px, frame_size_px) float32, normalised."""
    log_mel: torch.Tensor | None = None
    """(n_mels, mel_frames) float32, normalised; mel_frames follows the length of the sound."""
    token_ids: torch.Tensor | None = None
    """(num_tokens,) int64: [CLS] utterance [SEP], and context [SEP] where there is some."""
    token_type_ids: torch.Tensor | None = None
    """(num_tokens,) int64: 0 for the utterance, 1 for its context."""
    utterance_mask: torch.Tensor | None = None
    """(num_tokens,) bool: True on the utterance's own words, over which the mean is taken."""

    def __post_init__(self) -> None:
        if self.frames is not None and (self.frames.ndim != 4 or self.frames.shape[0] != 3):
            raise ValueError(f"frames must be (3, frames, height, width), got {tuple(self.frames.shape)}")
        if self.log_mel is not None and self.log_mel.ndim != 2:
            raise ValueError(f"log_mel must be (n_mels, mel_frames), got {tuple(self.log_mel.shape)}")
        token_fields = (self.token_ids, self.token_type_ids, self.utterance_mask)
        if len({None if t is None else tuple(t.shape) for t in token_fields}) != 1:
            raise ValueError("token_ids, token_type_ids and utterance_mask must be given together, in one shape")

    @property
    def present(self) -> ModalitySubset:
        """Which modalities the segment has, in the order of MODALITIES."""
        has = {"text": self.token_ids, "audio": self.log_mel, "video": self.frames}
        return tuple(m for m in MODALITIES if has[m] is not None)

    def __repr__(self) -> str:
        shapes = {
            name: None if tensor is None else tuple(tensor.shape)
            for name, tensor in (("frames", self.frames), ("log_mel", self.log_mel), ("token_ids", self.token_ids))
        }
        return f"ClipInputs({', '.join(f'{name}={shape}' for name, shape in shapes.items())})"


@dataclass(frozen=True, slots=True, eq=False)
class ClipBatch:
    """Several segments as tensors, padded. A modality that no segment of the batch has is None."""

    presence: torch.Tensor
    """(B, 3) bool, in the order of MODALITIES. Rows that are False hold zeros in that modality's tensors."""
    frames: torch.Tensor | None = None
    """(B, 3, frame_count, frame_size_px, frame_size_px) float32."""
    log_mel: torch.Tensor | None = None
    """(B, n_mels, max_mel_frames) float32."""
    mel_lengths: torch.Tensor | None = None
    """(B,) int64: how many spectrogram frames are sound and not padding."""
    token_ids: torch.Tensor | None = None
    """(B, max_tokens) int64."""
    token_type_ids: torch.Tensor | None = None
    """(B, max_tokens) int64."""
    attention_mask: torch.Tensor | None = None
    """(B, max_tokens) bool: True where there is a token and not padding."""
    utterance_mask: torch.Tensor | None = None
    """(B, max_tokens) bool: True on the utterance's own words."""

    def __len__(self) -> int:
        return self.presence.shape[0]

    def to(self, device: torch.device | str) -> ClipBatch:
        """The same batch with its tensors on another device."""
        tensors = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return replace(self, **{name: tensor.to(device) for name, tensor in tensors.items() if tensor is not None})


# ---------------------------------------------------------------- what the network answers


@dataclass(frozen=True, slots=True)
class Affect:
    """One answer: how likely each emotion and each sentiment is."""

    emotion: tuple[float, ...]
    """(7,) probabilities in the order of EMOTIONS; they sum to 1."""
    sentiment: tuple[float, ...]
    """(3,) probabilities in the order of SENTIMENTS; they sum to 1."""

    def __post_init__(self) -> None:
        for name, values, labels in (("emotion", self.emotion, EMOTIONS), ("sentiment", self.sentiment, SENTIMENTS)):
            if len(values) != len(labels):
                raise ValueError(f"{name} needs {len(labels)} probabilities, got {len(values)}")
            if not abs(sum(values) - 1.0) <= PROBABILITY_TOLERANCE or min(values) < 0:
                raise ValueError(f"{name} must be probabilities that sum to 1, got {values}")

    @property
    def top_emotion(self) -> str:
        return EMOTIONS[max(range(len(EMOTIONS)), key=self.emotion.__getitem__)]

    @property
    def top_sentiment(self) -> str:
        return SENTIMENTS[max(range(len(SENTIMENTS)), key=self.sentiment.__getitem__)]

    @property
    def confidence(self) -> float:
        """The probability of the top emotion."""
        return max(self.emotion)

    @property
    def sentiment_score(self) -> float:
        """P(positive) - P(negative), in [-1, 1]."""
        return self.sentiment[SENTIMENTS.index("positive")] - self.sentiment[SENTIMENTS.index("negative")]

    @property
    def is_mixed(self) -> bool:
        """Whether the likeliest emotion and the likeliest sentiment do not go together."""
        return not is_permitted_pair(self.top_emotion, self.top_sentiment)


@dataclass(frozen=True, slots=True, eq=False)
class SegmentPrediction:
    """The answer for one segment, and what it rests on."""

    segment: Segment
    affect: Affect | None
    """The fused answer; None where nothing was present that could be read."""
    evidence: Mapping[ModalitySubset, Affect] = field(default_factory=dict)
    """The network's answer from every non-empty subset of what was present, the whole set included."""
    certain: bool = False
    """Whether the answer clears the threshold that was set on validation data."""
    face: tuple[FaceBox, ...] = ()
    """The face that was looked at, frame by frame, in order of time; empty where none was found."""
    features: np.ndarray | None = None
    """(3, 128) float32: what the encoders said, so that a correction re-runs one of them and the fusion."""
    presence: tuple[bool, bool, bool] = (False, False, False)
    """In the order of MODALITIES."""

    def __post_init__(self) -> None:
        if (self.affect is None) != (not any(self.presence)):
            raise ValueError(f"an answer needs something present and nothing else: presence {self.presence}")
        if self.certain and self.affect is None:
            raise ValueError("a segment without an answer cannot be certain")

    def alone(self, modality: str) -> Affect | None:
        """What this modality says by itself; None where it is absent."""
        return self.evidence.get((modality,))

    def without(self, modality: str) -> Affect | None:
        """What the other present modalities say together; None where there is no other."""
        present = tuple(m for m, here in zip(MODALITIES, self.presence, strict=True) if here and m != modality)
        return self.evidence.get(present)


@dataclass(frozen=True, slots=True)
class Moment:
    """A segment that stands out."""

    segment_index: int
    time_seconds: float
    sentiment_score: float
    """P(positive) - P(negative), in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole video in numbers, each segment weighted by its duration."""

    emotion_share: Mapping[str, float]
    """For each of EMOTIONS, the share of the answered time whose segment has it as its top emotion;
    sums to 1, or is 0 throughout where nothing was answered."""
    mean_sentiment_score: float | None
    """P(positive) - P(negative) averaged over the answered time, in [-1, 1]; None where there is none."""
    strongest_positive: Moment | None
    strongest_negative: Moment | None
    speech_share: float
    """Share of the whole duration that is speech, in [0, 1]; likewise below."""
    face_share: float
    answered_share: float
    certain_share: float
    unanswered_segments: int


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """One analysed video, or as much of it as is done."""

    duration_seconds: float
    video: Mapping[str, Any]
    """Name, width, height and so on of the file, ready for JSON."""
    segments: tuple[SegmentPrediction, ...]
    """In order of time; they never overlap."""
    summary: Summary
    provenance: Mapping[str, Any]
    """Model, settings, versions and sha256, ready for JSON: enough to repeat the result."""
    language: str | None = None
    """ISO 639-1 code of what is spoken; None where nobody speaks."""
    analysed_seconds: float = 0.0
    """How far the analysis has come; equals duration_seconds when it is done."""

    def __post_init__(self) -> None:
        for before, after in zip(self.segments, self.segments[1:], strict=False):
            if after.segment.start_seconds < before.segment.end_seconds:
                raise ValueError(f"segments overlap: {before.segment} and {after.segment}")

    @property
    def is_complete(self) -> bool:
        return self.analysed_seconds >= self.duration_seconds
