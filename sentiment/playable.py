"""Whether a browser plays a file as it is, and the copy that is shown where it does not, or that is drawn into."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sentiment.decoding import (
    StreamChoice,
    choose_streams,
    open_container,
    timed_video_frames,
    video_stream,
)
from sentiment.errors import MediaError
from sentiment.orientation import display_matrix, square_pixel_size, turned
from sentiment.sound import sound_chunks

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

PLAYABLE_CODECS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "mp4": (frozenset({"h264"}), frozenset({"aac", "mp3"})),
    "webm": (frozenset({"vp8", "vp9"}), frozenset({"opus", "vorbis"})),
    "m4a": (frozenset(), frozenset({"aac"})),
    "mp3": (frozenset(), frozenset({"mp3"})),
    "wav": (frozenset(), frozenset({"pcm_s16le"})),
    "flac": (frozenset(), frozenset({"flac"})),
}
"""By ending, from which servers tell the content type: the video and the sound codecs that Chromium, Firefox
and Safari all play. What only some of them play (mov, mkv, ogg, HEVC, AV1) is copied."""

PLAYABLE_PIXEL_FORMATS = ("yuv420p", "yuvj420p")

START_TOLERANCE_SECONDS = 0.05
"""Chromium counts from the 0 of the timestamps and others from the first frame: these must be the same."""

DURATION_TOLERANCE_SECONDS = 0.5
"""How far the header's duration may lie from the true one before a player's slider misleads."""

COPY_MAX_SIDE_PX = 1280
"""The copy is for watching beside the timeline; more only makes it slow to write."""
COPY_TIME_BASE = Fraction(1, 90_000)
"""The clock of MPEG systems, which the frame distances of all usual rates are whole numbers of."""
COPY_SAMPLE_RATE_HZ = 48_000
COPY_CODEC_OPTIONS = {"preset": "veryfast", "crf": "23", "g": "60"}
"""x264's own default quality; a key frame at least every 60 frames, so that jumps in the player are quick."""
REPEAT_LAST_FRAME_SECONDS = 0.04
"""An mp4 shows its last frame as long as the one before; a longer stay is written as one more frame."""


def is_playable_in_browser(path: Path | str) -> bool:
    """Whether every current browser plays the file, turned as we turn it and on the clock that we keep.

    Raises:
        MediaError: the file cannot be decoded at all.
    """
    path = Path(path)
    choice = choose_streams(path)
    ending = path.suffix.lower().removeprefix(".")
    with open_container(path) as container:
        if ending not in PLAYABLE_CODECS or ending not in container.format.name.split(","):
            return False
        video_codecs, audio_codecs = PLAYABLE_CODECS[ending]
        return (
            _has_our_clock(container, choice)
            and (choice.audio_index is None or _plays_audio(container, choice.audio_index, audio_codecs))
            and (choice.video_index is None or _plays_video(container, choice.video_index, video_codecs))
        )


def _has_our_clock(container: InputContainer, choice: StreamChoice) -> bool:
    if container.duration is None or abs(choice.origin_seconds) > START_TOLERANCE_SECONDS:
        return False
    return abs(container.duration / 1e6 - choice.duration_seconds) <= DURATION_TOLERANCE_SECONDS


def _plays_audio(container: InputContainer, index: int, codecs: frozenset[str]) -> bool:
    stream = container.streams.audio[0]
    return stream.index == index and stream.codec_context.codec.canonical_name in codecs


def _plays_video(container: InputContainer, index: int, codecs: frozenset[str]) -> bool:
    stream = container.streams.video[0]
    if stream.index != index or stream.codec_context.codec.canonical_name not in codecs:
        return False
    _, frame = next(timed_video_frames(container, stream, 0.0))
    return frame.format.name in PLAYABLE_PIXEL_FORMATS and not _is_mirrored(display_matrix(frame))


def _is_mirrored(matrix: tuple[float, ...] | None) -> bool:
    """Whether left and right change places; browsers turn pictures, but not all of them mirror."""
    return matrix is not None and matrix[0] * matrix[4] - matrix[1] * matrix[3] < 0


