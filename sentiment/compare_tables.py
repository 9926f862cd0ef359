"""A comparison as files: JSON with everything, CSV with a row per stretch of the shared axis.

Texts of files are written as `sentiment.tables` writes them; cells of what does not exist are empty, and null in JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sentiment.compare import CUT_LETTERS, Change, Comparison, Cut, WindowMean, comparison_headline
from sentiment.datatypes import Moment, Timeline
from sentiment.steps import NO_ANSWER, Cells
from sentiment.tables import csv_text, spreadsheet_safe, truth_cell
from sentiment.timeline_json import json_text, rounded_probability, rounded_time

SCHEMA_VERSION = "1.0"
"""Of comparison.json. The first number changes where a reader of the old files would break."""

POSITION_DIGITS = 6

SIDE_COLUMNS = ("start_seconds", "end_seconds", "segment", "top_emotion", "sentiment_score", "certain", "text")

COMPARISON_COLUMNS = (
    *("a_video", "b_video", "axis", "start", "end"),
    *(f"{letter.lower()}_{column}" for letter in CUT_LETTERS for column in SIDE_COLUMNS),
    *("difference", "both_certain"),
)


def comparison_csv(comparison: Comparison) -> str:
    """A row per cell of the axis, with the columns COMPARISON_COLUMNS; `start` and `end` are on the axis."""
    return csv_text(COMPARISON_COLUMNS, _comparison_rows(comparison))


def comparison_json(comparison: Comparison) -> str:
    """`comparison_to_dict` as text, with a line end."""
    return json_text(comparison_to_dict(comparison))


def comparison_to_dict(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain dicts, lists, strings and numbers; differences are B less A."""
    cells = comparison.cells
    difference = comparison.mean_difference
    return {
        "schema_version": SCHEMA_VERSION,
        "headline": comparison_headline(comparison),
        "axis": _axis(comparison),
        "cuts": [_cut_to_dict(cut) for cut in comparison.cuts],
        "mean_difference": score_cell(difference),
        "emotion_difference": {name: score_cell(value) for name, value in comparison.emotion_difference.items()},
        "changes": [_change_to_dict(change) for change in comparison.changes],
        "edges": [_position(edge) for edge in cells.edges],
        "sentiment_scores": [[score_cell(value) for value in row] for row in cells.scores.tolist()],
    }


def _axis(comparison: Comparison) -> str:
    return "relative" if comparison.is_relative else "seconds"


def _cut_to_dict(cut: Cut) -> dict[str, Any]:
    summary = cut.timeline.summary
    return {
        "name": cut.name,
        "duration_seconds": rounded_time(cut.timeline.duration_seconds),
        "mean": score_cell(summary.mean_sentiment_score),
        "opening": _window_to_dict(cut.opening),
        "ending": _window_to_dict(cut.ending),
        "strongest_positive": _moment_to_dict(summary.strongest_positive),
        "strongest_negative": _moment_to_dict(summary.strongest_negative),
        "emotion_share": {name: rounded_probability(share) for name, share in summary.emotion_share.items()},
        "certain_share": rounded_probability(summary.certain_share),
        "provenance": dict(cut.timeline.provenance),
    }


def _window_to_dict(window: WindowMean) -> dict[str, Any]:
    return {
        "start_seconds": rounded_time(window.start_seconds),
        "end_seconds": rounded_time(window.end_seconds),
        "mean": score_cell(window.sentiment_score),
        "certain_seconds": rounded_time(window.certain_seconds),
    }


def _moment_to_dict(moment: Moment | None) -> dict[str, Any] | None:
    if moment is None:
        return None
    return {"time_seconds": rounded_time(moment.time_seconds), "sentiment_score": score_cell(moment.sentiment_score)}


def _change_to_dict(change: Change) -> dict[str, Any]:
    return {
        "start": _position(change.start),
        "end": _position(change.end),
        "segments": list(change.segments),
        "starts_seconds": [rounded_time(seconds) for seconds in change.starts_seconds],
        "ends_seconds": [rounded_time(seconds) for seconds in change.ends_seconds],
        "sentiment_scores": [score_cell(score) for score in change.scores],
        "difference": score_cell(change.difference),
        "both_certain": change.certain,
    }


def _comparison_rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    cells = comparison.cells
    names = {
        f"{letter.lower()}_video": spreadsheet_safe(cut.name)
        for letter, cut in zip(CUT_LETTERS, comparison.cuts, strict=True)
    }
    for column in range(len(cells.lengths)):
        place = {"axis": _axis(comparison), "start": _position(cells.edges[column])}
        row = {**names, **place, "end": _position(cells.edges[column + 1])}
        for index, (letter, cut) in enumerate(zip(CUT_LETTERS, comparison.cuts, strict=True)):
            cell = _side_cells(cells, index, column, cut.timeline)
            row |= {f"{letter.lower()}_{name}": value for name, value in cell.items()}
        first, second = (score_cell(score) for score in cells.scores[:, column])
        if first is not None and second is not None:
            row["difference"] = rounded_probability(second - first)
            row["both_certain"] = truth_cell(bool(cells.certain[:, column].all()))
        yield row


def _side_cells(cells: Cells, row: int, column: int, timeline: Timeline) -> dict[str, Any]:
    """What one cut says in a cell; its times are those of the segment. Empty where it has no answer."""
    index = int(cells.segments[row, column])
    prediction = None if index == NO_ANSWER else timeline.segments[index]
    if prediction is None or prediction.affect is None:
        return {}
    segment = prediction.segment
    return {
        "start_seconds": rounded_time(segment.start_seconds),
        "end_seconds": rounded_time(segment.end_seconds),
        "segment": index,
        "top_emotion": prediction.affect.top_emotion,
        "sentiment_score": score_cell(prediction.affect.sentiment_score),
        "certain": truth_cell(prediction.certain),
        "text": spreadsheet_safe(segment.text),
    }


# ---------------------------------------------------------------- numbers


def _position(value: float) -> float:
    """A place on the axis: finer than a millisecond, for a share of an hour needs it."""
    return round(float(value), POSITION_DIGITS)


def score_cell(value: float | None) -> float | None:
    """A score with four digits; None for None and for NaN, which JSON does not know."""
    return None if value is None or value != value else rounded_probability(value)
