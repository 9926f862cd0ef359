"""Pieces that several of the pages are laid out from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from sentiment.studio import panels
from sentiment.studio.events import OFF_THE_API, SLOTS


@dataclass(frozen=True, slots=True)
class ProgressCard:
    """How far the analysis has come, and the way out of it."""

    card: gr.Row
    bars: gr.HTML
    cancel: gr.Button

    @property
    def changing(self) -> tuple[gr.blocks.Block, ...]:
        return self.card, self.bars

    @property
    def in_turn(self) -> dict[str, Any]:
        """How an analysis runs: until it is its turn, Gradio says on the card how many come first."""
        return {**SLOTS, **OFF_THE_API, "show_progress": "minimal", "show_progress_on": self.bars}


def progress_card(prefix: str = "") -> ProgressCard:
    """Hidden until something runs. Ids begin with the prefix: "running", "progress", "cancel"."""
    with gr.Row(elem_id=f"{prefix}running", elem_classes=["card", "running"], visible=False) as card:
        bars = html(elem_id=f"{prefix}progress", elem_classes="progress-bars")
        cancel = gr.Button("Cancel", elem_id=f"{prefix}cancel", scale=0, min_width=110)
    return ProgressCard(card, bars, cancel)


def downloads_card(title: str, files: tuple[tuple[str, str], ...]) -> list[gr.DownloadButton]:
    """A card with a button for each file, which get the ids "download-" and the file's name with a dash for its dot."""
    with gr.Column(elem_classes="card"):
        html(panels.heading(title))
        with gr.Row():
            return [
                gr.DownloadButton(label, elem_id=f"download-{name.replace('.', '-')}", size="md", min_width=160)
                for name, label in files
            ]


def drop(label: str, elem_id: str, many: bool = False) -> gr.File:
    """A place for a file, or for several, of any kind: what they are, the decoder finds out, and says better."""
    return gr.File(
        label=label, file_count="multiple" if many else "single", elem_id=elem_id, elem_classes="drop", height=150
    )


def html(content: str = "", elem_id: str | None = None, elem_classes: str | None = None) -> gr.HTML:
    """Gradio's HTML without its own looks."""
    return gr.HTML(content, elem_id=elem_id, elem_classes=elem_classes, apply_default_css=False)
