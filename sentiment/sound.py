"""Sound laid on the file's clock: resampled, mixed down, with silence where the file has none."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from sentiment.decoding import MediaSource, StreamChoice, audio_stream, decoded_frames, frame_seconds, open_container

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler

logger = logging.getLogger(__name__)

GAP_TOLERANCE_SECONDS = 0.04
"""Sound may lie this far from its timestamp before it is moved there: more than the jitter of containers
that round to milliseconds, and no more than one video frame."""


def sound_chunks(
    source: MediaSource, choice: StreamChoice, sample_rate_hz: int, layout: str = "mono"
) -> Iterator[np.ndarray]:
    """The sound of [0, duration_seconds) without a gap, in small arrays (num_samples, num_channels) int16.

    Where the file has no sound (before its first sample, in a gap, after its last) there are zeros; sound
    that overlaps what came before is left out. Mixing down in 16 bits is what keeps 5.1 from clipping.
    """
    line = _SoundLine(sample_rate_hz, layout, choice.duration_seconds)
    with open_container(source) as container:
        for frame in decoded_frames(container, audio_stream(container, choice.audio_index)):
            yield from line.add(frame, frame_seconds(frame, choice.origin_seconds))
        yield from line.finish()


class _SoundLine:
    """Lays decoded sound end to end, resampled, where its timestamps put it."""

    def __init__(self, sample_rate_hz: int, layout: str, duration_seconds: float) -> None:
        from av.audio.layout import AudioLayout

        self._sample_rate_hz = sample_rate_hz
        self._layout = layout
        self._num_channels = AudioLayout(layout).nb_channels
        self._duration_seconds = duration_seconds
        self._given_samples = 0
        self._expected_seconds = 0.0
        """Where the file's next sample belongs, if nothing is missing before it."""
        self._resampler: AudioResampler | None = None
        self._source: tuple[str, str, int] | None = None

    def add(self, frame: AudioFrame, start_seconds: float | None) -> Iterator[np.ndarray]:
        """What this frame adds, with the silence before it; nothing for one whose header was damaged."""
        import av

        gap_seconds = 0.0 if start_seconds is None else start_seconds - self._expected_seconds
        if gap_seconds < -GAP_TOLERANCE_SECONDS:
            return
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or source != self._source or gap_seconds > GAP_TOLERANCE_SECONDS:
            yield from self._restart(source, self._expected_seconds + max(0.0, gap_seconds))
        try:
            yield from self._resample(frame)
        except MemoryError:  # to PyAV an FFmpegError, too; whoever limits the memory has a sentence for it
            raise
        except av.FFmpegError as error:
            logger.warning("a frame of %s, %s, %d Hz cannot be converted: %s", *source, error)
            self._resampler = None  # in its place there is silence
            return
        self._expected_seconds += frame.samples / frame.sample_rate

    def finish(self) -> Iterator[np.ndarray]:
        """What was held back, and silence to the end of the file."""
        if self._resampler is not None:
            yield from self._resample(None)
        yield from self._silence_until(self._duration_seconds)

    def _restart(self, source: tuple[str, str, int], seconds: float) -> Iterator[np.ndarray]:
        from av.audio.resampler import AudioResampler

        if self._resampler is not None:
            yield from self._resample(None)
        yield from self._silence_until(seconds)
        self._resampler = AudioResampler(format="s16", layout=self._layout, rate=self._sample_rate_hz)
        self._source, self._expected_seconds = source, seconds

    def _resample(self, frame: AudioFrame | None) -> Iterator[np.ndarray]:
        assert self._resampler is not None
        for out in self._resampler.resample(frame):
            if out is not None:  # a resampler with nothing to convert hands back the None it is flushed with
                yield self._within_file(out.to_ndarray().reshape(-1, self._num_channels))

    def _silence_until(self, seconds: float) -> Iterator[np.ndarray]:
        missing = math.ceil(min(seconds, self._duration_seconds) * self._sample_rate_hz) - self._given_samples
        while missing > 0:
            length = min(missing, self._sample_rate_hz)
            yield self._within_file(np.zeros((length, self._num_channels), dtype=np.int16))
            missing -= length

    def _within_file(self, samples: np.ndarray) -> np.ndarray:
        samples = samples[: math.ceil(self._duration_seconds * self._sample_rate_hz) - self._given_samples]
        self._given_samples += len(samples)
        return samples
