"""One clip of MELD: from its file to what is kept of it, as the network is shown a segment in use."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from sentiment.clip_datatypes import ClipSettings
from sentiment.clips import crop_faces, sample_times
from sentiment.datatypes import Segment
from sentiment.faces import DEFAULT_SETTINGS as FACE_SETTINGS
from sentiment.faces import FaceFinder, follow_face, frames_of
from sentiment.media import PAUSE_SEARCH_SHARE, MediaFile, open_media
from sentiment.media_datatypes import AudioTrack
from sentiment.settings import AnalysisSettings
from train.clip_cache import JPEG_QUALITY, StoredClip, stored_size_px
from train.corpora import meld
from train.dataset import trim_silence

MIN_LOUD_SECONDS: Final = 0.1
"""Of a clip's sound, so much must be louder than SILENT_BELOW_DB: less than the shortest of syllables is no voice."""

SILENT_BELOW_DB: Final = -60.0
"""Below full scale. Sixteen bits reach down to -96 dB; whispers are recorded above -50 dB."""


def decode_clip(
    path: Path,
    settings: ClipSettings,
    max_seconds: float = meld.MAX_CLIP_SECONDS,
    sound_excluded: str | None = None,
) -> StoredClip:
    """Frames spread over the whole clip, and its sound; where either is missing, why.

    Raises MediaError where it cannot be decoded.
    """
    with open_media(path, isolated=False) as media:  # `prepare` runs this in processes that may go down
        seconds = min(media.duration_seconds, max_seconds)
        frames = _look(media, seconds, settings)
        sound = sound_excluded or _listen(media, seconds, settings)
        return StoredClip(
            media.duration_seconds,
            frames=() if isinstance(frames, str) else frames,
            no_frames=frames if isinstance(frames, str) else None,
            sound=None if isinstance(sound, str) else sound,
            no_sound=sound if isinstance(sound, str) else None,
        )


def _look(media: MediaFile, seconds: float, settings: ClipSettings) -> tuple[bytes, ...] | str:
    """The JPEGs of frame_count frames, or why there are none."""
    if media.video is None:
        return "no picture"
    reader = media.frame_reader(AnalysisSettings().max_frame_side_px)
    frames = reader.at(sample_times(Segment(0.0, seconds, "silent"), settings))
    images = [frame.image for frame in frames]
    if settings.framing == "face":
        boxes = follow_face(_face_finder(), frames, FACE_SETTINGS)
        if not boxes:
            return "no face found"
        images = crop_faces(frames_of(boxes, frames), boxes, settings)
    return tuple(_to_jpeg(image, stored_size_px(settings)) for image in images)


@cache
def _face_finder() -> FaceFinder:
    """One for each process: it takes a while to load."""
    return FaceFinder(FACE_SETTINGS)


def _to_jpeg(image: np.ndarray, size_px: int) -> bytes:
    """The middle square of (H, W, 3) uint8 RGB, as `frames_to_tensor` takes it; made smaller, but never larger."""
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = image[top : top + side, left : left + side]
    if side > size_px:
        square = cv2.resize(square, (size_px, size_px), interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(square, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return jpeg.tobytes()


def _listen(media: MediaFile, seconds: float, settings: ClipSettings) -> np.ndarray | str:
    """(num_samples,) int16 without silence at its ends, at most the middle max_audio_seconds; or why there is none."""
    if not media.has_audio:
        return "no sound"
    # So long that the cut in a pause, which ends a window, comes after what is wanted.
    window_seconds = seconds / (1 - PAUSE_SEARCH_SHARE) + 1
    window = next(media.audio_windows(window_seconds, settings.sample_rate_hz))
    audio = window.between(0.0, seconds)
    if _loud_seconds(audio) < MIN_LOUD_SECONDS:
        return "almost no sound"
    samples = trim_silence(audio).samples
    longest = round(settings.max_audio_seconds * settings.sample_rate_hz)
    skipped = max(0, len(samples) - longest) // 2
    return np.round(samples[skipped : skipped + longest] * 2**15).astype(np.int16)


def _loud_seconds(audio: AudioTrack) -> float:
    """For how long the sound is louder than SILENT_BELOW_DB, in steps of 20 ms."""
    step = audio.sample_rate_hz // 50
    steps = audio.samples[: len(audio.samples) // step * step].reshape(-1, step)
    level_db = 10 * np.log10((steps**2).mean(axis=1) + 1e-12)
    return float((level_db > SILENT_BELOW_DB).sum() * step / audio.sample_rate_hz)
