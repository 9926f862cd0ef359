"""The decoder: any video or sound file behind one small interface, with one clock for frames and sound.

PyAV decodes, so no ffmpeg has to be installed, and frames are found by their timestamps: variable
frame rates and recordings without a duration in their header are no special case outside of here.

    0 s                                                     duration_seconds
     |  frame  |  frame  |       frame       |  frame  |  frame  |   each is shown until the next begins
     | silence |  sound  | (a gap: silence)  |  sound  | silence |   every sample lies where a player plays it

Time 0 is the earliest timestamp in the file, as it is for the copies that `write_playable_copy` writes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from sentiment.datatypes import AudioTrack, VideoFrame, VideoTrack
from sentiment.decoding import (
    StreamChoice,
    choose_streams,
    name_of,
    open_container,
    timed_video_frames,
    video_stream,
)
from sentiment.errors import MediaError
from sentiment.orientation import display_matrix, square_pixel_size, swaps_sides, turned
from sentiment.playable import is_playable_in_browser, write_playable_copy
from sentiment.sound import sound_chunks

if TYPE_CHECKING:
    import av

__all__ = ["FrameReader", "MediaFile", "is_playable_in_browser", "open_media", "read_audio", "write_playable_copy"]

TIME_TOLERANCE_SECONDS = 1e-6
"""Below the distance of any two frames, above the rounding of timestamps to float."""

PAUSE_SEARCH_SHARE = 0.25
"""A window of sound is cut at the quietest spot of this last share of it."""
PAUSE_SECONDS = 0.4
"""Between sentences; quiet spots that are shorter are often stop consonants inside of words."""
PAUSE_STEP_SECONDS = 0.02


def open_media(path: Path | str) -> MediaFile:
    """Opens a file and finds out what it holds. Use it in a `with` statement.

    The first frame and the first sound are decoded as proof that they can be, and the packets of the
    whole file are read once (not decoded) for its true duration.

    Raises:
        MediaError: there is no such file, or there is nothing in it that can be decoded.
    """
    path = Path(path)
    return MediaFile(path, choose_streams(path))


def read_audio(source: Path | str | io.BytesIO, sample_rate_hz: int = 16_000) -> AudioTrack:
    """The whole sound of a short file, mono, from the file's time 0 to its end.

    Raises:
        MediaError: the file cannot be decoded, or has no sound.
    """
    source = Path(source) if isinstance(source, str) else source
    choice = choose_streams(source)
    if choice.audio_index is None:
        raise MediaError(f"{name_of(source)} has no sound.")
    chunks = [chunk[:, 0] for chunk in sound_chunks(source, choice, sample_rate_hz)]
    return _to_track(np.concatenate(chunks), sample_rate_hz, 0)


class MediaFile:
    """An open video or sound file. Passes over it are independent of each other and each keeps little in memory."""

    def __init__(self, path: Path, choice: StreamChoice) -> None:
        self.path = path
        self.duration_seconds = choice.duration_seconds
        self.has_audio = choice.audio_index is not None
        self.video: VideoTrack | None = None if choice.video_index is None else _video_track(path, choice)
        self._choice = choice
        self._open_readers = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the readers that were handed out."""
        self._open_readers.close()

    def audio_windows(self, window_seconds: float = 120.0, sample_rate_hz: int = 16_000) -> Iterator[AudioTrack]:
        """The sound in windows that tile [0, duration_seconds); none where the file has no sound.

        No window is longer than `window_seconds`, and each ends in a pause where its last quarter has one,
        so that words stay whole. Stretches without sound are zeros. One window is in memory at a time.
        """
        if self._choice.audio_index is None:
            return
        window_samples = round(window_seconds * sample_rate_hz)
        pending, start = np.empty(0, dtype=np.int16), 0
        for block in _blocks(sound_chunks(self.path, self._choice, sample_rate_hz), sample_rate_hz):
            pending = np.concatenate([pending, block[:, 0]])
            while len(pending) > window_samples:
                cut = _quietest_cut(pending[:window_samples], sample_rate_hz)
                yield _to_track(pending[:cut], sample_rate_hz, start)
                pending, start = pending[cut:], start + cut
        if len(pending):
            yield _to_track(pending, sample_rate_hz, start)

    def frame_reader(self, max_side_px: int = 640) -> FrameReader:
        """A new pass over the frames, from the beginning.

        Raises:
            ValueError: the file has no video.
        """
        if self._choice.video_index is None:
            raise ValueError(f"{self.path.name} has no video to read frames from")
        reader = FrameReader(self.path, self._choice.video_index, self._choice.origin_seconds, max_side_px)
        self._open_readers.callback(reader.close)
        return reader


