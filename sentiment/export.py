"""A timeline as files: JSON for programs, CSV for spreadsheets, WebVTT for players.

Each file appears whole or not at all: it is written beside its place and then renamed.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sentiment.datatypes import Affect, FaceBox, Moment, SegmentPrediction, Timeline
from sentiment.doubt import doubt_about
from sentiment.errors import SettingsError
from sentiment.labels import EMOTIONS, MODALITIES, SENTIMENTS
from sentiment.timeline import format_percent, headline

SCHEMA_VERSION = "1.1"
"""Of timeline.json. The first number changes where a reader of the old files would break."""

PROBABILITY_DIGITS = 4
"""Seven numbers rounded so are at most 3.5e-4 away from their sum, within PROBABILITY_TOLERANCE."""

TIME_DIGITS = 3
"""Milliseconds, as in WebVTT."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A spreadsheet runs a cell that starts with one of these (OWASP, "CSV Injection")."""

FILE_NAMES = {"json": "timeline.json", "csv": "segments.csv", "vtt": "captions.vtt"}


# ---------------------------------------------------------------- JSON


def timeline_to_dict(timeline: Timeline) -> dict[str, Any]:
    """The timeline as plain dicts, lists, strings and numbers, ready for JSON.

    Times are in seconds to the millisecond, probabilities have four digits and still sum to 1 within 1e-3,
    and what does not exist (an answer, a doubt, a modality, a face, a language) is None.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "video": dict(timeline.video),
        "labels": {"emotions": list(EMOTIONS), "sentiments": list(SENTIMENTS)},
        "language": timeline.language,
        "segments": [_segment_to_dict(prediction) for prediction in timeline.segments],
        "summary": _summary_to_dict(timeline),
        "provenance": dict(timeline.provenance),
    }


def _segment_to_dict(prediction: SegmentPrediction) -> dict[str, Any]:
    segment, affect, doubt = prediction.segment, prediction.affect, doubt_about(prediction)
    return {
        "start_seconds": _time(segment.start_seconds),
        "end_seconds": _time(segment.end_seconds),
        "kind": segment.kind,
        "text": segment.text,
        "emotion": _distribution(EMOTIONS, affect.emotion) if affect else None,
        "sentiment": _distribution(SENTIMENTS, affect.sentiment) if affect else None,
        "top_emotion": affect.top_emotion if affect else None,
        "top_sentiment": affect.top_sentiment if affect else None,
        "certain": prediction.certain,
        "doubt": str(doubt) if doubt else None,
        "evidence": {modality: _affect_to_dict(prediction.alone(modality)) for modality in MODALITIES},
        "face": [_box_to_dict(box) for box in prediction.face] or None,
    }


def _affect_to_dict(affect: Affect | None) -> dict[str, dict[str, float]] | None:
    if affect is None:
        return None
    return {
        "emotion": _distribution(EMOTIONS, affect.emotion),
        "sentiment": _distribution(SENTIMENTS, affect.sentiment),
    }


def _distribution(labels: tuple[str, ...], probabilities: tuple[float, ...]) -> dict[str, float]:
    return {label: _probability(p) for label, p in zip(labels, probabilities, strict=True)}


def _box_to_dict(box: FaceBox) -> dict[str, float]:
    """Edges are fractions of the picture's width and height."""
    return {
        "time_seconds": _time(box.time_seconds),
        **{edge: _probability(getattr(box, edge)) for edge in ("left", "top", "right", "bottom", "confidence")},
    }


def _summary_to_dict(timeline: Timeline) -> dict[str, Any]:
    summary = timeline.summary
    score = summary.mean_sentiment_score
    return {
        "headline": headline(timeline),
        "duration_seconds": _time(timeline.duration_seconds),
        "analysed_seconds": _time(timeline.analysed_seconds),
        "emotion_share": {name: _probability(share) for name, share in summary.emotion_share.items()},
        "mean_sentiment_score": None if score is None else _probability(score),
        "strongest_positive": _moment_to_dict(summary.strongest_positive),
        "strongest_negative": _moment_to_dict(summary.strongest_negative),
        "speech_share": _probability(summary.speech_share),
        "face_share": _probability(summary.face_share),
        "answered_share": _probability(summary.answered_share),
        "certain_share": _probability(summary.certain_share),
        "unanswered_segments": summary.unanswered_segments,
    }


def _moment_to_dict(moment: Moment | None) -> dict[str, Any] | None:
    if moment is None:
        return None
    return {
        "segment_index": moment.segment_index,
        "time_seconds": _time(moment.time_seconds),
        "sentiment_score": _probability(moment.sentiment_score),
    }


