"""What `media` stands on: opening a file safely, choosing its streams, and their frames and sound in order.

Files come from strangers. So only formats that cannot name another file are opened (no playlist), and
only from the local disk. PyAV is imported inside the functions, to keep the command line's start instant.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, overload

import numpy as np

from sentiment.errors import MediaError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.buffer import Buffer
    from av.container import InputContainer
    from av.frame import Frame
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

logger = logging.getLogger(__name__)

ACCEPTED = "a video (mp4, mov, mkv, webm, avi) or a sound file (wav, mp3, flac, m4a, ogg)"

DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,"  # video
    "wav,w64,mp3,flac,ogg,aac,aiff,caf,amr"  # sound
)
"""FFmpeg's names of the formats that are opened. Missing on purpose: all that may point to other files or
addresses (hls, dash, concat, sdp, image2 ...), pictures, subtitles, and raw streams without a header."""

MAX_PIXELS = 8192 * 4320
"""Of one frame. More than any camera has; a forged header must not take all the memory."""

MAX_DURATION_SECONDS = 24 * 3600.0
"""Longer files are refused: such durations come from broken timestamps."""


@dataclass(frozen=True, slots=True)
class StreamChoice:
    """The streams of a file that are looked at and listened to, and the clock they share."""

    video_index: int | None
    audio_index: int | None
    origin_seconds: float
    """The timestamp that is the file's time 0."""
    duration_seconds: float


def open_container(path: Path) -> InputContainer:
    """Opens a local file of an accepted format; the caller closes it.

    Raises:
        MediaError: no such file, not a regular file, empty, or of no accepted format.
    """
    import av
    from av.container import Flags

    if not path.exists():
        raise MediaError(f"There is no file {path.name}; expected is {ACCEPTED}.")
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "not a regular file"
        raise MediaError(f"{path.name} is {kind}; expected is {ACCEPTED}.")
    if path.stat().st_size == 0:
        raise MediaError(f"{path.name} is empty; expected is {ACCEPTED}.")
    try:
        container = av.open(
            # The prefix keeps FFmpeg from reading a protocol into a file name such as "concat:a|b".
            f"file:{path.absolute()}",
            options={"max_pixels": str(MAX_PIXELS)},
            container_options={"protocol_whitelist": "file", "format_whitelist": DEMUXERS},
            metadata_errors="replace",
        )
    except PermissionError as error:
        raise MediaError(f"{path.name} may not be read: permission denied.") from error
    except av.FFmpegError as error:
        raise MediaError(f"{path.name} is no video or sound that can be read; expected is {ACCEPTED}.") from error
    # PyAV makes FFmpeg guess timestamps that a file lacks; in avi with B-frames the guesses are out of order.
    container.flags &= ~cast("int", Flags.gen_pts.value)
    return container


def choose_streams(path: Path) -> StreamChoice:
    """Picks the picture and the sound that a player would pick, and measures their common time span.

    Of each kind the default stream that decodes, else the first that does; cover art is no video. The
    span comes from the packets, read once without decoding: headers may lack a duration, or lie.

    Raises:
        MediaError: nothing can be decoded, or the span is empty or beyond MAX_DURATION_SECONDS.
    """
    with open_container(path) as container:
        candidates = {kind: _candidates(container, kind) for kind in ("video", "audio")}
    video_index, video_start_seconds = _first_decodable(path, candidates["video"])
    audio_index, audio_start_seconds = _first_decodable(path, candidates["audio"])
    chosen = [index for index in (video_index, audio_index) if index is not None]
    if not chosen:
        raise MediaError(f"{path.name} holds no picture and no sound that can be decoded; expected is {ACCEPTED}.")
    origin_seconds = min(video_start_seconds, audio_start_seconds)
    duration_seconds = _end_seconds(path, chosen) - origin_seconds
    if not 0 < duration_seconds <= MAX_DURATION_SECONDS:
        raise MediaError(
            f"{path.name} lasts {duration_seconds:g} seconds; "
            f"expected is more than 0 and at most {MAX_DURATION_SECONDS / 3600:g} hours."
        )
    return StreamChoice(video_index, audio_index, origin_seconds, duration_seconds)


def _candidates(container: InputContainer, kind: Literal["video", "audio"]) -> list[int]:
    """Indices of the streams of this kind that have a decoder, the default ones first."""
    from av.stream import Disposition

    pictures = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    streams = [s for s in getattr(container.streams, kind) if s.codec_context and not s.disposition & pictures]
    return [s.index for s in sorted(streams, key=lambda s: not s.disposition & Disposition.default)]


def _first_decodable(path: Path, stream_indices: list[int]) -> tuple[int | None, float]:
    """The first of these streams of which a frame can be decoded, and when that is shown; (None, inf) for none.

    The frame knows better than the packet: decoders leave out what encoders put before the beginning.
    """
    for index in stream_indices:
        with open_container(path) as container:
            frame = next(iter(decoded_frames(container, container.streams[index])), None)
            if frame is not None:
                return index, frame_seconds(frame, 0.0) or 0.0
    return None, math.inf


def _end_seconds(path: Path, stream_indices: list[int]) -> float:
    """When the last packet of these streams ends, by the timestamps in the file."""
    end_seconds = 0.0
    with open_container(path) as container:
        for packet in _packets(container, [container.streams[index] for index in stream_indices]):
            ticks = packet.pts if packet.pts is not None else packet.dts
            if ticks is not None and not packet.is_discard:
                duration_seconds = float((packet.duration or 0) * packet.time_base) or _usual_frame_seconds(
                    packet.stream
                )
                end_seconds = max(end_seconds, float(ticks * packet.time_base) + duration_seconds)
    return end_seconds


