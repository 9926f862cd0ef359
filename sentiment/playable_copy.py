"""The copy that is shown where a browser would not play a file, or that is drawn into.

What decodes runs in the decoder's process. Where something is drawn, by code that knows more than the decoder,
upright pictures come out of it, and are drawn into and encoded by the one who asked.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from sentiment.decoding import StreamChoice, name_of, open_container, timed_video_frames, video_stream
from sentiment.errors import MediaError
from sentiment.orientation import display_matrix, square_pixel_size, turned
from sentiment.sound import sound_chunks

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream

Picture = TypeVar("Picture")

COPY_MAX_SIDE_PX = 1280
"""The copy is for watching beside the timeline; more only makes it slow to write."""
COPY_TIME_BASE = Fraction(1, 90_000)
"""The clock of MPEG systems, which the frame distances of all usual rates are whole numbers of."""
COPY_SAMPLE_RATE_HZ = 48_000
COPY_CODEC_OPTIONS = {"preset": "veryfast", "crf": "23", "g": "60"}
"""x264's own default quality; a key frame at least every 60 frames, so that jumps in the player are quick."""
REPEAT_LAST_FRAME_SECONDS = 0.04
"""An mp4 shows its last frame as long as the one before; a longer stay is written as one more frame."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn into the picture of a copy."""

    draw: Callable[[float, np.ndarray], np.ndarray]
    """From a time in seconds and the upright picture, (height, width, 3) uint8 RGB, to the picture that is shown
    then. Sides are even, of both, and those of what is returned always the same."""
    changes_seconds: tuple[float, ...] = ()
    """Ascending: when what is drawn changes. There the copy has a frame, also where the video stands still."""


def partial_of(target: Path) -> Path:
    """Where a copy lies until it is complete."""
    return target.with_name(f"{target.name}.part")


def write_copy(
    path: Path, choice: StreamChoice, target: Path, on_progress: Callable[[float], None] | None = None
) -> None:
    """The copy of a file into which nothing is drawn; see `media.write_playable_copy`."""
    pictures = None if choice.video_index is None else _stored_pictures(path, choice)
    sound = None
    if choice.audio_index is not None:
        sound = sound_chunks(path, choice, COPY_SAMPLE_RATE_HZ, "stereo")
    write_mp4(name_of(path), choice.duration_seconds, pictures, sound, target, on_progress)


def drawn_pictures(
    upright: Iterable[tuple[float, np.ndarray]], duration_seconds: float, drawing: Drawing
) -> Iterator[tuple[float, VideoFrame]]:
    """(time, picture to be encoded) from those that `upright_pictures` gave."""
    from av.video.reformatter import VideoReformatter

    to_yuv = VideoReformatter()
    for seconds, image in _with_repeats(upright, duration_seconds, drawing.changes_seconds):
        yield seconds, _from_rgb(drawing.draw(seconds, image), to_yuv)


def upright_pictures(
    path: Path, choice: StreamChoice, max_side_px: int
) -> Generator[tuple[float, np.ndarray], None, None]:
    """(time, (height, width, 3) uint8 RGB) of every frame: turned, mirrored, with square pixels and even sides.

    All are of the first one's size, the longer side at most `max_side_px`.
    """
    from av.video.reformatter import VideoReformatter

    to_rgb = VideoReformatter()
    for seconds, (frame, shape) in _shaped_frames(path, choice, max_side_px):
        yield seconds, _to_upright(frame, shape, to_rgb)


def write_mp4(
    name: str,
    duration_seconds: float,
    pictures: Iterable[tuple[float, VideoFrame]] | None,
    sound: Iterable[np.ndarray] | None,
    target: Path,
    on_progress: Callable[[float], None] | None,
) -> None:
    """Encodes pictures and stereo sound of COPY_SAMPLE_RATE_HZ, either of which may be missing, as they come.

    Raises:
        MediaError: `target`, which is to be a copy of the file called `name`, cannot be written.
    """
    import av

    partial = partial_of(target)
    try:
        with av.open(f"file:{partial.absolute()}", "w", format="mp4", options={"movflags": "faststart"}) as output:
            lanes = []
            if pictures is not None:
                lanes.append(_video_packets(pictures, output.add_stream("libx264", rate=30)))
            if sound is not None:
                lanes.append(_audio_packets(sound, output.add_stream("aac", rate=COPY_SAMPLE_RATE_HZ)))
            for packet in heapq.merge(*lanes, key=_decode_seconds):
                output.mux(packet)
                if on_progress is not None:
                    on_progress(min(1.0, max(0.0, _decode_seconds(packet) / duration_seconds)))
        partial.replace(target)
    except MemoryError:  # to PyAV an FFmpegError, too; whoever limits the memory has a sentence for it
        raise
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"No playable copy of {name} can be written to {target.name}: {error}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _decode_seconds(packet: Packet) -> float:
    assert packet.dts is not None  # encoders always say
    return float(packet.dts * packet.time_base)


# ---------------------------------------------------------------- pictures


