"""What may differ from one analysis to the next, and how one tells how far it has come.

Apart from what carries it out, so that a page or a command line knows its choices before PyTorch is there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from sentiment.errors import SettingsError
from sentiment.faces import FaceSettings
from sentiment.segmentation import SegmentationSettings

Stage = Literal["listen", "translate", "watch", "feel"]

STAGES: tuple[Stage, ...] = ("listen", "watch", "feel")
"""Those of every analysis; "translate" is reported where a language is spoken that the network does not read."""

Viewing = Literal["speaking", "watching"]

VIEWINGS: tuple[Viewing, ...] = ("speaking", "watching")

ProgressCallback = Callable[[Stage, float, float], None]
"""Called with the stage, the seconds of the video it has done, and the seconds there are. An exception
that it raises ends the analysis, as closing the iterator does."""


@dataclass(frozen=True, slots=True)
class AnalysisSettings:
    """What may differ from one analysis to the next. What belongs to the weights is in the checkpoint."""

    language: str | None = None
    """ISO 639-1 code of what is spoken; None: detected in the first window with speech, then kept."""
    window_seconds: float = 60.0
    """Sound that is recognised at a time: twice what Whisper reads at once, so that few windows are cut
    and the first answers still come early."""
    batch_segments: int = 8
    """Segments that go through the network together; more are hardly faster and come later."""
    max_frame_side_px: int = 640
    """Frames are scaled down to this: a face of a tenth of the picture still fills half of what is read."""
    segmentation: SegmentationSettings = field(default_factory=SegmentationSettings)
    faces: FaceSettings = field(default_factory=FaceSettings)
    viewing: Viewing = "speaking"
    """"speaking": somebody talks, and utterances are what is answered for. "watching": somebody watches something,
    and is read from the face alone in short windows: what is heard may be what they watch."""

    def __post_init__(self) -> None:
        if self.viewing not in VIEWINGS:
            raise SettingsError(f"viewing must be one of {', '.join(VIEWINGS)}, got {self.viewing!r}")
        for name in ("window_seconds", "batch_segments", "max_frame_side_px"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"analysis setting {name} must be positive, got {getattr(self, name)}")


DEFAULT_SETTINGS = AnalysisSettings()