# ---------------------------------------------------------------- the copy


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn into the picture of a copy."""

    draw: Callable[[float, np.ndarray], np.ndarray]
    """From a time in seconds and the upright picture, (height, width, 3) uint8 RGB, to the picture that is shown
    then. Sides are even, of both, and those of what is returned always the same."""
    changes_seconds: tuple[float, ...] = ()
    """Ascending: when what is drawn changes. There the copy has a frame, also where the video stands still."""


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
    import av

    path, target = Path(path), Path(target)
    choice = choose_streams(path)
    partial = target.with_name(f"{target.name}.part")
    try:
        with av.open(f"file:{partial.absolute()}", "w", format="mp4", options={"movflags": "faststart"}) as output:
            lanes = []
            if choice.video_index is not None:
                lanes.append(_video_packets(path, choice, output.add_stream("libx264", rate=30), drawing))
            if choice.audio_index is not None:
                lanes.append(_audio_packets(path, choice, output.add_stream("aac", rate=COPY_SAMPLE_RATE_HZ)))
            for packet in heapq.merge(*lanes, key=_decode_seconds):
                output.mux(packet)
                if on_progress is not None:
                    on_progress(min(1.0, max(0.0, _decode_seconds(packet) / choice.duration_seconds)))
        partial.replace(target)
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"No playable copy of {path.name} can be written to {target.name}: {error}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _decode_seconds(packet: Packet) -> float:
    assert packet.dts is not None  # encoders always say
    return float(packet.dts * packet.time_base)


def _video_packets(path: Path, choice: StreamChoice, output: VideoStream, drawing: Drawing | None) -> Iterator[Packet]:
    """The encoded picture, in order of decoding."""
    output.pix_fmt = "yuv420p"
    output.codec_context.time_base = COPY_TIME_BASE
    output.codec_context.options = dict(COPY_CODEC_OPTIONS)
    is_first = True
    with open_container(path) as container:
        stream = video_stream(container, choice.video_index)
        painter = _UprightPainter(stream, drawing)
        for seconds, frame in _frames_to_show(container, stream, choice, drawing):
            picture = painter.paint(seconds, frame)
            if is_first:
                output.width, output.height = picture.width, picture.height
                output.codec_context.colorspace = picture.colorspace
                output.codec_context.color_range = picture.color_range
                is_first = False
            yield from output.encode(_stamped(picture, seconds))
    yield from output.encode(None)


def _frames_to_show(
    container: InputContainer, stream: VideoStream, choice: StreamChoice, drawing: Drawing | None
) -> Iterator[tuple[float, VideoFrame]]:
    """(time, frame) of all that the copy holds: those of the file, and the last one again where it must be."""
    changes = deque(drawing.changes_seconds if drawing else ())
    shown: tuple[float, VideoFrame] | None = None
    for seconds, frame in timed_video_frames(container, stream, choice.origin_seconds):
        if shown is None:
            seconds = 0.0  # before its first frame, a player shall show that frame and not black
        else:
            yield from _repeated(shown, seconds, changes)
        shown = seconds, frame
        yield shown
    assert shown is not None  # choose_streams has seen a frame
    yield from _repeated(shown, choice.duration_seconds, changes)
    if choice.duration_seconds - shown[0] > 2 * REPEAT_LAST_FRAME_SECONDS:
        yield choice.duration_seconds - REPEAT_LAST_FRAME_SECONDS, shown[1]


def _repeated(
    shown: tuple[float, VideoFrame], until_seconds: float, changes: deque[float]
) -> Iterator[tuple[float, VideoFrame]]:
    """The frame that is shown, at each of the changes, which are used up, until the next one."""
    latest_seconds = shown[0]
    while changes and changes[0] < until_seconds - REPEAT_LAST_FRAME_SECONDS:
        seconds = changes.popleft()
        if seconds > latest_seconds + REPEAT_LAST_FRAME_SECONDS:
            latest_seconds = seconds
            yield seconds, shown[1]


def _stamped(picture: VideoFrame, seconds: float) -> VideoFrame:
    from av.video.frame import PictureType

    picture.time_base = COPY_TIME_BASE
    picture.pts = round(seconds / COPY_TIME_BASE)
    picture.pict_type = PictureType.NONE  # else the encoder would repeat the original's choice of key frames
    return picture


class _UprightPainter:
    """Turns frames as they are stored into frames as they are displayed and drawn into, all of the first one's size."""

    def __init__(self, stream: VideoStream, drawing: Drawing | None) -> None:
        from av.video.reformatter import VideoReformatter

        self._stream = stream
        self._drawing = drawing
        self._to_rgb, self._to_yuv = VideoReformatter(), VideoReformatter()
        self._size: tuple[int, int] | None = None

    def paint(self, seconds: float, frame: VideoFrame) -> VideoFrame:
        import av
        from av.video.reformatter import Colorspace

        matrix = display_matrix(frame)
        if self._size is None:
            width, height = square_pixel_size(frame, self._stream, COPY_MAX_SIDE_PX)
            self._size = _even(width), _even(height)
        if matrix is None and self._drawing is None:
            return self._to_yuv.reformat(frame, *self._size, "yuv420p", dst_color_range="MPEG", threads=1)
        rgb = self._to_rgb.reformat(frame, *self._size, "rgb24", threads=1)
        image = turned(rgb.to_ndarray(), matrix)
        if self._drawing is not None:
            image = self._drawing.draw(seconds, image)
        return self._to_yuv.reformat(
            av.VideoFrame.from_ndarray(image, format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU601,
            dst_color_range="MPEG",
            threads=1,
        )


def _even(side_px: int) -> int:
    """The nearest even number: yuv420p has one colour for two by two pixels."""
    return max(2, 2 * round(side_px / 2))


def _audio_packets(path: Path, choice: StreamChoice, output: AudioStream) -> Iterator[Packet]:
    """The encoded sound."""
    import av

    output.layout = "stereo"
    num_samples = 0
    for chunk in sound_chunks(path, choice, COPY_SAMPLE_RATE_HZ, "stereo"):
        if not len(chunk):
            continue
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(chunk).reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate = COPY_SAMPLE_RATE_HZ
        frame.time_base = Fraction(1, COPY_SAMPLE_RATE_HZ)
        frame.pts = num_samples
        num_samples += len(chunk)
        yield from output.encode(frame)
    yield from output.encode(None)
