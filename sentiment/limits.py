"""How large a file the app takes. Whoever runs it decides; a visitor is told what was found and what is accepted."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from sentiment.errors import MediaError, SettingsError

BYTES_PER_MB = 1024 * 1024
PIXELS_PER_MEGAPIXEL = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a file may have; at these values and below it is taken."""

    max_file_mb: float = 2048.0
    """In units of 1024 × 1024 bytes: an hour and a half of a camera's full HD, and days of sound."""
    max_minutes: float = 180.0
    """A long film, or what two small cores read in half an hour."""
    max_megapixels: float = 40.0
    """Of one frame: 8K, which has 33 million pixels, and no more."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                option = f"--{field.name.replace('_', '-')}"
                raise SettingsError(f"{option} must be more than 0, got {getattr(self, field.name):g}.")

    @property
    def max_file_bytes(self) -> int:
        return round(self.max_file_mb * BYTES_PER_MB)

    def check(self, path: Path) -> None:
        """Raises MediaError where the file is too large, its picture too big, or its video too long, or where
        nothing in it can be read. The size on the disk comes first: it costs nothing to look at.
        """
        size_bytes = path.stat().st_size if path.is_file() else 0
        if size_bytes > self.max_file_bytes:
            raise MediaError(
                f"{path.name} has {size_bytes / BYTES_PER_MB:,.1f} MB; "
                f"files of up to {self.max_file_mb:,g} MB are taken."
            )
        from sentiment.media import open_media

        with open_media(path) as media:
            if media.video is not None:
                width, height = media.video.width, media.video.height
                if width * height > self.max_megapixels * PIXELS_PER_MEGAPIXEL:
                    raise MediaError(
                        f"{path.name} has frames of {width} × {height} pixels; "
                        f"frames of up to {self.max_megapixels:g} megapixels are taken."
                    )
            minutes = media.duration_seconds / 60
        if minutes > self.max_minutes:
            raise MediaError(
                f"{path.name} is {minutes:,.1f} minutes long; files of up to {self.max_minutes:,g} minutes are taken."
            )


DEFAULT_LIMITS = Limits()
