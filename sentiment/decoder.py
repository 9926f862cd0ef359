"""One file, decoded here: what the child process does all day, and what training uses without one.

`media` speaks to this class, or to `decoder_process.DecoderProcess`, which has the same methods.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sentiment.decoding import StreamChoice, choose_streams, open_container, timed_video_frames, video_stream
from sentiment.media_datatypes import VideoFrame, VideoTrack
from sentiment.orientation import display_matrix, square_pixel_size, swaps_sides, turned
from sentiment.playable import is_playable
from sentiment.playable_copy import upright_pictures, write_copy
from sentiment.sound import sound_chunks

if TYPE_CHECKING:
    import av

TIME_TOLERANCE_SECONDS = 1e-6
"""Below the distance of any two frames, above the rounding of timestamps to float."""

SOUND_BLOCK_SECONDS = 5
"""Sound is handed over in blocks of at most this: few calls, and little memory."""


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a file holds."""

    duration_seconds: float
    has_audio: bool
    video: VideoTrack | None


class Decoder:
    """An open file. Passes over it are independent of each other."""

    def __init__(self, on_frame: Callable[[], None] = lambda: None) -> None:
        """`on_frame` is called for each decoded frame, of those also that nobody asked for."""
        self._on_frame = on_frame
        self._path = Path()
        self._choice: StreamChoice | None = None

    def open(self, path: Path) -> MediaInfo:
        """Opens a file, and finds out what it holds; raises MediaError where that is nothing."""
        self._path, self._choice = path, choose_streams(path)
        has_video = self._choice.video_index is not None
        video = _video_track(path, self._choice) if has_video else None
        return MediaInfo(self._choice.duration_seconds, self._choice.audio_index is not None, video)

    def close(self) -> None:
        """Nothing is held between calls; passes close themselves."""

    def frames(self, max_side_px: int) -> FramePass:
        """A pass over the frames; the file must have some."""
        return FramePass(self._path, self._chosen, max_side_px, self._on_frame)

    def sound(self, sample_rate_hz: int, layout: str = "mono") -> Generator[np.ndarray, None, None]:
        """The sound from 0 to the end in blocks (num_samples, num_channels) int16; the file must have some."""
        block_samples = SOUND_BLOCK_SECONDS * sample_rate_hz
        pending, num_pending = [np.empty((0, 1 if layout == "mono" else 2), dtype=np.int16)], 0
        for chunk in sound_chunks(self._path, self._chosen, sample_rate_hz, layout):
            self._on_frame()
            pending.append(chunk)
            num_pending += len(chunk)
            if num_pending >= block_samples:
                together = np.concatenate(pending)
                whole = len(together) // block_samples * block_samples
                yield from np.split(together[:whole], whole // block_samples)
                pending, num_pending = [together[whole:]], len(together) - whole
        if num_pending:
            yield np.concatenate(pending)

    def pictures(self, max_side_px: int) -> Generator[tuple[float, np.ndarray], None, None]:
        """(time, picture) of every frame; see `playable_copy.upright_pictures`. The file must have some."""
        return upright_pictures(self._path, self._chosen, max_side_px)

    def is_playable(self) -> bool:
        """See `media.is_playable_in_browser`."""
        return is_playable(self._path, self._chosen)

    def write_copy(self, target: Path, on_progress: Callable[[float], None] | None = None) -> None:
        """See `media.write_playable_copy`."""
        write_copy(self._path, self._chosen, target, on_progress)

    @property
    def _chosen(self) -> StreamChoice:
        assert self._choice is not None, "no file is open"
        return self._choice


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


class FramePass:
    """One ordered pass over the frames: every packet is decoded once, and only frames asked for are kept."""

    def __init__(self, path: Path, choice: StreamChoice, max_side_px: int, on_frame: Callable[[], None]) -> None:
        from av.video.reformatter import VideoReformatter

        self._max_side_px = max_side_px
        self._on_frame = on_frame
        self._container = open_container(path)
        self._stream = video_stream(self._container, choice.video_index)
        self._frames = timed_video_frames(self._container, self._stream, choice.origin_seconds)
        self._reformatter = VideoReformatter()
        self._shown = next(self._frames)
        self._following = next(self._frames, None)
        self._picture: VideoFrame | None = None

    def at(self, times_seconds: Sequence[float]) -> tuple[VideoFrame, ...]:
        """See `media.FrameReader.at`. Where one frame is shown at two times, it is the same object."""
        return tuple(self.picture_at(seconds) for seconds in times_seconds)

    def close(self) -> None:
        """Lets go of the file."""
        self._frames.close()
        self._container.close()

    def picture_at(self, seconds: float) -> VideoFrame:
        """What is shown at this time, which must not lie before that of the previous call."""
        while self._following is not None and self._following[0] <= seconds + TIME_TOLERANCE_SECONDS:
            self._on_frame()
            self._shown, self._picture = self._following, None
            self._following = next(self._frames, None)
        if self._picture is None:
            self._picture = VideoFrame(self._shown[0], self._to_rgb(self._shown[1]))
        return self._picture

    def _to_rgb(self, frame: av.VideoFrame) -> np.ndarray:
        width, height = square_pixel_size(frame, self._stream, self._max_side_px)
        rgb = self._reformatter.reformat(frame, width, height, format="rgb24", interpolation="AREA", threads=1)
        return turned(rgb.to_ndarray(), display_matrix(frame))
