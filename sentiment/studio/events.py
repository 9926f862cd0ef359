"""What all of the page's events share: how they run, what they return, and how they fail."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias

import gradio as gr

from sentiment.errors import SentimentError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from sentiment.pipeline import LoadedModels

PromisedModels: TypeAlias = "Future[LoadedModels]"
"""The models, which may still be loading: the page is there before them, and an analysis waits for them."""

HOURS_KEPT = 1
"""How long a visitor's files stay on the machine that runs the page."""

SWEEP_SECONDS = 600
"""How often files that are older are looked for."""

SLOTS: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "analysis"}
"""Two analyses at a time; one already keeps the cores of a small machine busy, more would only slow all down."""

OFF_THE_API: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

AT_ONCE: dict[str, Any] = {"queue": False, **OFF_THE_API}
"""For what takes no time and cannot fail: of an error outside of the queue the visitor would be told nothing."""

MESSAGE_SECONDS = 30
"""Long enough to read two lines and look back at the file."""

Updates = dict[Any, Any]
"""What changes on the page: component → its new value or gr.update."""


def as_message(error: SentimentError) -> gr.Error:
    """Gradio shows messages as HTML, and this one may quote a file's name."""
    return gr.Error(escape(str(error), quote=False), duration=MESSAGE_SECONDS, print_exception=False)