def _video_track(path: Path, choice: StreamChoice) -> VideoTrack:
    """What the first frame tells about all of them."""
    with open_container(path) as container:
        stream = video_stream(container, choice.video_index)
        frame = next(frame for _, frame in timed_video_frames(container, stream, choice.origin_seconds))
        matrix = display_matrix(frame)
        width, height = square_pixel_size(frame, stream)
        frame_rate_hz = float(stream.guessed_rate) if stream.guessed_rate else None
    if swaps_sides(matrix):
        width, height = height, width
    return VideoTrack(path, width, height, choice.duration_seconds, matrix, frame_rate_hz)


class FrameReader:
    """One ordered pass over the frames of a file: every packet is decoded once, and only frames asked for are kept."""

    def __init__(self, path: Path, stream_index: int, origin_seconds: float, max_side_px: int) -> None:
        from av.video.reformatter import VideoReformatter

        self._max_side_px = max_side_px
        self._container = open_container(path)
        self._stream = video_stream(self._container, stream_index)
        self._frames = timed_video_frames(self._container, self._stream, origin_seconds)
        self._reformatter = VideoReformatter()
        self._shown = next(self._frames)
        self._following = next(self._frames, None)
        self._picture: VideoFrame | None = None
        self._latest_seconds = 0.0

    def at(self, times_seconds: Sequence[float]) -> tuple[VideoFrame, ...]:
        """What a player shows at these times: for each the last frame that is not later.

        Before the first frame that is the first one, after the last frame the last one. The longer side of
        the pictures is at most `max_side_px`; smaller ones are not enlarged.

        Args:
            times_seconds: ascending, and none before the last one of the previous call.

        Raises:
            ValueError: the times do not ascend.
        """
        return tuple(self._picture_at(seconds) for seconds in times_seconds)

    def close(self) -> None:
        """Lets go of the file."""
        self._frames.close()
        self._container.close()

    def _picture_at(self, seconds: float) -> VideoFrame:
        if seconds < self._latest_seconds:
            raise ValueError(f"times must ascend, got {seconds} s after {self._latest_seconds} s")
        self._latest_seconds = seconds
        while self._following is not None and self._following[0] <= seconds + TIME_TOLERANCE_SECONDS:
            self._shown, self._picture = self._following, None
            self._following = next(self._frames, None)
        if self._picture is None:
            self._picture = VideoFrame(self._shown[0], self._to_rgb(self._shown[1]))
        return self._picture

    def _to_rgb(self, frame: av.VideoFrame) -> np.ndarray:
        width, height = square_pixel_size(frame, self._stream, self._max_side_px)
        rgb = self._reformatter.reformat(frame, width, height, format="rgb24", interpolation="AREA", threads=1)
        return turned(rgb.to_ndarray(), display_matrix(frame))


# ---------------------------------------------------------------- windows of sound


def _blocks(chunks: Iterator[np.ndarray], block_samples: int) -> Iterator[np.ndarray]:
    """The same samples in arrays of at least `block_samples`, the last one aside."""
    pending, num_pending = [], 0
    for chunk in chunks:
        pending.append(chunk)
        num_pending += len(chunk)
        if num_pending >= block_samples:
            yield np.concatenate(pending)
            pending, num_pending = [], 0
    if pending:
        yield np.concatenate(pending)


def _quietest_cut(samples: np.ndarray, sample_rate_hz: int) -> int:
    """Where to cut: the middle of the quietest PAUSE_SECONDS in the last quarter; the end if that is too short."""
    step = round(PAUSE_STEP_SECONDS * sample_rate_hz)
    steps_per_pause = round(PAUSE_SECONDS / PAUSE_STEP_SECONDS)
    num_steps = int(len(samples) * PAUSE_SEARCH_SHARE) // step
    if num_steps < steps_per_pause:
        return len(samples)
    tail = samples[len(samples) - num_steps * step :].astype(np.float64).reshape(num_steps, step)
    energy = np.convolve((tail**2).mean(axis=1), np.ones(steps_per_pause), mode="valid")
    last_quietest = len(energy) - 1 - int(energy[::-1].argmin())
    return len(samples) - (num_steps - last_quietest - steps_per_pause // 2) * step


def _to_track(samples: np.ndarray, sample_rate_hz: int, start_sample: int) -> AudioTrack:
    return AudioTrack(samples.astype(np.float32) / 2**15, sample_rate_hz, start_sample / sample_rate_hz)
