"""What `media` stands on: opening a file safely, choosing its streams, and their frames and sound in order.

Files come from strangers. So only formats that cannot name another file are opened (no playlist), and
only from the local disk. PyAV is imported inside the functions, to keep the command line's start instant.
"""

from __future__ import annotations

import io
import logging
import stat
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, cast, overload

from sentiment.errors import MediaError
from sentiment.plain_text import one_line

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.frame import Frame
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

logger = logging.getLogger(__name__)

MediaSource = Path | io.BytesIO
"""A file on disk, or one that was read from an archive."""

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


def name_of(source: MediaSource) -> str:
    """What messages call it: on one line, whatever its name is."""
    return one_line(source.name) or "The file" if isinstance(source, Path) else "The file in memory"


def open_container(source: MediaSource) -> InputContainer:
    """Opens a local file of an accepted format, from its beginning; the caller closes it.

    Raises:
        MediaError: no such file, not a regular file, empty, or of no accepted format.
    """
    import av
    from av.container import Flags

    if isinstance(source, Path):
        check_regular_file(source)
    name = name_of(source)
    try:
        container = av.open(
            # The prefix keeps FFmpeg from reading a protocol into a file name such as "concat:a|b".
            f"file:{source.absolute()}" if isinstance(source, Path) else io.BytesIO(source.getvalue()),
            "r",
            options={"max_pixels": str(MAX_PIXELS)},
            container_options={"protocol_whitelist": "file", "format_whitelist": DEMUXERS},
            metadata_errors="replace",
        )
    except PermissionError as error:
        raise MediaError(f"{name} may not be read: permission denied.") from error
    except MemoryError:
        raise  # also an FFmpegError, but it says nothing about the file's format
    except av.FFmpegError as error:
        raise MediaError(f"{name} is no video or sound that can be read; expected is {ACCEPTED}.") from error
    # PyAV makes FFmpeg guess timestamps that a file lacks; in avi with B-frames the guesses are out of order.
    container.flags &= ~cast("int", Flags.gen_pts.value)
    return container


def check_regular_file(path: Path) -> None:
    """Raises MediaError where there is no file with something in it. Does not open it."""
    name = name_of(path)
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # a name may be too long for any file, or hold a zero
        raise MediaError(f"There is no file {name}; expected is {ACCEPTED}.") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise MediaError(f"{name} is {kind}; expected is {ACCEPTED}.")
    if status.st_size == 0:
        raise MediaError(f"{name} is empty; expected is {ACCEPTED}.")


def choose_streams(source: MediaSource) -> StreamChoice:
    """Picks the picture and the sound that a player would pick, and measures their common time span.

    Of each kind the default stream that decodes, else the first that does; cover art is no video. The
    span comes from the packets, read once without decoding: headers may lack a duration, or lie.

    Raises:
        MediaError: nothing can be decoded, or the span is empty or beyond MAX_DURATION_SECONDS.
    """
    with open_container(source) as container:
        _check_pixels(name_of(source), container)
        candidates = {kind: _candidates(container, kind) for kind in ("video", "audio")}
    video, audio = (_first_decodable(source, candidates[kind]) for kind in ("video", "audio"))
    chosen = [stream for stream in (video, audio) if stream is not None]
    if not chosen:
        encrypted = "is encrypted and " if _begins_encrypted(source) else ""
        raise MediaError(
            f"{name_of(source)} {encrypted}holds no picture and no sound that can be decoded; expected is {ACCEPTED}."
        )
    origin_seconds = min(stream.start_seconds for stream in chosen)
    duration_seconds = (
        _end_seconds(source, {stream.stream_index: stream.frame_seconds for stream in chosen}) - origin_seconds
    )
    if not 0 < duration_seconds <= MAX_DURATION_SECONDS:
        raise MediaError(
            f"{name_of(source)} lasts {duration_seconds:g} seconds; "
            f"expected is more than 0 and at most {MAX_DURATION_SECONDS / 3600:g} hours."
        )
    return StreamChoice(video and video.stream_index, audio and audio.stream_index, origin_seconds, duration_seconds)


def _candidates(container: InputContainer, kind: Literal["video", "audio"]) -> list[int]:
    """Indices of the streams of this kind that have a decoder, the default ones first."""
    from av.stream import Disposition

    pictures = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    streams = [s for s in getattr(container.streams, kind) if s.codec_context and not s.disposition & pictures]
    return [s.index for s in sorted(streams, key=lambda s: not s.disposition & Disposition.default)]


def _check_pixels(name: str, container: InputContainer) -> None:
    """Raises MediaError where a stream says that its pictures are larger than any camera's."""
    for stream in container.streams.video:
        width, height = (stream.codec_context.width, stream.codec_context.height) if stream.codec_context else (0, 0)
        if width * height > MAX_PIXELS:
            raise MediaError(
                f"{name} has pictures of {width} × {height} pixels; "
                f"expected are at most {MAX_PIXELS / 1e6:.0f} million pixels."
            )


class _Decodable(NamedTuple):
    """A stream of which a frame could be decoded."""

    stream_index: int
    start_seconds: float
    """When that frame is shown or heard."""
    frame_seconds: float
    """How long a frame lasts, for packets that do not say; 0 where that is unknown."""


def _first_decodable(source: MediaSource, stream_indices: list[int]) -> _Decodable | None:
    """The first of these streams of which a frame can be decoded.

    The frame knows better than the packet: decoders leave out what encoders put before the beginning.
    """
    for index in stream_indices:
        with open_container(source) as container:
            stream = container.streams[index]
            frame = next(iter(decoded_frames(container, stream)), None)
            if frame is not None:
                seconds = getattr(frame, "samples", 0) / (getattr(frame, "sample_rate", 0) or 1)
                return _Decodable(index, frame_seconds(frame, 0.0) or 0.0, seconds or _usual_frame_seconds(stream))
    return None


def _begins_encrypted(source: MediaSource) -> bool:
    """Whether the file says that its first packet needs a key."""
    with open_container(source) as container:
        packet = next(_packets(container, [*container.streams.video, *container.streams.audio]), None)
        return packet is not None and _is_encrypted(packet)


def _is_encrypted(packet: Packet) -> bool:
    """Whether the packet needs a key (Common Encryption, ISO/IEC 23001-7).

    Decoders are not told: now and then they find a frame in what is noise to them.
    """
    return packet.has_sidedata("encryption_info")


def _end_seconds(source: MediaSource, frame_seconds: Mapping[int, float]) -> float:
    """When the last packet of these streams ends, by the timestamps in the file."""
    end_seconds = 0.0
    with open_container(source) as container:
        for packet in _packets(container, [container.streams[index] for index in frame_seconds]):
            ticks = packet.pts if packet.pts is not None else packet.dts
            if ticks is not None and not packet.is_discard:
                usual_seconds = frame_seconds[packet.stream.index]
                duration_seconds = float((packet.duration or 0) * packet.time_base) or usual_seconds
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
    except MemoryError:
        raise  # the file does not break off: it asks for more than there is
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
        if _is_encrypted(packet):
            continue
        try:
            frames = packet.decode()
        except MemoryError:
            raise
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
