"""A GPU that is lent for the length of one call: Hugging Face's ZeroGPU. Elsewhere nothing here does anything.

    app's process    holds the models; its CUDA is a pretence of the package `spaces`, and nothing is computed in it
      └ lent         a fork of it, in which the GPU is real, for as many seconds as were asked for beforehand

What goes into the fork and what comes out of it is pickled; what was there before is in it already. So only here
are models held by a module, and what was threads in the app's process, CTranslate2's Whisper, is loaded anew.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentiment.datatypes import Timeline
from sentiment.edits import NO_EDITS, Edits
from sentiment.errors import MediaError, SentimentError, SettingsError
from sentiment.settings import AnalysisSettings, ProgressCallback
from sentiment.studio.background import follow

if TYPE_CHECKING:
    from sentiment.pipeline import LoadedModels

START_SECONDS = 20.0
"""For the fork to begin: the GPU's own start, and Whisper's."""

SECONDS_PER_SECOND = 0.3
"""Of the GPU for one of the video. Two small cores alone need less than that (assets/bench); what is not used
is given back at the end of the call."""

MOST_SECONDS = 300
"""What is asked for at most. Who asks for more waits longer for a GPU, and visitors have a few minutes a day."""

_held: LoadedModels | None = None
_whisper = ""
_on_loan: Callable[..., Iterator[Any]] | None = None


def is_here() -> bool:
    """Whether this is a Space whose hardware is ZeroGPU."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "true", "yes")


def prepare() -> None:
    """To be called before any model is loaded: the package shows PyTorch a GPU that is not there yet.

    Raises SettingsError where this is ZeroGPU and the package `spaces` is missing.
    """
    if not is_here():
        return
    try:
        import spaces  # noqa: F401
    except ImportError as error:
        raise SettingsError("On ZeroGPU the package `spaces` is needed, and it is not installed.") from error


def hold(models: LoadedModels, whisper: str) -> None:
    """Keep the models for the forks, and make the call that a GPU is lent for. To be called before the launch.

    `whisper` is what the models' transcriber was loaded by: a name or a folder.
    """
    global _held, _whisper, _on_loan
    if not is_here():
        return
    import spaces

    _held, _whisper = models, whisper
    _on_loan = spaces.GPU(duration=gpu_seconds)(_in_fork)


def stream_analysis(
    path: Path | str,
    models: LoadedModels,
    settings: AnalysisSettings,
    on_progress: ProgressCallback | None = None,
) -> Generator[Timeline, None, None]:
    """`pipeline.stream_analysis`, on a GPU that is lent for it where that is how GPUs are to be had."""
    from sentiment import pipeline

    if _on_loan is None:
        yield from pipeline.stream_analysis(path, models, settings, on_progress)
        return
    for event in _told(_on_loan("stream", Path(path), settings)):
        if isinstance(event, Timeline):
            yield event
        elif on_progress is not None:
            on_progress(*event)


def analyze_video(
    path: Path | str,
    models: LoadedModels,
    settings: AnalysisSettings,
    on_progress: ProgressCallback | None = None,
    edits: Edits = NO_EDITS,
) -> Timeline:
    """`pipeline.analyze_video`, in the same way."""
    from sentiment import pipeline

    if _on_loan is None:
        return pipeline.analyze_video(path, models, settings, on_progress, edits)
    newest = deque(stream_analysis(path, models, settings, on_progress), maxlen=1)
    return rescore(newest.pop(), models, edits)


def rescore(timeline: Timeline, models: LoadedModels, edits: Edits) -> Timeline:
    """`rescoring.rescore`, in the same way."""
    from sentiment import rescoring

    if _on_loan is None or edits == timeline.edits:
        return rescoring.rescore(timeline, models, edits)
    (rescored,) = _told(_on_loan("rescore", timeline, edits))
    return rescored


def gpu_seconds(task: str, subject: Path | Timeline, *_: object) -> float:
    """For how long the GPU is asked for: what the video's length lets expect.

    A file that cannot be read needs no more than the start: what is wrong with it is found in the fork, too.
    """
    if task == "rescore" or not isinstance(subject, Path):
        return START_SECONDS
    from sentiment.media import open_media

    try:
        with open_media(subject) as media:
            return min(MOST_SECONDS, START_SECONDS + SECONDS_PER_SECOND * media.duration_seconds)
    except MediaError:
        return START_SECONDS


def _told(events: Iterator[Any]) -> Iterator[Any]:
    """What comes out of the fork. A SentimentError comes as an event: of what is raised in there, `spaces` passes
    on the name alone.
    """
    for event in events:
        if isinstance(event, SentimentError):
            raise event
        if event is not None:
            yield event


# ---------------------------------------------------------------- in the fork


def _in_fork(task: str, *arguments: Any) -> Iterator[Any]:
    """Runs the task with the fork's own models, and yields what it tells: progress, timelines, or an error."""
    from sentiment import pipeline, rescoring

    def work(emit: Callable[[Any], None]) -> None:
        models = _models_of_fork()
        if task == "rescore":
            timeline, edits = arguments
            emit(rescoring.rescore(timeline, models, edits))
            return
        path, settings = arguments
        for timeline in pipeline.stream_analysis(path, models, settings, lambda *progress: emit(progress)):
            emit(timeline)

    try:
        yield from follow(work)
    except SentimentError as error:
        yield error


@cache
def _models_of_fork() -> LoadedModels:
    """The network that was there before, with Whisper anew, on the GPU where that works for it; once per fork."""
    from sentiment.checkpoint import open_preprocessor
    from sentiment.transcription import load_transcriber

    assert _held is not None
    checkpoint = _held.checkpoint
    settings, tokenizer = checkpoint.clip_settings, checkpoint.preprocessor.tokenizer
    return replace(
        _held,
        checkpoint=replace(checkpoint, preprocessor=open_preprocessor(settings, tokenizer)),
        transcriber=load_transcriber(_whisper, "auto" if _held.device == "cuda" else "cpu"),
    )
