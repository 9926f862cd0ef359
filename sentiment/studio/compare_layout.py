"""What is on the Compare page, from top to bottom. What it does is in compare_tab.py."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from sentiment.studio import compare_panels, panels
from sentiment.studio.parts import ProgressCard, downloads_card, drop, html, progress_card

REAL, RELATIVE = "seconds", "share of each cut"

FILES = (("comparison.csv", "CSV table"), ("comparison.json", "JSON"))
"""What can be taken along: the file's name, and what its button says."""


@dataclass(frozen=True, slots=True)
class CompareResults:
    """What a comparison is shown as."""

    column: gr.Column
    verdict: gr.HTML
    axis: gr.Radio
    plot: gr.Plot
    in_words: gr.HTML
    numbers: gr.HTML
    emotions: gr.HTML
    changes: gr.HTML
    downloads: list[gr.DownloadButton]
    """In the order of FILES."""


@dataclass(frozen=True, slots=True)
class ComparePage:
    """Every component of the page that something happens to."""

    again: gr.Button
    start: gr.Column
    files: tuple[gr.File, gr.File]
    compare: gr.Button
    progress: ProgressCard
    results: CompareResults
    timelines: gr.State
    """Both timelines of this visitor, as a pair; None before there are."""

    @property
    def changing(self) -> list[gr.blocks.Block]:
        """All that a comparison changes."""
        results = self.results
        return [
            *(self.again, self.start, *self.progress.changing, self.timelines, results.column, results.axis),
            *self.showing,
        ]

    @property
    def showing(self) -> list[gr.blocks.Block]:
        """What shows the comparison, and differs with its axis."""
        results = self.results
        return [
            *(results.verdict, results.plot, results.in_words, results.numbers, results.emotions, results.changes),
            *results.downloads,
        ]


def lay_out_compare() -> ComparePage:
    """Put the page into its tab; must be called within gr.Tab."""
    again = gr.Button(
        "New comparison", visible=False, elem_classes="again", elem_id="compare-again", scale=0, size="md"
    )
    with gr.Column(elem_id="compare-start", elem_classes="card") as start:
        html(panels.heading("Two cuts of one video", "which lands better, and where they differ"))
        with gr.Row():
            first = drop("Cut A", "cut-a")
            second = drop("Cut B", "cut-b")
        with gr.Row(elem_classes="choices"):
            compare = gr.Button("Compare", variant="primary", elem_id="compare", min_width=140)
        html("<p class='note'>Videos, sound files, or the timeline.json or bundle.zip of an earlier analysis.</p>")
    progress = progress_card("compare-")
    return ComparePage(again, start, (first, second), compare, progress, _results(), gr.State(None))


def _results() -> CompareResults:
    with gr.Column(elem_id="compare-results", elem_classes="results", visible=False) as column:
        with gr.Column(elem_classes="card"):
            verdict = html(elem_id="compare-verdict")
        with gr.Column(elem_classes="card", elem_id="compare-plots"):
            html(panels.heading("Sentiment over time", "positive above, negative below"))
            axis = gr.Radio([REAL, RELATIVE], value=REAL, label="Time in", elem_id="compare-axis", container=False)
            html(compare_panels.legend())
            plot = gr.Plot(show_label=False, container=False, elem_id="compare-plot")
            in_words = html(elem_id="compare-in-words")
        with gr.Row():
            with gr.Column(elem_classes="card", min_width=320):
                html(panels.heading("Side by side"))
                numbers = html(elem_id="compare-numbers")
            with gr.Column(elem_classes="card", min_width=320):
                html(panels.heading("Emotions", "share of certain time"))
                emotions = html(elem_id="compare-emotions")
        with gr.Column(elem_classes="card"):
            html(panels.heading("Changed most", "at the same time of both cuts"))
            changes = html(elem_id="compare-changes")
        downloads = downloads_card("Download comparison", FILES)
    return CompareResults(column, verdict, axis, plot, in_words, numbers, emotions, changes, downloads)
