"""What a person puts right on the page: words that were misheard, and whose face counts.

The script sends one change at a time, as `Edits.to_dict` has them, with null for what is taken back:

    {"words": {"3": "I never said that."}}    {"words": {"3": null}}    {"faces": [0, 4]}

It is merged with what was put right before, the timeline is answered anew where that changes something, and all parts
of the page follow. The file itself is not read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from sentiment.datatypes import Timeline
from sentiment.edits import Edits
from sentiment.errors import SentimentError, SettingsError
from sentiment.studio.events import OFF_THE_API, PromisedModels, Updates, as_message
from sentiment.studio.exports import offer_exports, withdraw_exports
from sentiment.studio.layout import Page
from sentiment.studio.showing import settled
from sentiment.studio.zero_gpu import rescore

if TYPE_CHECKING:
    from sentiment.pipeline import LoadedModels

ONE_AT_A_TIME: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "corrections"}
"""Each correction goes on from the timeline that the one before has left."""

FAILED = "() => document.dispatchEvent(new Event('correction-failed'))"
"""Tells the script, which shows the line as it was; what is wrong is told by Gradio."""


def connect_editing(page: Page, models: PromisedModels, cancels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Take corrections from the page's desk. `cancels` are events that would bring back the timeline of before."""

    def correct(timeline: Timeline | None, source: str | None, change: gr.EventData) -> Iterator[Updates]:
        if timeline is None or source is None:
            raise gr.Error("There is nothing to correct any more.", print_exception=False)
        try:
            corrected = corrected_timeline(timeline, models.result(), change._data)
        except SentimentError as error:
            raise as_message(error) from error
        yield {**settled(page, corrected), **withdraw_exports(page)}
        yield offer_exports(page, corrected, Path(source))

    run = page.desk.submit(
        correct,
        [page.timeline, page.source],
        page.corrected,
        cancels=cancels,
        # By itself Gradio would drop, without a word, what comes while the files of the last one are still made.
        trigger_mode="multiple",
        **ONE_AT_A_TIME,
        **OFF_THE_API,
    )
    run.failure(None, None, None, js=FAILED, **OFF_THE_API)
    return [run]


def corrected_timeline(timeline: Timeline, models: LoadedModels, change: Any) -> Timeline:
    """The timeline with one more change; raises SettingsError where that names what is not there."""
    return rescore(timeline, models, merged(timeline, change))


def merged(timeline: Timeline, change: Any) -> Edits:
    """The edits of the timeline with this change, which comes from a browser and may be anything.

    Words on several lines become one line. What is as it was heard is no correction.
    """
    if not isinstance(change, Mapping):
        raise SettingsError(f"A correction is an object with words, translations or faces, got {change!r}.")
    edits: dict[str, Any] = {**timeline.edits.to_dict(), **{k: change[k] for k in change if k == "faces"}}
    if unknown := sorted(set(change) - set(edits)):
        raise SettingsError(f"Corrections have words, translations and faces, and no {unknown[0]!r}.")
    for name in ("words", "translations"):
        given = change.get(name, {})
        if not isinstance(given, Mapping):
            raise SettingsError(f"Corrected {name} go from a segment's index to a text, got {given!r}.")
        edits[name] |= {i: " ".join(t.split()) if isinstance(t, str) else t for i, t in given.items()}
        edits[name] = {i: t for i, t in edits[name].items() if t is not None}
    wanted = Edits.from_dict(edits)
    return Edits(
        {i: text for i, text in wanted.words.items() if text != _heard(timeline, i, "text")},
        {i: text for i, text in wanted.translations.items() if text != _heard(timeline, i, "translation")},
        wanted.faces,
    )


def _heard(timeline: Timeline, index: int, field: str) -> str | None:
    """What the recogniser has there; None where there is no such segment."""
    if index >= len(timeline.segments):
        return None
    prediction = timeline.segments[index]
    heard: str = getattr(prediction.as_heard or prediction.segment, field).strip()
    return heard
