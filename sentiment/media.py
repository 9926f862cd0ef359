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
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from sentiment.decoder import Decoder, FramePass, MediaInfo
from sentiment.decoder_process import DecoderProcess, RemoteFramePass
from sentiment.decoder_spawn import DEFAULT_LIMITS, DecoderLimits
from sentiment.decoding import check_regular_file, choose_streams, name_of
from sentiment.errors import MediaError
from sentiment.media_datatypes import AudioTrack, VideoFrame
from sentiment.playable_copy import (
    COPY_MAX_SIDE_PX,
    COPY_SAMPLE_RATE_HZ,
    Drawing,
    drawn_pictures,
    partial_of,
    write_mp4,
)
from sentiment.sound import sound_chunks

__all__ = ["FrameReader", "MediaFile", "is_playable_in_browser", "open_media", "read_audio", "write_playable_copy"]

PAUSE_SEARCH_SHARE = 0.25
"""A window of sound is cut at the quietest spot of this last share of it."""
PAUSE_SECONDS = 0.4
"""Between sentences; quiet spots that are shorter are often stop consonants inside of words."""
PAUSE_STEP_SECONDS = 0.02


def open_media(path: Path | str, *, isolated: bool = True, limits: DecoderLimits = DEFAULT_LIMITS) -> MediaFile:
    """Opens a file and finds out what it holds. Use it in a `with` statement.

    The first frame and the first sound are decoded as proof that they can be, and the packets of the
    whole file are read once (not decoded) for its true duration.

    Args:
        path: the file.
        isolated: decode in a process of its own, which is ended with the file. Without one, a file may bring this
            process down: right where it is one that may go down, or where nobody else has made the file.
        limits: what that process may take.

    Raises:
        MediaError: there is no such file, or there is nothing in it that can be decoded. Reading on raises it where
            the file brings the decoder down, or takes more time or memory than it may.
    """
    path = Path(path)
    check_regular_file(path)
    decoder = DecoderProcess(limits) if isolated else Decoder()
    with ExitStack() as unless_opened:
        unless_opened.callback(decoder.close)
        media = MediaFile(path, decoder, decoder.open(path))
        unless_opened.pop_all()
    return media


def read_audio(source: Path | str | io.BytesIO, sample_rate_hz: int = 16_000) -> AudioTrack:
    """The whole sound of a short file, mono, from the file's time 0 to its end.

    It is decoded in this process, for speed: do not use it on files that strangers send.

    Raises:
        MediaError: the file cannot be decoded, or has no sound.
    """
    source = Path(source) if isinstance(source, str) else source
    choice = choose_streams(source)
    if choice.audio_index is None:
        raise MediaError(f"{name_of(source)} has no sound.")
    chunks = [chunk[:, 0] for chunk in sound_chunks(source, choice, sample_rate_hz)]
    return _to_track(np.concatenate(chunks), sample_rate_hz, 0)


def is_playable_in_browser(path: Path | str) -> bool:
    """Whether every current browser plays the file, turned as we turn it and on the clock that we keep.

    Raises:
        MediaError: the file cannot be decoded at all.
    """
    with open_media(path) as media:
        return media.is_playable()


