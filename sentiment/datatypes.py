"""The things that are handed from room to room. All are immutable and check themselves.

Times are in seconds from the start of the file, and every interval is half-open: [start, end).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from sentiment.edits import NO_EDITS, Edits
from sentiment.labels import EMOTIONS, MODALITIES, SENTIMENTS, is_permitted_pair

ModalitySubset = tuple[str, ...]
"""Some of MODALITIES, in their order: ("text", "video")."""

PROBABILITY_TOLERANCE = 1e-3
"""How far from 1 the sum of a distribution may lie after rounding to float32 or for a file."""


def _check_interval(owner: object, start_seconds: float, end_seconds: float) -> None:
    if not (math.isfinite(start_seconds) and math.isfinite(end_seconds) and 0 <= start_seconds < end_seconds):
        raise ValueError(f"{type(owner).__name__} needs 0 <= start < end, got [{start_seconds}, {end_seconds}) seconds")


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
    """The unit that is answered for: one utterance, a stretch in which nobody speaks, or a moment of watching."""

    start_seconds: float
    end_seconds: float
    kind: Literal["speech", "silent", "watched"]
    """"watched": somebody's face while they watch, whose sound was not listened to."""
    text: str = ""
    """The words of the utterance, in the language in which they were said; empty in other kinds."""
    translation: str = ""
    """The same in English, where the network cannot read that language; else empty."""

    def __post_init__(self) -> None:
        _check_interval(self, self.start_seconds, self.end_seconds)
        if self.kind not in ("speech", "silent", "watched"):
            raise ValueError(f"kind must be 'speech', 'silent' or 'watched', got {self.kind!r}")
        if self.kind != "speech" and (self.text or self.translation):
            raise ValueError(f"a {self.kind} segment has no words, got {self.text or self.translation!r}")

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
            raise ValueError(f"a face box needs left < right and top < bottom, got {self}")

    @property
    def area(self) -> float:
        """In fractions of the picture's area."""
        return (self.right - self.left) * (self.bottom - self.top)


@dataclass(frozen=True, slots=True, eq=False)
class FaceCandidate:
    """One of the faces that stay in the picture during a segment."""

    track: int
    """The number of a face that keeps its place through successive segments of one shot. After a cut, numbers are
    new: nobody is recognised again."""
    boxes: tuple[FaceBox, ...]
    """One for each frame; see `sentiment.faces.follow_faces`."""
    thumbnail: bytes | None
    """A small JPEG of it."""
    features: np.ndarray
    """(128,) float32: what the frames' encoder said of its expression; not of whose face it is."""


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
    def ranked_emotions(self) -> list[tuple[str, float]]:
        """Each of EMOTIONS with its probability, from the likeliest down."""
        return sorted(zip(EMOTIONS, self.emotion, strict=True), key=lambda item: -item[1])

    @property
    def top_emotion(self) -> str:
        return self.ranked_emotions[0][0]

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
    thumbnail: bytes | None = None
    """A small JPEG of what was looked at in the middle of the segment: the face, or the whole picture where no face
    was found. None where there is no picture. It lives as long as the timeline, and no export holds it."""
    candidates: tuple[FaceCandidate, ...] = ()
    """The faces that could have been read, the one that is largest and longest in the picture first."""
    face_track: int | None = None
    """Which of them was read; None where none was."""
    as_heard: Segment | None = None
    """The segment as the recogniser has it, where a person has corrected its words."""

    def __post_init__(self) -> None:
        if (self.affect is None) != (not any(self.presence)):
            raise ValueError(f"an answer needs something present and nothing else: presence {self.presence}")
        if self.certain and (self.affect is None or self.affect.is_mixed):
            raise ValueError(f"a certain segment needs an answer that is not mixed, got {self.affect}")

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
    """The whole video in numbers, each segment weighted by its duration; moods from certain segments alone."""

    emotion_share: Mapping[str, float]
    """For each of EMOTIONS, its share of the certain time as top emotion; sums to 1, empty where nothing is certain."""
    mean_sentiment_score: float | None
    """P(positive) - P(negative) averaged over the certain time, in [-1, 1]; None where nothing is certain."""
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
    edits: Edits = NO_EDITS
    """What a person has put right in it; the segments are as they are with that."""

    def __post_init__(self) -> None:
        for before, after in zip(self.segments, self.segments[1:], strict=False):
            if after.segment.start_seconds < before.segment.end_seconds:
                raise ValueError(f"segments overlap: {before.segment} and {after.segment}")

    @property
    def is_complete(self) -> bool:
        return self.analysed_seconds >= self.duration_seconds
