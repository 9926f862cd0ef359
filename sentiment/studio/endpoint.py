"""The app without its page: what `gradio_client`, plain HTTP and AI assistants (MCP) can ask for.

Names, types and defaults of the functions here, and the texts beside them, are the documentation that Gradio
serves, so they are written for whoever calls from outside. Underneath is `analyze_video`, as under the page, the
command line and the Python API.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import gradio as gr

from sentiment.datatypes import Timeline
from sentiment.edits import Edits
from sentiment.errors import SentimentError
from sentiment.export import timeline_to_dict
from sentiment.limits import Limits
from sentiment.settings import VIEWINGS, Viewing
from sentiment.studio import zero_gpu
from sentiment.studio.background import follow
from sentiment.studio.events import SLOTS, PromisedModels, as_message
from sentiment.studio.panels import STAGE_NAMES
from sentiment.studio.session import languages, settings_for

ARGUMENTS = {
    "file": "A video or sound file of any kind that FFmpeg decodes.",
    "language": 'ISO 639-1 code of what is spoken, such as "en"; "auto" has it detected.',
    "viewing": '"speaking" for somebody who talks; "watching" for somebody who watches something: their face alone is '
    "read, in windows of two seconds.",
    "corrections": "What is really said in segments that were misheard, by the segment's index in an earlier answer: "
    '{"3": "I never said that."}',
    "translations": "The English of segments in other languages, in place of the recogniser's, by the same index.",
    "faces": 'Whose face counts, by the track numbers in "faces" of an earlier answer, such as [0, 4]; several are '
    "taken for one person. Empty: in each segment the largest face.",
}
"""What a caller is told of each argument."""

SHORT_SEGMENT = ("start_seconds", "end_seconds", "text", "top_emotion", "top_sentiment", "certain", "doubt")
"""What `summarize_video` tells of a segment: enough to talk about it."""

Answer = dict[str, Any]


def add_endpoints(demo: gr.Blocks, models: PromisedModels, limits: Limits) -> None:
    """/analyze and /summarize, as tools `analyze_video` and `summarize_video`. Must be called within `demo`."""
    visitors = _Visitors()
    demo.unload(visitors.leave)
    run = _Run(models, limits, visitors)
    _add_endpoint(
        "analyze",
        _endpoint(
            run,
            "analyze_video",
            "Emotion and sentiment over the time of a video or sound file, read from words, voice and face: all that "
            "was found, segment by segment. These are expressions, which need not be what a person feels.",
            "timeline.json as the README describes it: times in seconds, probabilities that sum to 1, null for what "
            "does not exist.",
            timeline_to_dict,
        ),
    )
    _add_endpoint(
        "summarize",
        _endpoint(
            run,
            "summarize_video",
            "The same in short, for a conversation about a video: the verdict in a sentence, the strongest moments, "
            "and of each segment its words, its likeliest emotion and sentiment, and whether that is certain.",
            "video, language, summary, faces and segments of timeline.json, with fewer keys for each segment.",
            short_answer,
        ),
    )


def short_answer(timeline: Timeline) -> Answer:
    """Of `timeline_to_dict` what a conversation needs: the whole of an hour would fill it."""
    whole = timeline_to_dict(timeline)
    segments = [{key: segment[key] for key in SHORT_SEGMENT} for segment in whole["segments"]]
    return {**{key: whole[key] for key in ("video", "language", "summary", "faces")}, "segments": segments}


def _add_endpoint(api_name: str, function: Callable[..., Answer]) -> None:
    """Bound to components, so that Gradio checks where a file lies and what may be chosen."""
    inputs = [
        gr.File(visible=False),
        gr.Dropdown(languages(), value="auto", visible=False),
        gr.Radio(list(VIEWINGS), value="speaking", visible=False),
        _json({}, TEXTS),
        _json({}, TEXTS),
        _json([], TRACKS),
    ]
    gr.Button(visible=False).click(function, inputs, gr.JSON(visible=False), api_name=api_name, **SLOTS)


TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
"""By the index of a segment."""
TRACKS = {"type": "array", "items": {"type": "integer"}}


def _json(value: Any, schema: dict[str, Any]) -> gr.JSON:
    """MCP clients check what JSON holds, and Gradio leaves that open. No subclass: Gradio would write a stub of it
    beside this file.
    """
    component = gr.JSON(value, visible=False)
    component.api_info = lambda: schema  # type: ignore[method-assign]
    return component


def _endpoint(
    run: _Run, name: str, description: str, returned: str, to_answer: Callable[[Timeline], Answer]
) -> Callable[..., Answer]:
    """The function that Gradio calls, under the name and with the docstring that it serves."""

    def endpoint(
        file: str | None,
        language: str = "auto",
        viewing: Viewing = "speaking",
        corrections: dict[str, str] | None = None,
        translations: dict[str, str] | None = None,
        faces: list[int] | None = None,
        request: gr.Request | None = None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio knows that it is to pass one
    ) -> Answer:
        edits = {"words": corrections or {}, "translations": translations or {}, "faces": faces or []}
        return to_answer(run(file, language, viewing, edits, request, progress))

    arguments = "\n".join(f"    {argument}: {text}" for argument, text in ARGUMENTS.items())
    endpoint.__name__ = name
    endpoint.__doc__ = f"{description}\n\nArgs:\n{arguments}\n\nReturns:\n    {returned}"
    return endpoint


class _Run:
    """One analysis for one caller, who may leave before it is done."""

    def __init__(self, models: PromisedModels, limits: Limits, visitors: _Visitors) -> None:
        self._models = models
        self._limits = limits
        self._visitors = visitors

    def __call__(
        self,
        file: str | None,
        language: str,
        viewing: Viewing,
        edits: dict[str, Any],
        request: gr.Request | None,
        progress: gr.Progress,
    ) -> Timeline:
        if file is None:
            raise gr.Error("No file was given.", print_exception=False)

        def work(emit: Callable[[Any], None]) -> None:
            settings, corrections = settings_for(language, viewing), Edits.from_dict(edits)
            self._limits.check(Path(file))
            models = self._models.result()
            emit(zero_gpu.analyze_video(file, models, settings, lambda *stage: emit(stage), corrections))

        try:
            with self._visitors.waiting(request) as left, closing(follow(work)) as events:
                for event in events:
                    if left.is_set():
                        raise gr.Error("The visitor has left.", print_exception=False)
                    if isinstance(event, Timeline):
                        return event
                    if event is not None:
                        stage, done_seconds, total_seconds = event
                        progress((round(done_seconds), round(total_seconds)), desc=STAGE_NAMES[stage], unit="seconds")
        except SentimentError as error:
            raise as_message(error) from error
        raise RuntimeError("an analysis ended without a timeline")


class _Visitors:
    """Who waits for an analysis. One that nobody waits for any more would keep others waiting."""

    def __init__(self) -> None:
        self._waiting: set[tuple[str | None, threading.Event]] = set()

    def leave(self, request: gr.Request) -> None:
        """Gradio says that this visitor's connection has ended."""
        for session, left in tuple(self._waiting):
            if session == request.session_hash:
                left.set()

    @contextmanager
    def waiting(self, request: gr.Request | None) -> Iterator[threading.Event]:
        """For as long as a visitor waits; the event is set when they have left."""
        entry = (request.session_hash if request is not None else None, threading.Event())
        self._waiting.add(entry)
        try:
            yield entry[1]
        finally:
            self._waiting.discard(entry)