def write_playable_copy(
    path: Path | str,
    target: Path | str,
    drawing: Drawing | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> None:
    """Writes a file that every browser plays, with the same time axis: mp4, H.264 yuv420p and AAC, faststart.

    The picture is turned upright, its pixels are made square and its longer side at most COPY_MAX_SIDE_PX;
    frames keep their times, with the earliest at 0. Sound alone becomes an mp4 with AAC alone. The file
    streams through, so memory does not grow with it. `target` appears once it is complete.

    Args:
        path: the file.
        target: the copy.
        drawing: what is drawn into each frame.
        on_progress: called with the share that is written, in [0, 1]; an exception that it raises ends the writing.

    Raises:
        MediaError: the file cannot be decoded, or the copy cannot be written.
    """
    target = Path(target)
    try:
        with open_media(path) as media:
            media.write_copy(target, drawing, on_progress)
    finally:
        partial_of(target).unlink(missing_ok=True)  # where the decoder wrote it, and went down


class MediaFile:
    """An open video or sound file. Passes over it are independent of each other and each keeps little in memory."""

    def __init__(self, path: Path, decoder: Decoder | DecoderProcess, info: MediaInfo) -> None:
        self.path = path
        self.duration_seconds = info.duration_seconds
        self.has_audio = info.has_audio
        self.video = info.video
        self._decoder = decoder
        self._open_readers = ExitStack()
        self._open_readers.callback(decoder.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the readers that were handed out, and ends the decoder."""
        self._open_readers.close()

    def audio_windows(
        self, window_seconds: float = 120.0, sample_rate_hz: int = 16_000, first_window_seconds: float | None = None
    ) -> Iterator[AudioTrack]:
        """The sound in windows that tile [0, duration_seconds); none where the file has no sound.

        No window is longer than `window_seconds`, and each ends in a pause where its last quarter has one,
        so that words stay whole. Stretches without sound are zeros. One window is in memory at a time.
        With `first_window_seconds` the first is no longer than that, and each next one than twice as much.
        """
        if not self.has_audio:
            return
        most_samples = round(window_seconds * sample_rate_hz)
        window_samples = min(round((first_window_seconds or window_seconds) * sample_rate_hz), most_samples)
        pending, start = np.empty(0, dtype=np.int16), 0
        with closing(self._decoder.sound(sample_rate_hz)) as blocks:
            for block in blocks:
                pending = np.concatenate([pending, block[:, 0]])
                while len(pending) > window_samples:
                    cut = _quietest_cut(pending[:window_samples], sample_rate_hz)
                    yield _to_track(pending[:cut], sample_rate_hz, start)
                    pending, start = pending[cut:], start + cut
                    window_samples = min(2 * window_samples, most_samples)
        if len(pending):
            yield _to_track(pending, sample_rate_hz, start)

    def frame_reader(self, max_side_px: int = 640) -> FrameReader:
        """A new pass over the frames, from the beginning.

        Raises:
            ValueError: the file has no video.
        """
        if self.video is None:
            raise ValueError(f"{name_of(self.path)} has no video to read frames from")
        reader = FrameReader(self._decoder.frames(max_side_px))
        self._open_readers.callback(reader.close)
        return reader

    def is_playable(self) -> bool:
        """See `is_playable_in_browser`."""
        return self._decoder.is_playable()

    def write_copy(
        self, target: Path, drawing: Drawing | None = None, on_progress: Callable[[float], None] | None = None
    ) -> None:
        """See `write_playable_copy`."""
        if drawing is None:
            self._decoder.write_copy(target, on_progress)
            return
        with ExitStack() as passes:
            pictures = sound = None
            if self.video is not None:
                upright = passes.enter_context(closing(self._decoder.pictures(COPY_MAX_SIDE_PX)))
                pictures = drawn_pictures(upright, self.duration_seconds, drawing)
            if self.has_audio:
                sound = passes.enter_context(closing(self._decoder.sound(COPY_SAMPLE_RATE_HZ, "stereo")))
            write_mp4(name_of(self.path), self.duration_seconds, pictures, sound, target, on_progress)


class FrameReader:
    """One ordered pass over the frames of a file: every packet is decoded once, and only frames asked for are kept."""

    def __init__(self, frames: FramePass | RemoteFramePass) -> None:
        self._frames = frames
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
        for seconds in times_seconds:
            if seconds < self._latest_seconds:
                raise ValueError(f"times must ascend, got {seconds} s after {self._latest_seconds} s")
            self._latest_seconds = seconds
        return self._frames.at(times_seconds)

    def close(self) -> None:
        """Lets go of the frames."""
        self._frames.close()


# ---------------------------------------------------------------- windows of sound


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
