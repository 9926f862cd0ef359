"""What the page does: a file goes in, the results fill in, and any moment may be the last.

Models are passed by hand into the closures below; everything else that an analysis needs lives in its
generator, so visitors share nothing but weights.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from sentiment.datatypes import Timeline
from sentiment.errors import SentimentError
from sentiment.limits import DEFAULT_LIMITS, Limits
from sentiment.settings import AnalysisSettings, Viewing
from sentiment.studio import panels
from sentiment.studio.compare_tab import connect_compare
from sentiment.studio.editing import connect_editing
from sentiment.studio.endpoint import add_endpoints
from sentiment.studio.events import (
    AT_ONCE,
    HOURS_KEPT,
    OFF_THE_API,
    SWEEP_SECONDS,
    PromisedModels,
    Updates,
    as_message,
)
from sentiment.studio.exports import connect_exports
from sentiment.studio.layout import Page, lay_out
from sentiment.studio.reactions_tab import connect_reactions
from sentiment.studio.session import Session, follow_analysis, settings_for
from sentiment.studio.showing import finished, shown
from sentiment.studio.theme import make_theme
from sentiment.studio.uploads import fetch_nothing

ASSETS = Path(__file__).resolve().parents[2] / "assets"
EXAMPLE = ASSETS / "example.mp4"

SCRIPTS = ("timeline.js", "now.js", "why.js", "correct.js", "faces.js", "reactions.js", "control.js")
"""In assets/studio/: one closure of these parts, in this order."""

MAX_WAITING = 20


def build_studio(
    models: PromisedModels, model_card: Path, limits: Limits = DEFAULT_LIMITS, where: str = panels.LOCAL
) -> gr.Blocks:
    """The whole app, ready to be launched with `launch_options()`. `where` tells visitors where their files go.

    Nothing here waits for the models: that is for the first analysis. The model card is linked where there is one.
    """
    fetch_nothing()
    with gr.Blocks(
        title="Video sentiment",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(SWEEP_SECONDS, HOURS_KEPT * 3600),
    ) as demo:
        pages = lay_out(HOURS_KEPT, EXAMPLE.is_file(), model_card if model_card.is_file() else None, where)
        page = pages.analyse
        _connect_analysis(page, models, limits)
        corrections = connect_editing(page, models, cancels=connect_exports(page))
        _connect_rest(page, corrections)
        connect_compare(pages.compare, models, limits)
        connect_reactions(pages.reactions, models, limits)
        add_endpoints(demo, models, limits)
    return demo.queue(max_size=MAX_WAITING)


def launch_options() -> dict[str, Any]:
    """The arguments of `launch` that belong to the page itself: its looks, its script, its privacy."""
    return {
        "theme": make_theme(),
        "css": (ASSETS / "studio" / "studio.css").read_text(encoding="utf-8"),
        "head": f"<script>(() => {{\n{_script()}\n}})();</script>",
        "footer_links": [],
        "run_history": False,  # would keep faces in the visitors' browsers
        "allowed_paths": [str(EXAMPLE)],
    }


def _script() -> str:
    return "\n".join((ASSETS / "studio" / name).read_text(encoding="utf-8") for name in SCRIPTS)


# ---------------------------------------------------------------- which button does what


def _connect_analysis(page: Page, models: PromisedModels, limits: Limits) -> None:
    """Analyse and Try the example begin, Cancel ends; whatever fails leads back to the start."""

    def begin(upload: str | None, recording: str | None) -> Updates:
        if not (upload or recording):
            raise gr.Error("Choose a video or sound file first, or record one with the webcam.", print_exception=False)
        return _waiting(page)

    def analyse(upload: str | None, recording: str | None, language: str, viewing: Viewing) -> Iterator[Updates]:
        yield from _analyse(page, models, limits, Path(upload or recording or ""), settings_for(language, viewing))

    def analyse_example(language: str, viewing: Viewing) -> Iterator[Updates]:
        yield from _analyse(page, models, limits, EXAMPLE, settings_for(language, viewing))

    def keep(timeline: Timeline | None, source: str | None) -> Updates:
        return _after_cancel(page, timeline, source)

    start, changing = page.start, page.changing
    choices = [start.language, start.viewing]
    runs = [
        # In the queue, although it takes no time: of an error outside of it the visitor would be told nothing.
        start.analyse.click(begin, [start.file, start.webcam], changing, **OFF_THE_API).success(
            analyse, [start.file, start.webcam, *choices], changing, **page.progress.in_turn
        ),
        start.example.click(lambda: _waiting(page), None, changing, **AT_ONCE).success(
            analyse_example, choices, changing, **page.progress.in_turn
        ),
    ]
    for run in runs:
        run.failure(lambda: _back_to_start(page), None, changing, **AT_ONCE)
    page.progress.cancel.click(None, cancels=runs, **AT_ONCE).then(
        keep, [page.timeline, page.source], changing, **OFF_THE_API
    )


def _connect_rest(page: Page, corrections: list[dict[str, Any]]) -> None:
    start = page.start

    def clear() -> Updates:
        # No captions: to Gradio None would mean "as before", and the file it then looks for is gone.
        no_video = gr.update(value=None, subtitles=[])
        emptied = {start.file: None, start.webcam: None, page.results.player: no_video}
        return {**_waiting(page), **_back_to_start(page), **emptied}

    def offer_language(viewing: Viewing) -> Updates:
        return {start.language: gr.update(interactive=viewing == "speaking")}

    page.again.click(clear, None, [*page.changing, start.file, start.webcam], cancels=corrections, **AT_ONCE)
    start.viewing.change(offer_language, [start.viewing], [start.language], **AT_ONCE)
    # The newest of the two is what "Analyse" means.
    start.file.upload(lambda: None, None, [start.webcam], **AT_ONCE)
    start.webcam.stop_recording(lambda: None, None, [start.file], **AT_ONCE)


# ---------------------------------------------------------------- what is shown when


def _analyse(
    page: Page, models: PromisedModels, limits: Limits, path: Path, settings: AnalysisSettings
) -> Iterator[Updates]:
    """Fill the page as the analysis goes on; closing this generator cancels it."""
    session = Session(path.name)
    yield {page.source: str(path)}
    with tempfile.TemporaryDirectory(prefix="analysis-") as folder:
        try:
            for event in follow_analysis(path, models, settings, Path(folder), limits):
                results = _so_far(page, session) if session.take(event) else {}
                yield {**results, page.progress.bars: panels.progress(session)}
        except SentimentError as error:
            raise as_message(error) from error
    if session.timeline is not None:
        yield finished(page, session.timeline, path)


def _waiting(page: Page) -> Updates:
    """Before the first news: the analysis may have to wait for its turn."""
    return {
        page.start.card: gr.update(visible=False),
        page.progress.card: gr.update(visible=True),
        page.progress.bars: panels.WAITING,
        page.again: gr.update(visible=False),
        page.results.column: gr.update(visible=False),
        page.results.exports_card: gr.update(visible=False),
        page.timeline: None,
    }


def _back_to_start(page: Page) -> Updates:
    return {page.start.card: gr.update(visible=True), page.progress.card: gr.update(visible=False)}


def _so_far(page: Page, session: Session) -> Updates:
    """The results so far. The player is told again each time: what reaches it before it is shown may get lost."""
    if session.timeline is None:
        return {}
    player = {} if session.playable is None else {page.results.player: str(session.playable)}
    return {**player, **shown(page, session.timeline)}


def _after_cancel(page: Page, timeline: Timeline | None, source: str | None) -> Updates:
    """What is done is kept; where nothing is, the page is as before."""
    if timeline is None or source is None:
        return _back_to_start(page)
    # To Gradio a cancelled run has failed, which leads back to the start.
    seen = {page.start.card: gr.update(visible=False), page.results.column: gr.update(visible=True)}
    return {**finished(page, timeline, Path(source)), **seen}
