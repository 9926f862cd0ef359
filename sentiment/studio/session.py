"""One visitor's analysis, told to the page as a series of events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sentiment.datatypes import Timeline
from sentiment.errors import SettingsError
from sentiment.languages import languages as whisper_languages
from sentiment.limits import DEFAULT_LIMITS, Limits
from sentiment.media import write_playable_copy
from sentiment.settings import AnalysisSettings, Viewing
from sentiment.studio.background import follow
from sentiment.studio.events import PromisedModels
from sentiment.studio.time_left import TimeLeft
from sentiment.studio.zero_gpu import stream_analysis


@dataclass(frozen=True, slots=True)
class StageProgress:
    """A stage of the pipeline has come this far."""

    stage: str
    done_seconds: float
    total_seconds: float


@dataclass(frozen=True, slots=True)
class Playable:
    """A file that shows the video and that every browser plays."""

    path: Path


@dataclass(frozen=True, slots=True)
class ModelsAwaited:
    """The app has just been started, and is still loading its models."""


SessionEvent = ModelsAwaited | StageProgress | Playable | Timeline

LOADING = "load"
"""What a session is at before it begins, where it has to wait for the models."""

STAGE_SHOWN_SECONDS = 1.0
"""A stage is named for so long at least: some take turns faster than one reads."""


@dataclass(slots=True)
class Session:
    """What one analysis has told so far."""

    name: str
    """Of the file."""
    done_seconds: dict[str, float] = field(default_factory=dict)
    """How much of the video each stage has behind it."""
    total_seconds: float = 0.0
    timeline: Timeline | None = None
    playable: Path | None = None
    started: float = field(default_factory=time.monotonic)
    stage: str | None = None
    """What it is at; None before it has begun."""
    _stage_since: float = 0.0
    _time_left: TimeLeft = field(default_factory=TimeLeft)

    @property
    def elapsed_seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def seconds_left(self) -> float | None:
        """An estimate; None before there is one."""
        return self._time_left.ask(self.elapsed_seconds)

    def take(self, event: SessionEvent | None) -> bool:
        """Note an event; whether there is something new to show beside the progress."""
        match event:
            case ModelsAwaited():
                self.stage = LOADING
            case StageProgress(stage, done_seconds, total_seconds):
                now_seconds = self.elapsed_seconds
                self._time_left.tell(stage, done_seconds, total_seconds, now_seconds)
                is_shown_enough = now_seconds - self._stage_since >= STAGE_SHOWN_SECONDS
                if self.stage in (None, LOADING) or (
                    done_seconds > self.done_seconds.get(stage, 0.0) and is_shown_enough
                ):
                    if stage != self.stage:
                        self._stage_since = now_seconds
                    self.stage = stage
                self.done_seconds[stage] = done_seconds
                self.total_seconds = total_seconds
                return False
            case Playable(path):
                self.playable = path
            case Timeline():
                self.timeline = event
        return event is not None and self.timeline is not None


def follow_analysis(
    path: Path,
    models: PromisedModels,
    settings: AnalysisSettings,
    folder: Path,
    limits: Limits = DEFAULT_LIMITS,
    with_player: bool = True,
) -> Iterator[SessionEvent | None]:
    """Analyse a file in a thread of its own; None is a heartbeat. Closing the iterator cancels.

    A file that browsers play comes first, as Playable; of any other a copy is written into `folder` at the end.
    Without a player neither is needed.

    Raises what `stream_analysis` raises, and MediaError for a file beyond the limits.
    """

    def work(emit: Callable[[SessionEvent], None]) -> None:
        with limits.opened(path) as media:
            playable = with_player and media.is_playable()
        if playable:
            emit(Playable(path))
        is_copied = with_player and not playable
        duration_seconds = 0.0

        def tell(stage: str, done_seconds: float, total_seconds: float) -> None:
            nonlocal duration_seconds
            emit(StageProgress(stage, done_seconds, total_seconds))
            if is_copied and not duration_seconds:
                emit(StageProgress("copy", 0.0, total_seconds))  # what is still to come counts for the time left
            duration_seconds = total_seconds

        if not models.done():
            emit(ModelsAwaited())
        for timeline in stream_analysis(path, models.result(), settings, tell):
            emit(timeline)
        if is_copied:
            copy = folder / f"{path.stem}.mp4"
            write_playable_copy(
                path, copy, on_progress=lambda share: tell("copy", share * duration_seconds, duration_seconds)
            )
            emit(Playable(copy))

    return follow(work, kind_of=_kind)


def _kind(event: SessionEvent) -> object:
    """Of events of one kind, the newest says all."""
    return event.stage if isinstance(event, StageProgress) else type(event)


def settings_for(language: str, viewing: Viewing = "speaking") -> AnalysisSettings:
    """The settings of a visitor who chose this language: an ISO 639-1 code, or "auto" to have it detected."""
    codes = dict(languages()).values()
    if language not in codes:
        raise SettingsError(f"language must be 'auto' or a code such as 'en', got {language!r}")
    return AnalysisSettings(language=None if language == "auto" else language, viewing=viewing)


def languages() -> list[tuple[str, str]]:
    """(name, code) of everything that Whisper understands, by name, with "auto" first."""
    return [("Detect", "auto"), *sorted((name, code) for code, name in whisper_languages().items())]
