"""The studio: the Gradio page on which a video goes in and its timeline comes out. Only this package knows Gradio."""

from __future__ import annotations

from sentiment.studio.login import Login
from sentiment.studio.page import build_studio, launch_options

__all__ = ["Login", "build_studio", "launch_options"]
