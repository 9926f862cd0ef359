"""Reactions as files: JSON with everything, CSV of the mean over time, and CSV of each viewer's answers.

Texts of files are written as `sentiment.tables` writes them; cells of what does not exist are empty, and null in JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sentiment.compare_tables import score_cell
from sentiment.datatypes import Affect
from sentiment.plain_text import one_line, video_name
from sentiment.reactions import ReactionMoment, Reactions, Recording, ViewerMean, reactions_headline
from sentiment.tables import PROBABILITY_COLUMNS, csv_text, probability_cells, spreadsheet_safe, truth_cell
from sentiment.timeline_json import json_text, rounded_probability, rounded_time

SCHEMA_VERSION = "1.0"
"""Of reactions.json. The first number changes where a reader of the old files would break."""

REACTION_COLUMNS = ("stimulus", "start_seconds", "end_seconds", "viewers", "certain_viewers", "mean", "deviation")

VIEWER_COLUMNS = (
    *("stimulus", "viewer", "recording", "start_seconds", "end_seconds", "sentiment_score", "top_emotion", "certain"),
    *PROBABILITY_COLUMNS,
)


def reactions_csv(reactions: Reactions) -> str:
    """A row per cell of the stimulus's time, with the columns REACTION_COLUMNS."""
    return csv_text(REACTION_COLUMNS, _reaction_rows(reactions))


def viewers_csv(reactions: Reactions) -> str:
    """A row per viewer and answer, on the stimulus's time, with the columns VIEWER_COLUMNS: for pandas and R."""
    return csv_text(VIEWER_COLUMNS, _viewer_rows(reactions))


def reactions_json(reactions: Reactions) -> str:
    """`reactions_to_dict` as text, with a line end."""
    return json_text(reactions_to_dict(reactions))


def reactions_to_dict(reactions: Reactions) -> dict[str, Any]:
    """The reactions as plain dicts, lists, strings and numbers; times are those of the stimulus."""
    return {
        "schema_version": SCHEMA_VERSION,
        "headline": reactions_headline(reactions),
        "stimulus": _stimulus_name(reactions) or None,
        "duration_seconds": rounded_time(reactions.duration_seconds),
        "mean": score_cell(reactions.overall_mean),
        "deviation": score_cell(reactions.overall_deviation),
        "highest": _reaction_moment_to_dict(reactions.highest),
        "lowest": _reaction_moment_to_dict(reactions.lowest),
        "most_divided": _reaction_moment_to_dict(reactions.most_divided),
        "viewers": [
            _viewer_to_dict(recording, viewer)
            for recording, viewer in zip(reactions.recordings, reactions.viewer_means, strict=True)
        ],
        "moments": list(_moment_rows(reactions)),
    }


def _stimulus_name(reactions: Reactions) -> str:
    return "" if reactions.stimulus is None else one_line(video_name(reactions.stimulus))


def _viewer_to_dict(recording: Recording, viewer: ViewerMean) -> dict[str, Any]:
    return {
        "name": viewer.name,
        "stimulus_start_seconds": rounded_time(recording.stimulus_start_seconds),
        "duration_seconds": rounded_time(recording.timeline.duration_seconds),
        "mean": score_cell(viewer.mean),
        "answered_share": rounded_probability(viewer.answered_share),
        "certain_share": rounded_probability(viewer.certain_share),
        "provenance": dict(recording.timeline.provenance),
    }


def _reaction_moment_to_dict(moment: ReactionMoment | None) -> dict[str, Any] | None:
    if moment is None:
        return None
    return {
        "start_seconds": rounded_time(moment.start_seconds),
        "end_seconds": rounded_time(moment.end_seconds),
        "mean": score_cell(moment.mean),
        "deviation": score_cell(moment.deviation),
        "viewers": moment.viewers,
        "emotions": dict(moment.emotions),
    }


def _moment_rows(reactions: Reactions) -> Iterator[dict[str, Any]]:
    """What the viewers do in each cell; None where there is no number."""
    cells = reactions.cells
    for column, (start, end) in enumerate(zip(cells.edges[:-1], cells.edges[1:], strict=True)):
        yield {
            "start_seconds": rounded_time(start),
            "end_seconds": rounded_time(end),
            "viewers": int(reactions.viewers[column]),
            "certain_viewers": int(cells.certain[:, column].sum()),
            "mean": score_cell(reactions.mean[column]),
            "deviation": score_cell(reactions.deviation[column]),
        }


def _reaction_rows(reactions: Reactions) -> Iterator[dict[str, Any]]:
    name = spreadsheet_safe(_stimulus_name(reactions))
    for row in _moment_rows(reactions):
        known = {key: value for key, value in row.items() if value is not None}
        yield {"stimulus": name, **known}


def _viewer_rows(reactions: Reactions) -> Iterator[dict[str, Any]]:
    stimulus = spreadsheet_safe(_stimulus_name(reactions))
    for number, recording in enumerate(reactions.recordings, start=1):
        place = {"stimulus": stimulus, "viewer": number, "recording": spreadsheet_safe(recording.name)}
        for prediction in recording.timeline.segments:
            start = max(0.0, prediction.segment.start_seconds - recording.stimulus_start_seconds)
            end = min(reactions.duration_seconds, prediction.segment.end_seconds - recording.stimulus_start_seconds)
            if end <= start:
                continue
            row = {**place, "start_seconds": rounded_time(start), "end_seconds": rounded_time(end)}
            if prediction.affect is not None:
                row |= _answer_cells(prediction.affect, prediction.certain)
            yield row


def _answer_cells(affect: Affect, certain: bool) -> dict[str, Any]:
    return {
        "sentiment_score": score_cell(affect.sentiment_score),
        "top_emotion": affect.top_emotion,
        "certain": truth_cell(certain),
        **probability_cells(affect),
    }
