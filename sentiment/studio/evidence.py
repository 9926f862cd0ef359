"""What the page's script knows of a timeline: one JSON text in a hidden element, written anew with each timeline.

With it the script shows the moment that is played and what its answer rests on, and asks the server nothing.
"""

from __future__ import annotations

import base64
import json
from html import escape
from typing import Any

from sentiment.datatypes import Affect, SegmentPrediction, Timeline
from sentiment.disagreement import disagreement
from sentiment.doubt import doubt_about
from sentiment.labels import EMOTION_COLOURS, EMOTIONS, MODALITIES, MODALITY_NAMES, SENTIMENT_COLOURS, SENTIMENTS
from sentiment.timeline import format_clock

PROBABILITY_DIGITS = 3
"""Enough for whole per cent, and for bars."""

TIME_DIGITS = 3
"""Milliseconds, as in the transcript's rows."""


def evidence(timeline: Timeline, with_pictures: bool) -> str:
    """The hidden element: `data-timeline` holds the JSON, escaped for the attribute.

    A timeline that still grows goes without pictures: it is sent again with every batch, and they are most of it.
    """
    content = json.dumps(_to_dict(timeline, with_pictures), allow_nan=False)
    return f'<div hidden data-timeline="{escape(content)}"></div>'


def thumbnail_source(thumbnail: bytes) -> str:
    """A JPEG as the source of an `<img>`, in the page itself."""
    return f"data:image/jpeg;base64,{base64.b64encode(thumbnail).decode('ascii')}"


def _to_dict(timeline: Timeline, with_pictures: bool) -> dict[str, Any]:
    """Which analysis it is of, labels with their colours, and all segments."""
    return {
        "language": timeline.language,
        "analysis": timeline.provenance.get("created_at"),
        "emotions": [[name, EMOTION_COLOURS[name]] for name in EMOTIONS],
        "sentiments": [[name, SENTIMENT_COLOURS[name]] for name in SENTIMENTS],
        "signals": list(MODALITY_NAMES.values()),
        "segments": [_segment(prediction, with_pictures) for prediction in timeline.segments],
    }


def _segment(prediction: SegmentPrediction, with_pictures: bool) -> dict[str, Any]:
    """One segment. Answers are {"emotion": (7,), "sentiment": (3,)} in the order of the labels, or null."""
    segment, heard, thumbnail = prediction.segment, prediction.as_heard, prediction.thumbnail
    return {
        "start": round(segment.start_seconds, TIME_DIGITS),
        "end": round(segment.end_seconds, TIME_DIGITS),
        "when": f"{format_clock(segment.start_seconds)} – {format_clock(segment.end_seconds)}",
        "kind": segment.kind,
        "text": segment.text,
        "translation": segment.translation,
        "heard": None if heard is None else {"text": heard.text, "translation": heard.translation},
        "answer": _answer(prediction.affect),
        "state": _state(prediction),
        "alone": {MODALITY_NAMES[m]: _answer(prediction.alone(m)) for m in MODALITIES},
        "without": {MODALITY_NAMES[m]: _answer(prediction.without(m)) for m in MODALITIES if prediction.alone(m)},
        "disagreement": disagreement(prediction),
        "picture": thumbnail_source(thumbnail) if thumbnail is not None and with_pictures else None,
        "has_face": bool(prediction.face),
    }


def _answer(affect: Affect | None) -> dict[str, list[float]] | None:
    if affect is None:
        return None
    return {
        "emotion": [round(p, PROBABILITY_DIGITS) for p in affect.emotion],
        "sentiment": [round(p, PROBABILITY_DIGITS) for p in affect.sentiment],
    }


def _state(prediction: SegmentPrediction) -> str:
    """How far the answer may be trusted, in words: "certain", "unsure: joy or surprise", "no answer"."""
    if prediction.affect is None:
        return "no answer"
    return str(doubt_about(prediction) or "certain")
