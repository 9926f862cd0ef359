"""What is on the Reactions page, from top to bottom. What it does is in reactions_tab.py."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from sentiment.studio import panels, reactions_panels
from sentiment.studio.parts import ProgressCard, downloads_card, drop, html, progress_card

FILES = (("reactions.csv", "CSV: mean and spread"), ("viewers.csv", "CSV: every viewer"), ("reactions.json", "JSON"))
"""What can be taken along: the file's name, and what its button says."""


@dataclass(frozen=True, slots=True)
class ReactionsResults:
    """What reactions are shown as."""

    column: gr.Column
    player_card: gr.Column
    player: gr.Video
    """Plays the stimulus, where it is known and has been prepared for browsers."""
    verdict: gr.HTML
    plot: gr.Plot
    stimulus_heading: gr.HTML
    stimulus_plot: gr.Plot
    in_words: gr.HTML
    viewers: gr.HTML
    align_card: gr.Column
    downloads: list[gr.DownloadButton]
    """In the order of FILES."""


@dataclass(frozen=True, slots=True)
class ReactionsPage:
    """Every component of the page that something happens to."""

    again: gr.Button
    start: gr.Column
    stimulus_file: gr.File
    recording_files: gr.File
    show: gr.Button
    progress: ProgressCard
    results: ReactionsResults
    session: gr.State
    """This visitor's `ReactionsSession`; None before there is one."""
    names: gr.State
    """Of the recordings that can be aligned, in their order."""

    @property
    def changing(self) -> list[gr.blocks.Block]:
        """All that an analysis changes."""
        results = self.results
        return [
            *(self.again, self.start, *self.progress.changing, self.session, self.names),
            *(results.column, results.player_card, results.player, results.align_card, *self.showing),
        ]

    @property
    def showing(self) -> list[gr.blocks.Block]:
        """What shows the reactions, and differs with their alignment."""
        results = self.results
        return [
            *(results.verdict, results.plot, results.stimulus_heading, results.stimulus_plot, results.in_words),
            *(results.viewers, *results.downloads),
        ]


def lay_out_reactions() -> ReactionsPage:
    """Put the page into its tab; must be called within gr.Tab."""
    again = gr.Button(
        "New reactions", visible=False, elem_classes="again", elem_id="reactions-again", scale=0, size="md"
    )
    with gr.Column(elem_id="reactions-start", elem_classes="card") as start:
        html(panels.heading("How viewers react", "recordings of people who watch the same thing"))
        with gr.Row():
            stimulus = drop("What they watched (may be left out)", "stimulus")
            recordings = drop("Recordings of viewers, one file each", "recordings", many=True)
        with gr.Row(elem_classes="choices"):
            show = gr.Button("Show reactions", variant="primary", elem_id="show-reactions", min_width=140)
        html("<p class='note'>Viewers are read from their faces alone: what is heard may be what they watch.</p>")
    progress = progress_card("reactions-")
    results = _results()
    states = (gr.State(None), gr.State([]))
    return ReactionsPage(again, start, stimulus, recordings, show, progress, results, *states)


def _results() -> ReactionsResults:
    with gr.Column(elem_id="reactions-results", elem_classes="results", visible=False) as column:
        with gr.Row():
            with gr.Column(elem_classes="card", min_width=320) as player_card:
                player = gr.Video(
                    interactive=False, show_label=False, label="What they watched", elem_id="stimulus-player",
                    elem_classes="player", buttons=[], container=False,
                )  # fmt: skip
            with gr.Column(elem_classes="card", min_width=320):
                verdict = html(elem_id="reactions-verdict")
        with gr.Column(elem_classes="card", elem_id="reactions-plots"):
            html(panels.heading("Reactions over time", "the viewers' sentiment, click to go there"))
            html(reactions_panels.legend())
            plot = gr.Plot(show_label=False, container=False, elem_id="reactions-plot")
            stimulus_heading = html(elem_id="stimulus-heading")
            stimulus_plot = gr.Plot(show_label=False, container=False, elem_id="stimulus-plot")
            in_words = html(elem_id="reactions-in-words")
        with gr.Row():
            with gr.Column(elem_classes="card", min_width=320):
                html(panels.heading("Viewers"))
                viewers = html(elem_id="viewers")
            with gr.Column(elem_classes="card", elem_id="align", min_width=320) as align_card:
                html(panels.heading("Align", "where in each recording it begins, in seconds"))
        downloads = downloads_card("Download reactions", FILES)
    return ReactionsResults(
        column, player_card, player, verdict, plot, stimulus_heading, stimulus_plot, in_words, viewers, align_card,
        downloads,
    )  # fmt: skip
