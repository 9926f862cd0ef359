"""How large a file the app takes. Whoever runs it decides; a visitor is told what was found and what is accepted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment.errors import MediaError, SettingsError

if TYPE_CHECKING:
    from sentiment.media import MediaFile

BYTES_PER_MB = 1024 * 1024
PIXELS_PER_MEGAPIXEL = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a file may have; at these values and below it is taken."""

    max_file_mb: float = 2048.0
    """In units of 1024 × 1024 bytes: an hour and a half of a camera's full HD, and days of sound."""
    max_minutes: float = 180.0
    """A long film, or what two small cores read in half an hour."""
    max_megapixels: float = 35.0
    """Of one frame: 8K has 33 million pixels. Larger ones than these the decoder takes in no case."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                option = f"--{field.name.replace('_', '-')}"
                raise SettingsError(f"{option} must be more than 0, got {getattr(self, field.name):g}.")

    @property
    def max_file_bytes(self) -> int:
        return round(self.max_file_mb * BYTES_PER_MB)

    @contextmanager
    def opened(self, path: Path) -> Iterator[MediaFile]:
        """The file, open.

        Raises MediaError where it is too large, its picture too big, or its video too long, or where nothing in it
        can be read. The size on the disk comes first: it costs nothing to look at.
        """
        from sentiment.decoding import name_of
        from sentiment.media import open_media

        name = name_of(path)
        size_bytes = path.stat().st_size if path.is_file() else 0
        if size_bytes > self.max_file_bytes:
            raise MediaError(
                f"{name} has {size_bytes / BYTES_PER_MB:,.1f} MB; files of up to {self.max_file_mb:,g} MB are taken."
            )
        with open_media(path) as media:
            if media.video is not None:
                width, height = media.video.width, media.video.height
                if width * height > self.max_megapixels * PIXELS_PER_MEGAPIXEL:
                    raise MediaError(
                        f"{name} has frames of {width} × {height} pixels; "
                        f"frames of up to {self.max_megapixels:g} megapixels are taken."
                    )
            minutes = media.duration_seconds / 60
            if minutes > self.max_minutes:
                raise MediaError(
                    f"{name} is {minutes:,.1f} minutes long; files of up to {self.max_minutes:,g} minutes are taken."
                )
            yield media

    def check(self, path: Path) -> None:
        """Raises MediaError where `opened` does."""
        with self.opened(path):
            pass


DEFAULT_LIMITS = Limits()