def _time(seconds: float) -> float:
    return round(float(seconds), TIME_DIGITS)


def _probability(value: float) -> float:
    return round(float(value), PROBABILITY_DIGITS)


def _json_text(timeline: Timeline) -> str:
    return json.dumps(timeline_to_dict(timeline), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


# ---------------------------------------------------------------- CSV


def _csv_text(timeline: Timeline) -> str:
    """One row per segment; cells of what does not exist are empty."""
    emotion_columns = [f"emotion_{name}" for name in EMOTIONS]
    sentiment_columns = [f"sentiment_{name}" for name in SENTIMENTS]
    leading = ["start_seconds", "end_seconds", "kind", "text", "top_emotion", "top_sentiment", "certain", "doubt"]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, leading + emotion_columns + sentiment_columns)
    writer.writeheader()
    for prediction in timeline.segments:
        row = _segment_to_dict(prediction)
        cells = {name: row[name] for name in leading}
        cells |= {f"emotion_{name}": p for name, p in (row["emotion"] or {}).items()}
        cells |= {f"sentiment_{name}": p for name, p in (row["sentiment"] or {}).items()}
        cells["text"] = _spreadsheet_safe(row["text"])
        cells["certain"] = "true" if prediction.certain else "false"
        writer.writerow(cells)
    return buffer.getvalue()


def _spreadsheet_safe(text: str) -> str:
    """The text, behind an apostrophe where a spreadsheet would otherwise run it as a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text


# ---------------------------------------------------------------- WebVTT


def _vtt_text(timeline: Timeline) -> str:
    """A cue per answered segment: "joy 82% · Look at that!", or what is doubtful: "unsure: joy or surprise · …"."""
    cues = ["WEBVTT"]
    for prediction in timeline.segments:
        caption = _caption(prediction)
        if caption:
            segment = prediction.segment
            start_ms = round(segment.start_seconds * 1000)
            end_ms = max(round(segment.end_seconds * 1000), start_ms + 1)  # a cue must end after it starts
            cues.append(f"{_vtt_time(start_ms)} --> {_vtt_time(end_ms)}\n{caption}")
    return "\n\n".join(cues) + "\n"


def _caption(prediction: SegmentPrediction) -> str:
    affect, doubt = prediction.affect, doubt_about(prediction)
    answer = str(doubt or "")
    if affect and not doubt:
        answer = f"{affect.top_emotion} {format_percent(affect.confidence)}"
    # A line break would end the cue, and "-->" or "<" would be read as markup.
    words = " ".join(prediction.segment.text.split())
    words = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " · ".join(part for part in (answer, words) if part)


def _vtt_time(milliseconds: int) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{milliseconds:03d}"


# ---------------------------------------------------------------- files


def write_json(timeline: Timeline, path: Path | str) -> None:
    """Write `timeline_to_dict` as UTF-8 JSON. Raises SettingsError where the file cannot be written."""
    _write_whole({Path(path): _json_text(timeline)})


def write_csv(timeline: Timeline, path: Path | str) -> None:
    """Write one flat row per segment as UTF-8 CSV. Raises SettingsError where the file cannot be written."""
    _write_whole({Path(path): _csv_text(timeline)})


def write_vtt(timeline: Timeline, path: Path | str) -> None:
    """Write emotion captions as WebVTT. Raises SettingsError where the file cannot be written."""
    _write_whole({Path(path): _vtt_text(timeline)})


def write_all(timeline: Timeline, folder: Path | str) -> dict[str, Path]:
    """Write timeline.json, segments.csv and captions.vtt into `folder`, which is made if need be.

    Returns their paths under "json", "csv" and "vtt". Raises SettingsError where they cannot be written.
    """
    paths = {kind: Path(folder) / name for kind, name in FILE_NAMES.items()}
    texts = {"json": _json_text(timeline), "csv": _csv_text(timeline), "vtt": _vtt_text(timeline)}
    _write_whole({paths[kind]: texts[kind] for kind in paths})
    return paths


def _write_whole(texts: Mapping[Path, str]) -> None:
    """Write all files of one folder beside their places first, and rename them only when all are whole."""
    folder = next(iter(texts)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as unfinished:
            for path, text in texts.items():
                (Path(unfinished) / path.name).write_text(text, encoding="utf-8", newline="")
            for path in texts:
                (Path(unfinished) / path.name).replace(path)
    except OSError as error:
        names = ", ".join(path.name for path in texts)
        raise SettingsError(f"Cannot write {names} into {folder}: {error.strerror or error}.") from error
