"""A timeline in all parts of the page: while it grows, when it is done, and after each correction."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from sentiment.datatypes import Timeline
from sentiment.figures import emotion_figure, sentiment_figure
from sentiment.studio import glance, panels
from sentiment.studio.events import Updates
from sentiment.studio.evidence import evidence
from sentiment.studio.exports import offer_exports
from sentiment.studio.layout import Page


def shown(page: Page, timeline: Timeline, note: str = "") -> Updates:
    """The results of a timeline, finished or not."""
    results = page.results
    return {
        page.timeline: timeline,
        results.column: gr.update(visible=True),
        results.verdict: glance.verdict(timeline, note),
        results.shares: glance.shares(timeline),
        results.moments: glance.strongest_moments(timeline),
        results.emotions: emotion_figure(timeline, show_legend=False),
        results.sentiments: sentiment_figure(timeline, show_legend=False),
        results.in_words: panels.in_words(timeline),
        results.transcript: panels.transcript(timeline),
        results.evidence: evidence(timeline, with_pictures=False),
    }


def finished(page: Page, timeline: Timeline, source: Path) -> Updates:
    """Pictures in the evidence, captions, and files to take along."""
    return {
        page.progress.card: gr.update(visible=False),
        page.again: gr.update(visible=True),
        page.results.evidence: evidence(timeline, with_pictures=True),
        **offer_exports(page, timeline, source),
    }
