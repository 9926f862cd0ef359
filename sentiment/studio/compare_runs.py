"""Several files one after the other, with the progress of each: what comparing and reactions share."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from html import escape
from pathlib import Path

import gradio as gr

from sentiment.compare_records import is_record, read_timeline
from sentiment.limits import DEFAULT_LIMITS, Limits
from sentiment.settings import AnalysisSettings
from sentiment.studio import panels
from sentiment.studio.events import PromisedModels, Updates
from sentiment.studio.exports import exports_folder
from sentiment.studio.session import Session, follow_analysis


def follow_file(
    path: Path,
    session: Session,
    models: PromisedModels,
    settings: AnalysisSettings,
    folder: Path,
    limits: Limits = DEFAULT_LIMITS,
    with_player: bool = True,
) -> Iterator[None]:
    """Fill `session` with the timeline of a file, and yield whenever there is news; closing the iterator cancels.

    A timeline.json or a bundle is read; everything else is analysed, as `follow_analysis` does it.

    Raises:
        SentimentError: the file cannot be read or analysed.
    """
    if is_record(path):
        session.take(read_timeline(path))
        yield
        return
    for event in follow_analysis(path, models, settings, folder, limits, with_player):
        session.take(event)
        yield


def progress_of(names: Sequence[str], done: int, session: Session, failed: Collection[int] = ()) -> str:
    """One line for each file: what is done or was left out, the bars of the one that is analysed, what waits."""
    lines = []
    for index, name in enumerate(names):
        if index == done:
            lines.append(panels.progress(session))
            continue
        state = "waiting" if index > done else "left out" if index in failed else "done"
        lines.append(
            f'<p class="progress-title of-several"><b>{escape(name)}</b><span class="number">{state}</span></p>'
        )
    return "".join(lines)


def offer_texts(downloads: Sequence[gr.DownloadButton], texts: dict[str, str]) -> Updates:
    """Write each text into a file of that name, in a new folder, and give it to the button in its place."""
    folder = exports_folder()
    updates: Updates = {}
    for button, (name, text) in zip(downloads, texts.items(), strict=True):
        path = folder / name
        path.write_text(text, encoding="utf-8", errors="replace", newline="")
        updates[button] = str(path)
    return updates