def _usual_frame_seconds(stream: Stream) -> float:
    """How long one frame of this stream lasts, for packets that do not say; 0 where that is unknown."""
    rate = stream.guessed_rate if stream.type == "video" else None
    return float(1 / rate) if rate else 0.0


# ---------------------------------------------------------------- packets to frames


def _packets(container: InputContainer, streams: list[Stream]) -> Iterator[Packet]:
    """The packets of these streams. A file that breaks off ends there, with what it had."""
    import av
    from av.stream import Discard

    for stream in container.streams:
        if stream not in streams:
            stream.discard = Discard.all  # the demuxer then need not even read it
    try:
        yield from container.demux(streams)
    except av.FFmpegError as error:
        logger.warning("%s breaks off: %s", Path(container.name).name, error)


def video_stream(container: InputContainer, index: int | None) -> VideoStream:
    """The video stream of this index, which `choose_streams` found to be there."""
    return next(stream for stream in container.streams.video if stream.index == index)


def audio_stream(container: InputContainer, index: int | None) -> AudioStream:
    """The audio stream of this index, which `choose_streams` found to be there."""
    return next(stream for stream in container.streams.audio if stream.index == index)


@overload
def decoded_frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]: ...
@overload
def decoded_frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]: ...
@overload
def decoded_frames(container: InputContainer, stream: Stream) -> Iterator[Frame]: ...
def decoded_frames(container: InputContainer, stream: Stream) -> Iterator[Frame]:
    """The frames of one stream in the order they are shown in; packets that cannot be decoded are skipped."""
    import av

    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    if stream.type == "video":
        stream.codec_context.thread_type = "AUTO"
    for packet in _packets(container, [stream]):
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            logger.debug("%s: a packet cannot be decoded: %s", Path(container.name).name, error)
            continue
        for frame in frames:
            if frame.pts is None and frame.dts is not None:
                frame.pts = frame.dts - _reordering_ticks(stream)
            yield frame


def _reordering_ticks(stream: Stream) -> int:
    """How much later frames leave the decoder than they are shown, in units of the stream's time base.

    It matters for avi alone, which says when packets are decoded and not when frames are shown.
    """
    from av.video.stream import VideoStream

    if not isinstance(stream, VideoStream) or not stream.time_base:
        return 0
    return round(stream.codec_context.reorder_depth * _usual_frame_seconds(stream) / stream.time_base)


def frame_seconds(frame: Frame, origin_seconds: float) -> float | None:
    """When a frame is shown on the file's clock; None where the file does not say."""
    return None if frame.time is None else frame.time - origin_seconds


def timed_video_frames(
    container: InputContainer, stream: VideoStream, origin_seconds: float
) -> Generator[tuple[float, VideoFrame], None, None]:
    """(time, frame) with times that ascend from 0; a frame that would be shown before its predecessor is skipped."""
    usual_seconds = _usual_frame_seconds(stream)
    previous_seconds: float | None = None
    for frame in decoded_frames(container, stream):
        seconds = frame_seconds(frame, origin_seconds)
        if seconds is None:
            seconds = 0.0 if previous_seconds is None else previous_seconds + usual_seconds
        seconds = max(0.0, seconds)
        if previous_seconds is None or seconds > previous_seconds:
            previous_seconds = seconds
            yield seconds, frame


# ---------------------------------------------------------------- stored pixels to displayed pixels


def display_matrix(frame: VideoFrame) -> tuple[float, ...] | None:
    """The 3x3 matrix, row by row, by which the file wants its pixels turned; None where it wants nothing.

    FFmpeg stores 9 int32: 16.16 fixed point but for the last column, which is 2.30 (libavutil/display.h).
    """
    side_data = cast("Mapping[str, Buffer]", frame.side_data)  # PyAV's stub knows of one kind alone
    if "DISPLAYMATRIX" not in side_data:
        return None
    fixed_point = np.frombuffer(bytes(side_data["DISPLAYMATRIX"]), dtype=np.int32).astype(np.float64)
    return tuple((fixed_point / np.array([2**16, 2**16, 2**30] * 3)).tolist())


def turned(image: np.ndarray, matrix: tuple[float, ...] | None) -> np.ndarray:
    """The (height, width, 3) image as a player shows it: turned by quarters and mirrored, with whole pixels.

    A stored point (x, y) is displayed at (a x + c y, b x + d y), where the matrix begins a b . c d.
    """
    if matrix is None:
        return image
    a, b, _, c, d, *_ = matrix
    if swaps_sides(matrix):
        image, a, d = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def swaps_sides(matrix: tuple[float, ...] | None) -> bool:
    """Whether width and height change places when displayed."""
    if matrix is None:
        return False
    a, b, _, c, d, *_ = matrix
    return abs(b) + abs(c) > abs(a) + abs(d)


def square_pixel_size(frame: VideoFrame, stream: VideoStream, max_side_px: int | None = None) -> tuple[int, int]:
    """(width, height) of a frame before turning, once its pixels are square and the longer side fits."""
    aspect = float(stream.sample_aspect_ratio or 1)
    width, height = frame.width * max(aspect, 1.0), frame.height * max(1 / aspect, 1.0)
    scale = min(1.0, max_side_px / max(width, height)) if max_side_px else 1.0
    return max(1, round(width * scale)), max(1, round(height * scale))
