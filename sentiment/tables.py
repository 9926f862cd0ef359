"""A timeline as CSV: a row per segment for spreadsheets, and the long form for pandas and R.

segments.csv    one row per segment: the fused answer, a column per label
answers.csv     one row per segment, source and label: what each signal says, and what would be said without it

Both carry `video` and `segment` (counted from 0), so that files of several videos can be put below each other
and merged. Cells of what does not exist are empty: pandas and R read them as missing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from sentiment.datatypes import Affect, SegmentPrediction, Timeline
from sentiment.disagreement import disagreement
from sentiment.doubt import doubt_about
from sentiment.labels import EMOTIONS, MODALITIES, MODALITY_NAMES, SENTIMENTS
from sentiment.plain_text import video_name, without_control_characters
from sentiment.timeline import heard_words
from sentiment.timeline_json import answer_without, rounded_probability, rounded_time

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""A spreadsheet runs a cell that starts with one of these (OWASP, "CSV Injection")."""

PLACE_COLUMNS = ("video", "segment", "start_seconds", "end_seconds", "kind")
"""What every row begins with: where it belongs."""

PROBABILITY_COLUMNS = (*(f"emotion_{name}" for name in EMOTIONS), *(f"sentiment_{name}" for name in SENTIMENTS))

SEGMENT_COLUMNS = (
    *PLACE_COLUMNS,
    *("text", "translation", "heard_text", "heard_translation"),
    *("top_emotion", "top_sentiment", "certain", "doubt", "disagreement", "face_track"),
    *PROBABILITY_COLUMNS,
)

ANSWER_COLUMNS = (*PLACE_COLUMNS, "certain", "source", "answer", "label", "probability", "is_top")

SOURCES = (
    "fused",
    *(MODALITY_NAMES[modality] for modality in MODALITIES),
    *(f"without_{MODALITY_NAMES[modality]}" for modality in MODALITIES),
)
"""Who answers in the long form: all signals together, each by itself, and the others without it."""


def segments_csv(timeline: Timeline) -> str:
    """One row per segment, with the columns SEGMENT_COLUMNS."""
    return csv_text(SEGMENT_COLUMNS, segment_rows(timeline))


def segment_rows(timeline: Timeline) -> Iterator[dict[str, Any]]:
    """The cells of `segments_csv`, a dict per row; what does not exist is missing or empty, and truths are texts."""
    return (_segment_row(place, p) for place, p in _places(timeline))


def answers_csv(timeline: Timeline) -> str:
    """One row per segment, source and label, with the columns ANSWER_COLUMNS.

    A source that was not there, such as the voice of a silent segment, has no rows. "fused" has always its ten;
    where nothing could be read their probability is empty.
    """
    return csv_text(ANSWER_COLUMNS, (row for place, p in _places(timeline) for row in _answer_rows(place, p)))


def _places(timeline: Timeline) -> Iterator[tuple[dict[str, Any], SegmentPrediction]]:
    video = spreadsheet_safe(video_name(timeline))
    for index, prediction in enumerate(timeline.segments):
        segment = prediction.segment
        times = (rounded_time(segment.start_seconds), rounded_time(segment.end_seconds))
        yield dict(zip(PLACE_COLUMNS, (video, index, *times, segment.kind), strict=True)), prediction


def _segment_row(place: Mapping[str, Any], prediction: SegmentPrediction) -> dict[str, Any]:
    affect, doubt = prediction.affect, doubt_about(prediction)
    heard_text, heard_translation = heard_words(prediction)
    row = {
        **place,
        "text": spreadsheet_safe(prediction.segment.text),
        "translation": spreadsheet_safe(prediction.segment.translation),
        "heard_text": spreadsheet_safe(heard_text),
        "heard_translation": spreadsheet_safe(heard_translation),
        "certain": truth_cell(prediction.certain),
        "doubt": str(doubt or ""),
        "disagreement": disagreement(prediction) or "",
        "face_track": "" if prediction.face_track is None else prediction.face_track,
    }
    if affect is not None:
        row |= {"top_emotion": affect.top_emotion, "top_sentiment": affect.top_sentiment, **probability_cells(affect)}
    return row


def probability_cells(affect: Affect) -> dict[str, float]:
    """What stands in PROBABILITY_COLUMNS for an answer."""
    probabilities = (*affect.emotion, *affect.sentiment)
    return {name: rounded_probability(p) for name, p in zip(PROBABILITY_COLUMNS, probabilities, strict=True)}


def _answer_rows(place: Mapping[str, Any], prediction: SegmentPrediction) -> Iterator[dict[str, Any]]:
    certain = truth_cell(prediction.certain)
    answers = (
        prediction.affect,
        *(prediction.alone(modality) for modality in MODALITIES),
        *(answer_without(prediction, modality) for modality in MODALITIES),
    )
    for source, affect in zip(SOURCES, answers, strict=True):
        if affect is not None or source == "fused":
            for cells in _label_cells(affect):
                yield {**place, "certain": certain, "source": source, **cells}


def _label_cells(affect: Affect | None) -> Iterator[dict[str, Any]]:
    """What the ten labels of an answer say; without an answer, their names alone."""
    for answer, labels in (("emotion", EMOTIONS), ("sentiment", SENTIMENTS)):
        values: tuple[float, ...] = getattr(affect, answer, ())
        top = getattr(affect, f"top_{answer}", None)
        for label, value in zip_longest(labels, values):
            cells = {"answer": answer, "label": label}
            if value is not None:
                cells |= {"probability": rounded_probability(value), "is_top": truth_cell(label == top)}
            yield cells


def truth_cell(value: bool) -> str:
    """As pandas and R read it."""
    return "true" if value else "false"


def spreadsheet_safe(text: str) -> str:
    """The text without control characters, behind an apostrophe where a spreadsheet would run it as a formula."""
    text = without_control_characters(text)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows with a heading, as text; a cell that a row does not have is empty. Texts have to be `spreadsheet_safe`."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
