"""What the Compare page does: two files go in, one after the other, and their comparison comes out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import gradio as gr

from sentiment.compare import compare_timelines
from sentiment.compare_figures import comparison_figure
from sentiment.compare_tables import comparison_csv, comparison_json
from sentiment.datatypes import Timeline
from sentiment.errors import SentimentError
from sentiment.limits import DEFAULT_LIMITS, Limits
from sentiment.studio import compare_panels, panels
from sentiment.studio.compare_layout import REAL, RELATIVE, ComparePage
from sentiment.studio.compare_runs import follow_file, offer_texts, progress_of
from sentiment.studio.events import AT_ONCE, OFF_THE_API, PromisedModels, Updates, as_message
from sentiment.studio.session import Session, settings_for

Pair = tuple[Timeline, Timeline]


def connect_compare(page: ComparePage, models: PromisedModels, limits: Limits = DEFAULT_LIMITS) -> None:
    """Compare begins, Cancel ends; whatever fails leads back to the start, with both files still there."""

    def begin(first: str | None, second: str | None) -> Updates:
        if not (first and second):
            raise gr.Error("Choose two files, one for each cut.", print_exception=False)
        return _waiting(page)

    def compare(first: str, second: str) -> Iterator[Updates]:
        yield from _compare(page, models, limits, Path(first), Path(second))

    def show_axis(timelines: Pair, axis: str) -> Updates:
        return _shown(page, timelines, axis == RELATIVE)

    changing = page.changing
    run = page.compare.click(begin, [*page.files], changing, **OFF_THE_API).success(
        compare, [*page.files], changing, **page.progress.in_turn
    )
    run.failure(lambda: _back_to_start(page), None, changing, **AT_ONCE)
    page.progress.cancel.click(None, cancels=[run], **AT_ONCE).then(
        lambda: _back_to_start(page), None, changing, **AT_ONCE
    )
    # Of the visitor alone: when a new comparison resets it, that shows itself.
    page.results.axis.input(
        show_axis, [page.timelines, page.results.axis], page.showing, trigger_mode="always_last", **OFF_THE_API
    )
    page.again.click(lambda: _cleared(page), None, [*changing, *page.files], **AT_ONCE)


def _compare(page: ComparePage, models: PromisedModels, limits: Limits, *paths: Path) -> Iterator[Updates]:
    """Show the progress of both files, then the comparison; closing this generator cancels it."""
    names = [path.name for path in paths]
    timelines: list[Timeline | None] = []
    with tempfile.TemporaryDirectory(prefix="analysis-") as folder:
        try:
            for path in paths:
                session = Session(path.name)
                for _ in follow_file(path, session, models, settings_for("auto"), Path(folder), limits):
                    yield {page.progress.bars: progress_of(names, len(timelines), session)}
                timelines.append(session.timeline)
            first, second = timelines
            if first is not None and second is not None:
                yield {**_done(page), page.timelines: (first, second), **_shown(page, (first, second), False)}
        except SentimentError as error:
            raise as_message(error) from error


def _waiting(page: ComparePage) -> Updates:
    return {
        page.start: gr.update(visible=False),
        page.progress.card: gr.update(visible=True),
        page.progress.bars: panels.WAITING,
        page.again: gr.update(visible=False),
        page.results.column: gr.update(visible=False),
        page.timelines: None,
    }


def _back_to_start(page: ComparePage) -> Updates:
    return {page.start: gr.update(visible=True), page.progress.card: gr.update(visible=False)}


def _cleared(page: ComparePage) -> Updates:
    return {**_waiting(page), **_back_to_start(page), **dict.fromkeys(page.files)}


def _done(page: ComparePage) -> Updates:
    return {
        page.progress.card: gr.update(visible=False),
        page.again: gr.update(visible=True),
        page.results.column: gr.update(visible=True),
        page.results.axis: REAL,
    }


def _shown(page: ComparePage, timelines: Pair, is_relative: bool) -> Updates:
    """A comparison in all parts of the page."""
    try:
        comparison = compare_timelines(*timelines, is_relative)
    except SentimentError as error:
        raise as_message(error) from error
    results = page.results
    texts = {"comparison.csv": comparison_csv(comparison), "comparison.json": comparison_json(comparison)}
    return {
        results.verdict: compare_panels.verdict(comparison),
        results.plot: comparison_figure(comparison),
        results.in_words: compare_panels.in_words(comparison),
        results.numbers: compare_panels.side_by_side(comparison),
        results.emotions: compare_panels.emotion_shares(comparison),
        results.changes: compare_panels.strongest_changes(comparison),
        **offer_texts(results.downloads, texts),
    }
