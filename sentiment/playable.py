"""Whether every browser plays a file as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sentiment.decoding import StreamChoice, open_container, timed_video_frames
from sentiment.orientation import display_matrix

if TYPE_CHECKING:
    from av.container import InputContainer

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


def is_playable(path: Path, choice: StreamChoice) -> bool:
    """See `media.is_playable_in_browser`."""
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
