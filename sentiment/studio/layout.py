"""What is on the page, from top to bottom. What it does is in page.py; how it looks is in assets/studio/.

Element ids are what the script, the styles and the tests hold on to.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import NamedTuple

import gradio as gr

from sentiment.export import EXPORT_KINDS, ExportKind
from sentiment.studio import glance, panels
from sentiment.studio.compare_layout import ComparePage, lay_out_compare
from sentiment.studio.parts import ProgressCard, html, progress_card
from sentiment.studio.reactions_layout import ReactionsPage, lay_out_reactions
from sentiment.studio.session import languages

WEBCAM_CONSTRAINTS = {"video": {"width": {"ideal": 1280}, "height": {"ideal": 720}}}
"""Left out, the browser is asked for up to 2880x2160, which nobody here looks at. The picture is not mirrored:
Gradio would have a system ffmpeg turn it back."""

DESK_SCRIPT = "element.addEventListener('correct', (event) => trigger('submit', event.detail));"
"""How the script reaches the server: only what Gradio runs in a component may trigger its events."""

VIEWING_CHOICES = [
    ("Someone speaking: their words, voice and face, sentence by sentence", "speaking"),
    ("Someone watching: their face alone, every 2 seconds; the sound may be what they watch", "watching"),
]


@dataclass(frozen=True, slots=True)
class StartCard:
    """Where a video comes in; all there is before an analysis."""

    card: gr.Column
    file: gr.File
    webcam: gr.Video
    viewing: gr.Radio
    language: gr.Dropdown
    example: gr.Button
    analyse: gr.Button


@dataclass(frozen=True, slots=True)
class Export:
    """One kind of file to take along."""

    kind: ExportKind
    row: gr.Row
    make: gr.Button | None
    """Begins to make it; None where it is made with every timeline, because that takes no time."""
    download: gr.DownloadButton

    @property
    def parts(self) -> list[gr.blocks.Block]:
        return [part for part in (self.row, self.make, self.download) if part is not None]


@dataclass(frozen=True, slots=True)
class Results:
    """What a timeline is shown as."""

    column: gr.Column
    player: gr.Video
    verdict: gr.HTML
    shares: gr.HTML
    moments: gr.HTML
    emotions: gr.Plot
    sentiments: gr.Plot
    in_words: gr.HTML
    faces: gr.HTML
    """Empty, and then nothing is seen of it, unless there is a choice whose face counts."""
    transcript: gr.HTML
    evidence: gr.HTML
    """Unseen: what the script knows of the timeline."""
    exports_card: gr.Column
    exports: list[Export]


@dataclass(frozen=True, slots=True)
class Page:
    """Every component that something happens to."""

    again: gr.Button
    start: StartCard
    progress: ProgressCard
    results: Results
    timeline: gr.State
    """The newest timeline of this visitor; None before there is one."""
    source: gr.State
    """The path of the file that it was read from, as a string."""
    desk: gr.HTML
    """Unseen: hands what a person puts right from the script to the server, as the data of its `submit`."""

    @property
    def corrected(self) -> list[gr.blocks.Block]:
        """All that a correction changes; the player keeps its place, and gets other captions."""
        results = self.results
        return [
            *(self.timeline, results.player, results.verdict, results.shares, results.moments, results.emotions),
            *(results.sentiments, results.in_words, results.faces, results.transcript, results.evidence),
            *(results.exports_card, *(part for export in results.exports for part in export.parts)),
        ]

    @property
    def changing(self) -> list[gr.blocks.Block]:
        """All that an analysis changes."""
        return [
            *(self.again, self.start.card, *self.progress.changing, self.source, self.results.column),
            *self.corrected,
        ]


class Pages(NamedTuple):
    """What can be chosen in the masthead."""

    analyse: Page
    compare: ComparePage
    reactions: ReactionsPage


def lay_out(hours_kept: int, has_example: bool, model_card: Path | None, where: str = panels.LOCAL) -> Pages:
    """Put everything on the page; must be called within gr.Blocks."""
    html(panels.HEADER, elem_id="masthead")
    with gr.Tabs(elem_id="pages"):
        with gr.Tab("Analyse", elem_id="analyse-page"):
            analyse = _analyse_page(has_example)
        with gr.Tab("Compare", elem_id="compare-page"):
            compare = lay_out_compare()
        with gr.Tab("Reactions", elem_id="reactions-page"):
            reactions = lay_out_reactions()
    html(panels.footer(hours_kept, has_card=model_card is not None, where=where))
    if model_card is not None:
        with gr.Accordion("Model card", open=False, elem_id="model-card"):
            gr.Markdown(model_card.read_text(encoding="utf-8"))
    return Pages(analyse, compare, reactions)


def _analyse_page(has_example: bool) -> Page:
    again = gr.Button(
        "New analysis", visible=False, elem_classes="again", elem_id="again", scale=0, min_width=136, size="md"
    )
    desk = gr.HTML("<i></i>", js_on_load=DESK_SCRIPT, elem_id="desk", visible="hidden", apply_default_css=False)
    return Page(again, _start_card(has_example), progress_card(), _results(), gr.State(None), gr.State(None), desk)


def _start_card(has_example: bool) -> StartCard:
    with gr.Column(elem_id="start", elem_classes="card") as card:
        with gr.Tabs():
            with gr.Tab("Video or sound file"):
                # Any file at all: what it is, the decoder finds out, and says better than a list of endings.
                file = gr.File(label="Video or sound", show_label=False, elem_id="upload", height=180)
            with gr.Tab("Webcam"):
                webcam = gr.Video(
                    sources=["webcam"],
                    include_audio=True,
                    webcam_options=gr.WebcamOptions(mirror=False, constraints=WEBCAM_CONSTRAINTS),
                    label="Webcam",
                    show_label=False,
                    elem_id="webcam",
                )
        viewing = gr.Radio(VIEWING_CHOICES, value="speaking", label="Who is in the video?", elem_id="viewing")
        with gr.Row(elem_id="choices"):
            language = gr.Dropdown(languages(), value="auto", label="Spoken language", elem_id="language")
            example = gr.Button("Try the example", visible=has_example, elem_id="example", min_width=140)
            analyse = gr.Button("Analyse", variant="primary", elem_id="analyse", min_width=140)
        if has_example:
            html("<p class='note'>The example is synthetic: a public-domain portrait with computer voices.</p>")
    return StartCard(card, file, webcam, viewing, language, example, analyse)


def _results() -> Results:
    with gr.Column(elem_id="results", visible=False) as column:
        player, verdict, shares, moments = _top()
        emotions, sentiments, in_words = _timeline_card()
        faces = html(elem_id="faces")
        with gr.Row(elem_id="details"):
            with gr.Column(elem_classes="card", scale=11, min_width=320):
                transcript = html(elem_id="transcript")
                html(panels.CORRECTED_STATUS)
            with gr.Column(elem_classes="card", elem_id="why", scale=8, min_width=320):
                html(panels.WHY)
                evidence = html(elem_id="evidence")
        exports_card, exports = _exports_card()
    shown = (player, verdict, shares, moments, emotions, sentiments, in_words, faces, transcript, evidence)
    return Results(column, *shown, exports_card, exports)


def _top() -> tuple[gr.Video, gr.HTML, gr.HTML, gr.HTML]:
    """What is seen without scrolling: the player, the verdict, the strongest moments, and the live bars."""
    with gr.Row(elem_id="top"):
        with gr.Column(scale=11, min_width=320):
            with gr.Column(elem_classes=["card", "player-card"]):
                player = gr.Video(
                    interactive=False, show_label=False, label="Video", elem_id="player", buttons=[], container=False
                )
            with gr.Column(elem_classes=["card", "moments-card"]):
                html(panels.heading("Strongest moments", "click to go there"))
                moments = html(elem_id="moments")
        with gr.Column(scale=8, min_width=320):
            with gr.Column(elem_classes=["card", "verdict-card"]):
                verdict = html(elem_id="verdict")
                html(panels.heading("Share of certain time"))
                shares = html(elem_id="shares")
            with gr.Column(elem_classes=["card", "now-card"]):
                html(glance.live_bars(), elem_id="now")
    return player, verdict, shares, moments


def _timeline_card() -> tuple[gr.Plot, gr.Plot, gr.HTML]:
    with gr.Column(elem_classes="card", elem_id="timeline"):
        keys = '<span class="keys">, arrow keys step, space plays</span>'
        html(panels.heading("Emotion over time", f"click to go there{keys}"))
        html(panels.emotion_legend())
        emotions = gr.Plot(show_label=False, container=False, elem_id="emotion-plot")
        html(panels.heading("Sentiment", "positive above, negative below"))
        sentiments = gr.Plot(show_label=False, container=False, elem_id="sentiment-plot")
        html(panels.sentiment_legend())
        in_words = html(elem_id="in-words")
    return emotions, sentiments, in_words


def _exports_card() -> tuple[gr.Column, list[Export]]:
    """A button for each kind of file that there is, and what it is good for."""
    with gr.Column(elem_classes="card", elem_id="downloads", visible=False) as card:
        html(panels.heading("Take it with you"))
        with gr.Column(elem_id="exports"):
            exports = [_export(kind) for kind in EXPORT_KINDS]
    return card, exports


def _export(kind: ExportKind) -> Export:
    make = None
    with gr.Row(elem_classes="export") as row:
        if kind.slow:
            make = gr.Button(f"Make: {kind.label}", elem_id=f"make-{kind.key}", size="md", scale=0, min_width=210)
        download = gr.DownloadButton(
            kind.label, elem_id=f"download-{kind.key}", visible=not kind.slow, size="md", scale=0, min_width=210
        )
        html(f"<p class='note'>{escape(kind.help)}</p>")
    return Export(kind, row, make, download)
