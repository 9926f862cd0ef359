"""What the decoder gives: sound, what is known of a picture, and frames. All are immutable and check themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


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
    frame_rate_hz: float | None = None
    """What the file says it has, on which editors count; frames may lie otherwise. None where it says nothing."""

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
        return f"VideoFrame({self.time_seconds:.3f} s, {self.image.shape[1]}x{self.image.shape[0]})"
