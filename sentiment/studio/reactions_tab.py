"""What the Reactions page does: recordings go in one by one, and their mean grows; a bad one is named and left out.

How they are aligned can be changed afterwards, as often as one likes: nothing is analysed again for it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import gradio as gr

from sentiment.compare_figures import reactions_figure
from sentiment.datatypes import Timeline
from sentiment.errors import SentimentError
from sentiment.figures import sentiment_figure
from sentiment.limits import DEFAULT_LIMITS, Limits
from sentiment.reactions import Reactions, Recording, combine_reactions
from sentiment.reactions_tables import reactions_csv, reactions_json, viewers_csv
from sentiment.studio import panels, reactions_panels
from sentiment.studio.compare_runs import follow_file, offer_texts, progress_of
from sentiment.studio.events import AT_ONCE, OFF_THE_API, PromisedModels, Updates, as_message
from sentiment.studio.reactions_layout import ReactionsPage
from sentiment.studio.session import Session, settings_for

CANCELLED = "Cancelled: the recordings that were done until then are kept."


@dataclass(slots=True)
class ReactionsSession:
    """What one visitor's analysis has brought so far."""

    stimulus: Timeline | None = None
    recordings: list[Recording] = field(default_factory=list)
    playable: Path | None = None
    """What shows the stimulus in a browser."""
    failed: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Each file that was left out, by its place among all: its name, which others may have, too, and what is wrong."""

    def aligned(self, starts_seconds: list[float]) -> list[Recording]:
        """The recordings, each with where in it the stimulus begins."""
        return [Recording(r.timeline, start) for r, start in zip(self.recordings, starts_seconds, strict=True)]


def connect_reactions(page: ReactionsPage, models: PromisedModels, limits: Limits = DEFAULT_LIMITS) -> None:
    """Show reactions begins, Cancel ends and keeps what is done; whatever fails leads back to the start."""

    def begin(recordings: list[str] | None) -> Updates:
        if not recordings:
            raise gr.Error("Choose at least one recording of a viewer.", print_exception=False)
        return _waiting(page)

    def run(stimulus: str | None, recordings: list[str]) -> Iterator[Updates]:
        paths = [Path(path) for path in recordings]
        yield from _run(page, models, limits, Path(stimulus) if stimulus else None, paths)

    changing = page.changing
    running = page.show.click(begin, [page.recording_files], changing, **OFF_THE_API).success(
        run, [page.stimulus_file, page.recording_files], changing, **page.progress.in_turn
    )
    running.failure(lambda: _back_to_start(page), None, changing, **AT_ONCE)
    page.progress.cancel.click(None, cancels=[running], **AT_ONCE).then(
        lambda session: _after_cancel(page, session), [page.session], changing, **OFF_THE_API
    )
    page.again.click(lambda: _cleared(page), None, [*changing, page.stimulus_file, page.recording_files], **AT_ONCE)
    _offer_alignment(page)


def _offer_alignment(page: ReactionsPage) -> None:
    """A number for each recording, made anew with each analysis, and a button that applies them."""

    def align(session: ReactionsSession, *starts_seconds: float | None) -> Updates:
        recordings = session.aligned([start or 0.0 for start in starts_seconds])
        return _shown(page, session, recordings)

    with page.results.align_card:

        @gr.render(inputs=[page.names], show_progress="hidden")
        def numbers(names: list[str]) -> None:
            fields = [gr.Number(0.0, label=name, step=0.1, precision=2, elem_classes="start-seconds") for name in names]
            if fields:
                button = gr.Button("Align", elem_id="align-recordings", size="md")
                button.click(align, [page.session, *fields], page.showing, **OFF_THE_API)


# ---------------------------------------------------------------- what is shown when


def _run(
    page: ReactionsPage, models: PromisedModels, limits: Limits, stimulus: Path | None, recordings: list[Path]
) -> Iterator[Updates]:
    """The stimulus first, then one recording after the other; closing this generator cancels it."""
    done, watching = ReactionsSession(), settings_for("auto", "watching")
    names = [path.name for path in ([stimulus] if stimulus else []) + recordings]
    with tempfile.TemporaryDirectory(prefix="analysis-") as folder:
        try:
            if stimulus is not None:
                session = Session(stimulus.name)
                for _ in follow_file(stimulus, session, models, settings_for("auto"), Path(folder), limits):
                    yield {page.progress.bars: progress_of(names, 0, session)}
                done.stimulus, done.playable = session.timeline, session.playable
            for index, path in enumerate(recordings, start=len(names) - len(recordings)):
                session = Session(path.name)
                try:
                    for _ in follow_file(path, session, models, watching, Path(folder), limits, with_player=False):
                        yield {page.progress.bars: progress_of(names, index, session, done.failed)}
                    if session.timeline is not None:
                        yield {page.session: done, **_with(page, done, session.timeline)}
                except SentimentError as error:
                    done.failed[index] = (path.name, str(error))
            if not done.recordings:
                raise gr.Error(_none_left(done), print_exception=False)
            yield {**_shown(page, done, done.recordings), **_player(page, done), **_finished(page, done)}
        except SentimentError as error:
            raise as_message(error) from error


def _with(page: ReactionsPage, done: ReactionsSession, timeline: Timeline) -> Updates:
    """The reactions with one recording more; raises SettingsError for one that cannot be laid over the stimulus."""
    recording = Recording(timeline)
    combine_reactions([recording], done.stimulus)
    done.recordings.append(recording)
    shown = _shown(page, done, done.recordings)
    return {**shown, **_player(page, done), page.results.column: gr.update(visible=True)}


def _none_left(done: ReactionsSession) -> str:
    return " ".join(f"{escape(name)}: {escape(why)}" for name, why in done.failed.values())


def _player(page: ReactionsPage, done: ReactionsSession) -> Updates:
    """The player, told again each time: what reaches it before it is shown may get lost."""
    if done.playable is None:
        return {}
    results = page.results
    return {results.player_card: gr.update(visible=True), results.player: str(done.playable)}


def _waiting(page: ReactionsPage) -> Updates:
    return {
        page.start: gr.update(visible=False),
        page.progress.card: gr.update(visible=True),
        page.progress.bars: panels.WAITING,
        page.again: gr.update(visible=False),
        page.results.column: gr.update(visible=False),
        page.results.player_card: gr.update(visible=False),
        page.results.player: None,
        page.results.align_card: gr.update(visible=False),
        page.session: None,
        page.names: [],
    }


def _back_to_start(page: ReactionsPage) -> Updates:
    return {
        page.start: gr.update(visible=True),
        page.progress.card: gr.update(visible=False),
        page.results.column: gr.update(visible=False),
    }


def _cleared(page: ReactionsPage) -> Updates:
    return {**_waiting(page), **_back_to_start(page), page.stimulus_file: None, page.recording_files: None}


def _finished(page: ReactionsPage, done: ReactionsSession) -> Updates:
    return {
        page.progress.card: gr.update(visible=False),
        page.again: gr.update(visible=True),
        page.results.align_card: gr.update(visible=True),
        page.session: done,
        page.names: [recording.name for recording in done.recordings],
    }


def _after_cancel(page: ReactionsPage, done: ReactionsSession | None) -> Updates:
    if done is None or not done.recordings:
        return _back_to_start(page)
    # To Gradio a cancelled run has failed, which leads back to the start.
    seen = {page.start: gr.update(visible=False), page.results.column: gr.update(visible=True)}
    return {**_shown(page, done, done.recordings, CANCELLED), **_finished(page, done), **seen}


def _shown(page: ReactionsPage, done: ReactionsSession, recordings: list[Recording], note: str = "") -> Updates:
    """The reactions of these recordings in all parts of the page.

    Raises gr.Error where one of them has no moment in common with the stimulus.
    """
    try:
        reactions = combine_reactions(recordings, done.stimulus)
    except SentimentError as error:
        raise as_message(error) from error
    results, stimulus = page.results, done.stimulus
    plot = None if stimulus is None else sentiment_figure(stimulus, show_legend=False)
    return {
        results.verdict: reactions_panels.verdict(reactions, done.failed.values(), note),
        results.plot: reactions_figure(reactions),
        results.stimulus_heading: reactions_panels.stimulus_heading(reactions),
        results.stimulus_plot: gr.update(value=plot, visible=plot is not None),
        results.in_words: reactions_panels.in_words(reactions),
        results.viewers: reactions_panels.viewers(reactions),
        **_downloads(page, reactions),
    }


def _downloads(page: ReactionsPage, reactions: Reactions) -> Updates:
    texts = {
        "reactions.csv": reactions_csv(reactions),
        "viewers.csv": viewers_csv(reactions),
        "reactions.json": reactions_json(reactions),
    }
    return offer_texts(page.results.downloads, texts)
