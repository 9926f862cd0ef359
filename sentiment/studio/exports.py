"""The files that leave the page: most are made with the timeline, the slow ones when somebody asks for them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from sentiment.datatypes import Timeline
from sentiment.errors import SentimentError
from sentiment.export import possible_kinds, write_all, write_export
from sentiment.studio.background import follow
from sentiment.studio.events import AT_ONCE, OFF_THE_API, SLOTS, Updates, as_message
from sentiment.studio.layout import Export, Page


def connect_exports(page: Page) -> list[dict[str, Any]]:
    """What takes long to make is made when somebody asks for it. Returns these events: cancelling one ends the work."""
    runs: list[dict[str, Any]] = []
    for export in page.results.exports:
        if export.make is None:
            continue

        def make(timeline: Timeline, source: str, export: Export = export) -> Iterator[Updates]:
            yield from _make_export(export, timeline, Path(source))

        def offer_again(export: Export = export) -> Updates:
            return _offer(export)

        inputs, outputs = [page.timeline, page.source], export.parts
        run = export.make.click(make, inputs, outputs, **SLOTS, **OFF_THE_API)
        run.failure(offer_again, None, outputs, **AT_ONCE)
        runs.append(run)
    return runs


def offer_exports(page: Page, timeline: Timeline, source: Path) -> Updates:
    """Write what takes no time, captions for the player among it, and offer the rest.

    Raises gr.Error where the files cannot be written.
    """
    possible = possible_kinds(timeline)
    try:
        files = write_all(timeline, exports_folder(), [kind.key for kind in possible if not kind.slow], source)
    except SentimentError as error:
        raise as_message(error) from error
    results = page.results
    updates: Updates = {
        results.player: gr.update(subtitles=str(files["vtt"])),
        results.exports_card: gr.update(visible=True),
    }
    for export in results.exports:
        updates |= _offer(export, files.get(export.kind.key))
        updates[export.row] = gr.update(visible=export.kind in possible)
    return updates


def withdraw_exports(page: Page) -> Updates:
    """No file of the timeline of before can be taken while those of the new one are written."""
    return {export.download: gr.update(interactive=False) for export in page.results.exports}


def exports_folder() -> Path:
    """A new folder for one timeline's files. They cannot go at once: Gradio looks for the captions again with every
    later event of the session. Whoever runs the app removes what is old.
    """
    return Path(tempfile.mkdtemp(prefix="exports-"))


def _offer(export: Export, path: Path | None = None) -> Updates:
    """The button that is of use: to take the file, or where there is none yet, to have it made."""
    updates: Updates = {
        export.download: gr.update(value=path and str(path), visible=path is not None, interactive=True)
    }
    if export.make is not None:
        updates[export.make] = gr.update(value=f"Make: {export.kind.label}", visible=path is None, interactive=True)
    return updates


def _make_export(export: Export, timeline: Timeline, source: Path) -> Iterator[Updates]:
    """Write a file that takes long, with its progress on the button. Closing this generator ends it."""
    path = exports_folder() / export.kind.file_name

    def work(emit: Callable[[float], None]) -> None:
        write_export(timeline, export.kind.key, path, source, emit)

    told = -1
    try:
        for share in follow(work):
            if share is not None and int(100 * share) > told:
                told = int(100 * share)
                yield {export.make: gr.update(value=f"{export.kind.label} · {told}%", interactive=False)}
    except SentimentError as error:
        raise as_message(error) from error
    yield _offer(export, path)
