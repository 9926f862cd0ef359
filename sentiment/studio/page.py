"""The page: what is on it, and what each button does.

Models are passed by hand into the closures below; everything else that an analysis needs lives in its
generator, so visitors share nothing but weights.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr

from sentiment.datatypes import Timeline
from sentiment.errors import SentimentError
from sentiment.export import timeline_to_dict, write_all
from sentiment.figures import emotion_figure, sentiment_figure
from sentiment.pipeline import LoadedModels, analyze_video
from sentiment.studio import panels
from sentiment.studio.session import Session, follow_analysis, languages, settings_for
from sentiment.studio.theme import make_theme

ASSETS = Path(__file__).resolve().parents[2] / "assets"
EXAMPLE = ASSETS / "example.mp4"

HOURS_KEPT = 1
SWEEP_SECONDS = 600
"""How often files that are older than HOURS_KEPT are looked for."""

SIMULTANEOUS_ANALYSES = 2
"""More would only make each slower: one analysis already keeps the cores of a small machine busy."""

MAX_WAITING = 20

Updates = dict[Any, Any]
"""What changes on the page: component → its new value or gr.update."""


def build_studio(models: LoadedModels) -> gr.Blocks:
    """The whole app, ready to be launched with `launch_options()`."""
    with gr.Blocks(
        title="Video sentiment",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(SWEEP_SECONDS, HOURS_KEPT * 3600),
    ) as demo:
        page = SimpleNamespace()
        with gr.Row(elem_id="masthead"):
            _html(panels.HEADER)
            page.again = gr.Button("Analyse another", visible=False, elem_id="again", scale=0, min_width=170, size="md")
        _add_start(page)
        _add_progress(page)
        _add_results(page)
        _add_footer(models)
        _connect(page, models)
        _add_endpoint(page, models)
    return demo.queue(max_size=MAX_WAITING)


def launch_options() -> dict[str, Any]:
    """The arguments of `launch` that belong to the page itself: its looks, its script, its privacy."""
    return {
        "theme": make_theme(),
        "css": (ASSETS / "studio.css").read_text(encoding="utf-8"),
        "head": f"<script>{(ASSETS / 'studio.js').read_text(encoding='utf-8')}</script>",
        "footer_links": [],
        "run_history": False,  # would keep faces in the visitors' browsers
        "allowed_paths": [str(EXAMPLE)],
    }


# ---------------------------------------------------------------- what is on the page


def _html(content: str = "", elem_id: str | None = None) -> gr.HTML:
    return gr.HTML(content, elem_id=elem_id, apply_default_css=False)


def _add_start(page: SimpleNamespace) -> None:
    with gr.Column(elem_id="start", elem_classes="card") as page.start:
        with gr.Tabs():
            with gr.Tab("Video or sound file"):
                page.file = gr.File(label="Video or sound", show_label=False, elem_id="upload", height=180)
            with gr.Tab("Webcam"):
                page.webcam = gr.Video(
                    sources=["webcam"],
                    include_audio=True,
                    # A mirrored recording would be turned by a system ffmpeg.
                    webcam_options=gr.WebcamOptions(mirror=False),
                    label="Webcam",
                    show_label=False,
                    elem_id="webcam",
                )
        with gr.Row(elem_id="choices"):
            page.language = gr.Dropdown(
                languages(), value="auto", label="Spoken language", elem_id="language", min_width=180
            )
            page.example = gr.Button("Try the example", visible=EXAMPLE.exists(), elem_id="example", min_width=140)
            page.analyse = gr.Button("Analyse", variant="primary", elem_id="analyse", min_width=140)


def _add_progress(page: SimpleNamespace) -> None:
    with gr.Row(elem_id="running", elem_classes="card", visible=False) as page.running:
        page.progress = _html(elem_id="progress")
        page.cancel = gr.Button("Cancel", elem_id="cancel", scale=0, min_width=110)


def _add_results(page: SimpleNamespace) -> None:
    page.timeline = gr.State(None)
    with gr.Column(elem_id="results", visible=False) as page.results:
        with gr.Row(elem_id="top"):
            with gr.Column(elem_classes="card", scale=11, min_width=320):
                page.player = gr.Video(
                    interactive=False, show_label=False, label="Video", elem_id="player", buttons=[], container=False
                )
            with gr.Column(scale=8, min_width=320):
                with gr.Column(elem_classes=["card", "verdict-card"]):
                    page.verdict = _html(elem_id="verdict")
                with gr.Column(elem_classes="card"):
                    _html(panels.heading("Share of time"))
                    page.shares = _html(elem_id="shares")
        with gr.Column(elem_classes="card", elem_id="timeline"):
            _html(panels.heading("Emotion over time", "click to go there"))
            page.emotions = gr.Plot(show_label=False, container=False, elem_id="emotion-plot")
            _html(panels.emotion_legend())
            _html(panels.heading("Sentiment", "positive above, negative below"))
            page.sentiments = gr.Plot(show_label=False, container=False, elem_id="sentiment-plot")
            _html(panels.sentiment_legend())
            page.in_words = _html(elem_id="in-words")
        with gr.Column(elem_classes="card"):
            _html(panels.heading("Transcript", "click a line to go there"))
            page.transcript = _html(elem_id="transcript")
        with gr.Column(elem_classes="card", elem_id="downloads", visible=False) as page.downloads_card:
            _html(panels.heading("Take it with you"))
            with gr.Row():
                page.downloads = {
                    "json": gr.DownloadButton("Timeline (JSON)", elem_id="download-json"),
                    "csv": gr.DownloadButton("Segments (CSV)", elem_id="download-csv"),
                    "vtt": gr.DownloadButton("Captions (VTT)", elem_id="download-vtt"),
                }


def _add_footer(models: LoadedModels) -> None:
    _html(panels.footer(HOURS_KEPT))
    card = models.checkpoint.folder / "MODEL_CARD.md"
    if card.is_file():
        with gr.Accordion("Model card", open=False, elem_id="model-card"):
            gr.Markdown(card.read_text(encoding="utf-8"))


# ---------------------------------------------------------------- what the buttons do


def _connect(page: SimpleNamespace, models: LoadedModels) -> None:
    """Wire the buttons. None of these events is part of the API."""
    hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    outputs = _outputs(page)

    def run(upload: str | None, recording: str | None, language: str) -> Iterator[Updates]:
        source = upload or recording
        if source is None:
            raise gr.Error("Choose a video or sound file first, or record one with the webcam.", print_exception=False)
        yield from _analyse(page, models, Path(source), language)

    def run_example(language: str) -> Iterator[Updates]:
        yield from _analyse(page, models, EXAMPLE, language)

    inputs = [page.file, page.webcam, page.language]
    limits: dict[str, Any] = {"concurrency_limit": SIMULTANEOUS_ANALYSES, "concurrency_id": "analysis"}
    runs = [
        page.analyse.click(run, inputs, outputs, **limits, **hidden),
        page.example.click(run_example, [page.language], outputs, **limits, **hidden),
    ]

    def keep_what_is_done(timeline: Timeline | None) -> Iterator[Updates]:
        yield from _after_cancel(page, timeline)

    page.cancel.click(None, cancels=runs, queue=False, **hidden).then(
        keep_what_is_done, [page.timeline], outputs, **hidden
    )
    page.again.click(lambda: _fresh_page(page), None, [*outputs, page.file, page.webcam], queue=False, **hidden)
    # The newest of the two is what "Analyse" means.
    page.file.upload(lambda: None, None, [page.webcam], queue=False, **hidden)
    page.webcam.stop_recording(lambda: None, None, [page.file], queue=False, **hidden)


def _outputs(page: SimpleNamespace) -> list[Any]:
    panes = (page.start, page.running, page.again, page.results, page.downloads_card)
    texts = (page.progress, page.verdict, page.shares, page.in_words, page.transcript)
    return [*panes, *texts, page.timeline, page.player, page.emotions, page.sentiments, *page.downloads.values()]


def _analyse(page: SimpleNamespace, models: LoadedModels, path: Path, language: str) -> Iterator[Updates]:
    """Fill the page as the analysis goes on; closing this generator cancels it."""
    session = Session(path.name)
    yield {**_cleared(page), page.progress: panels.progress(session)}
    with tempfile.TemporaryDirectory(prefix="analysis-") as folder:
        try:
            for event in follow_analysis(path, models, settings_for(language), Path(folder)):
                results = _filled(page, session) if session.take(event) else {}
                yield {**results, page.progress: panels.progress(session)}
        except SentimentError as error:
            yield {page.start: gr.update(visible=True), page.running: gr.update(visible=False)}
            raise _as_message(error) from error
    if session.timeline is not None:
        yield from _finished(page, session.timeline)


def _cleared(page: SimpleNamespace) -> Updates:
    """The page of an analysis that has just begun."""
    return {
        page.start: gr.update(visible=False),
        page.running: gr.update(visible=True),
        page.again: gr.update(visible=False),
        page.results: gr.update(visible=False),
        page.downloads_card: gr.update(visible=False),
        page.timeline: None,
    }


def _filled(page: SimpleNamespace, session: Session) -> Updates:
    """The results so far. The player is told again each time: what reaches it before it is shown may get lost."""
    if session.timeline is None:
        return {}
    player = {} if session.playable is None else {page.player: str(session.playable)}
    return {**player, **_shown(page, session.timeline)}


def _shown(page: SimpleNamespace, timeline: Timeline, note: str = "") -> Updates:
    """The page of a timeline, finished or not."""
    return {
        page.results: gr.update(visible=True),
        page.timeline: timeline,
        page.verdict: panels.verdict(timeline, note),
        page.shares: panels.shares(timeline),
        page.emotions: emotion_figure(timeline, show_legend=False),
        page.sentiments: sentiment_figure(timeline, show_legend=False),
        page.in_words: panels.in_words(timeline),
        page.transcript: panels.transcript(timeline),
    }


def _finished(page: SimpleNamespace, timeline: Timeline) -> Iterator[Updates]:
    """Captions and downloads. Gradio takes its own copies as they are yielded; ours go at once."""
    with tempfile.TemporaryDirectory(prefix="exports-") as folder:
        files = write_all(timeline, Path(folder))
        yield {
            page.running: gr.update(visible=False),
            page.again: gr.update(visible=True),
            page.downloads_card: gr.update(visible=True),
            page.player: gr.update(subtitles=str(files["vtt"])),
            **{button: str(files[kind]) for kind, button in page.downloads.items()},
        }


def _after_cancel(page: SimpleNamespace, timeline: Timeline | None) -> Iterator[Updates]:
    """What is done is kept; where nothing is, the page is as before."""
    if timeline is None:
        yield {page.start: gr.update(visible=True), page.running: gr.update(visible=False)}
        return
    yield _shown(page, timeline, note="Cancelled: what was done until then is kept.")
    yield from _finished(page, timeline)


def _fresh_page(page: SimpleNamespace) -> Updates:
    return {
        **_cleared(page),
        page.start: gr.update(visible=True),
        page.running: gr.update(visible=False),
        page.file: None,
        page.webcam: None,
        page.player: gr.update(value=None, subtitles=None),
    }


def _as_message(error: SentimentError) -> gr.Error:
    """Gradio shows messages as HTML, and this one may quote a file's name."""
    return gr.Error(escape(str(error), quote=False), duration=None, title="That did not work", print_exception=False)


# ---------------------------------------------------------------- the endpoint


def _add_endpoint(page: SimpleNamespace, models: LoadedModels) -> None:
    """/analyze: a file in, timeline.json out. Bound to components, so that Gradio checks the file's path."""

    def analyze(file: str, language: str = "auto") -> dict[str, Any]:
        """Analyse a video or sound file; returns its timeline as JSON."""
        try:
            if file is None:
                raise gr.Error("No file was given.", print_exception=False)
            return timeline_to_dict(analyze_video(file, models, settings_for(language)))
        except SentimentError as error:
            raise _as_message(error) from error

    button = gr.Button(visible=False)
    answer = gr.JSON(visible=False)
    button.click(
        analyze,
        [page.file, page.language],
        answer,
        api_name="analyze",
        concurrency_limit=SIMULTANEOUS_ANALYSES,
        concurrency_id="analysis",
    )