def _stored_pictures(path: Path, choice: StreamChoice) -> Iterator[tuple[float, VideoFrame]]:
    """(time, picture to be encoded); colours are not converted to RGB and back where nothing has to be turned."""
    from av.video.reformatter import VideoReformatter

    to_rgb, to_yuv = VideoReformatter(), VideoReformatter()
    frames = _shaped_frames(path, choice, COPY_MAX_SIDE_PX)
    for seconds, (frame, shape) in _with_repeats(frames, choice.duration_seconds):
        if shape.matrix is None:
            width, height = shape.width, shape.height
            yield seconds, to_yuv.reformat(frame, width, height, "yuv420p", dst_color_range="MPEG", threads=1)
        else:
            yield seconds, _from_rgb(_to_upright(frame, shape, to_rgb), to_yuv)


class _Shape(NamedTuple):
    """What pictures are brought to: the first one decides for all, since a copy has one size."""

    width: int
    """Even, and before the picture is turned."""
    height: int
    matrix: tuple[float, ...] | None


def _shaped_frames(
    path: Path, choice: StreamChoice, max_side_px: int
) -> Iterator[tuple[float, tuple[VideoFrame, _Shape]]]:
    """(time, (frame as it is stored, what it shall be brought to))."""
    shape: _Shape | None = None
    with open_container(path) as container:
        stream = video_stream(container, choice.video_index)
        for seconds, frame in timed_video_frames(container, stream, choice.origin_seconds):
            if shape is None:
                width, height = square_pixel_size(frame, stream, max_side_px)
                shape = _Shape(_even(width), _even(height), display_matrix(frame))
            yield seconds, (frame, shape)


def _even(side_px: int) -> int:
    """The nearest even number: yuv420p has one colour for two by two pixels."""
    return max(2, 2 * round(side_px / 2))


def _to_upright(frame: VideoFrame, shape: _Shape, to_rgb: VideoReformatter) -> np.ndarray:
    rgb = to_rgb.reformat(frame, shape.width, shape.height, "rgb24", threads=1)
    return turned(rgb.to_ndarray(), shape.matrix)


def _from_rgb(image: np.ndarray, to_yuv: VideoReformatter) -> VideoFrame:
    import av
    from av.video.reformatter import Colorspace

    return to_yuv.reformat(
        av.VideoFrame.from_ndarray(image, format="rgb24"),
        format="yuv420p",
        dst_colorspace=Colorspace.ITU601,
        dst_color_range="MPEG",
        threads=1,
    )


def _with_repeats(
    pictures: Iterable[tuple[float, Picture]], duration_seconds: float, changes_seconds: Iterable[float] = ()
) -> Iterator[tuple[float, Picture]]:
    """(time, picture) of all that the copy holds: those of the file, and again those that must be."""
    changes = deque(changes_seconds)
    shown: tuple[float, Picture] | None = None
    for seconds, picture in pictures:
        if shown is None:
            seconds = 0.0  # before its first frame, a player shall show that frame and not black
        else:
            yield from _repeated(shown, seconds, changes)
        shown = seconds, picture
        yield shown
    assert shown is not None  # choose_streams has seen a frame
    yield from _repeated(shown, duration_seconds, changes)
    if duration_seconds - shown[0] > 2 * REPEAT_LAST_FRAME_SECONDS:
        yield duration_seconds - REPEAT_LAST_FRAME_SECONDS, shown[1]


def _repeated(
    shown: tuple[float, Picture], until_seconds: float, changes: deque[float]
) -> Iterator[tuple[float, Picture]]:
    """The picture that is shown, at each of the changes, which are used up, until the next one."""
    latest_seconds = shown[0]
    while changes and changes[0] < until_seconds - REPEAT_LAST_FRAME_SECONDS:
        seconds = changes.popleft()
        if seconds > latest_seconds + REPEAT_LAST_FRAME_SECONDS:
            latest_seconds = seconds
            yield seconds, shown[1]


# ---------------------------------------------------------------- packets


def _video_packets(pictures: Iterable[tuple[float, VideoFrame]], output: VideoStream) -> Iterator[Packet]:
    """The encoded picture, in order of decoding."""
    output.pix_fmt = "yuv420p"
    output.codec_context.time_base = COPY_TIME_BASE
    output.codec_context.options = dict(COPY_CODEC_OPTIONS)
    is_first = True
    for seconds, picture in pictures:
        if is_first:
            output.width, output.height = picture.width, picture.height
            output.codec_context.colorspace = picture.colorspace
            output.codec_context.color_range = picture.color_range
            is_first = False
        yield from output.encode(_stamped(picture, seconds))
    yield from output.encode(None)


def _stamped(picture: VideoFrame, seconds: float) -> VideoFrame:
    from av.video.frame import PictureType

    picture.time_base = COPY_TIME_BASE
    picture.pts = round(seconds / COPY_TIME_BASE)
    picture.pict_type = PictureType.NONE  # else the encoder would repeat the original's choice of key frames
    return picture


def _audio_packets(sound: Iterable[np.ndarray], output: AudioStream) -> Iterator[Packet]:
    """The encoded sound."""
    import av

    output.layout = "stereo"
    num_samples = 0
    for chunk in sound:
        if not len(chunk):
            continue
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(chunk).reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate = COPY_SAMPLE_RATE_HZ
        frame.time_base = Fraction(1, COPY_SAMPLE_RATE_HZ)
        frame.pts = num_samples
        num_samples += len(chunk)
        yield from output.encode(frame)
    yield from output.encode(None)
