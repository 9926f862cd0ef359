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
from sentiment.studio.faces_card import faces_card
from sentiment.studio.layout import Page

CANCELLED = "Cancelled: what was done until then is kept."


def shown(page: Page, timeline: Timeline) -> Updates:
    """The results of a timeline that still grows. Nothing can be put right in it: what follows would undo that."""
    results = page.results
    return {
        page.timeline: timeline,
        results.column: gr.update(visible=True),
        results.faces: "",
        **_answers(page, timeline),
        results.transcript: panels.transcript(timeline),
        results.evidence: evidence(timeline, with_pictures=False),
    }


def settled(page: Page, timeline: Timeline) -> Updates:
    """The results of a timeline that grows no more: with pictures, and ready to be corrected."""
    results = page.results
    return {
        page.timeline: timeline,
        results.faces: faces_card(timeline),
        **_answers(page, timeline, note="" if timeline.is_complete else CANCELLED),
        results.transcript: panels.transcript(timeline, is_settled=True),
        results.evidence: evidence(timeline, with_pictures=True),
    }


def finished(page: Page, timeline: Timeline, source: Path) -> Updates:
    """The end of an analysis: its results, captions, and files to take along."""
    return {
        page.progress.card: gr.update(visible=False),
        page.again: gr.update(visible=True),
        **settled(page, timeline),
        **offer_exports(page, timeline, source),
    }


def _answers(page: Page, timeline: Timeline, note: str = "") -> Updates:
    results = page.results
    return {
        results.verdict: glance.verdict(timeline, note),
        results.shares: glance.shares(timeline),
        results.moments: glance.strongest_moments(timeline),
        results.emotions: emotion_figure(timeline, show_legend=False),
        results.sentiments: sentiment_figure(timeline, show_legend=False),
        results.in_words: panels.in_words(timeline),
    }
