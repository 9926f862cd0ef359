"""The timeline as JSON: the schema that programs read, and from which nothing that was found is missing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sentiment.datatypes import Affect, FaceBox, Moment, SegmentPrediction, Timeline
from sentiment.disagreement import disagreement
from sentiment.doubt import doubt_about
from sentiment.face_tracks import FaceTrack, list_faces
from sentiment.labels import EMOTIONS, MODALITIES, SENTIMENTS
from sentiment.timeline import headline

SCHEMA_VERSION = "1.3"
"""Of timeline.json. The first number changes where a reader of the old files would break."""

PROBABILITY_DIGITS = 4
"""Seven numbers rounded so are at most 3.5e-4 away from their sum, within PROBABILITY_TOLERANCE."""

TIME_DIGITS = 3
"""Milliseconds, as in WebVTT."""


def timeline_json(timeline: Timeline) -> str:
    """`timeline_to_dict` as text; see `json_text`."""
    return json_text(timeline_to_dict(timeline))


def json_text(content: Mapping[str, Any]) -> str:
    """The content as text, with a line end. Raises ValueError where a number is none (NaN, infinity)."""
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def timeline_to_dict(timeline: Timeline) -> dict[str, Any]:
    """The timeline as plain dicts, lists, strings and numbers, ready for JSON.

    Times are in seconds to the millisecond, probabilities have four digits and still sum to 1 within 1e-3,
    and what does not exist (an answer, a doubt, a modality, a face, a language, a correction) is None.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "video": dict(timeline.video),
        "labels": {"emotions": list(EMOTIONS), "sentiments": list(SENTIMENTS)},
        "language": timeline.language,
        "segments": [_segment_to_dict(prediction) for prediction in timeline.segments],
        "faces": [_face_to_dict(face) for face in list_faces(timeline)],
        "edits": timeline.edits.to_dict(),
        "summary": _summary_to_dict(timeline),
        "provenance": dict(timeline.provenance),
    }


def _segment_to_dict(prediction: SegmentPrediction) -> dict[str, Any]:
    segment, affect, doubt = prediction.segment, prediction.affect, doubt_about(prediction)
    return {
        "start_seconds": rounded_time(segment.start_seconds),
        "end_seconds": rounded_time(segment.end_seconds),
        "kind": segment.kind,
        "text": segment.text,
        "translation": segment.translation or None,
        "heard_text": prediction.as_heard.text if prediction.as_heard else None,
        "heard_translation": (prediction.as_heard.translation or None) if prediction.as_heard else None,
        "emotion": _distribution(EMOTIONS, affect.emotion) if affect else None,
        "sentiment": _distribution(SENTIMENTS, affect.sentiment) if affect else None,
        "top_emotion": affect.top_emotion if affect else None,
        "top_sentiment": affect.top_sentiment if affect else None,
        "certain": prediction.certain,
        "doubt": str(doubt) if doubt else None,
        "evidence": {modality: _affect_to_dict(prediction.alone(modality)) for modality in MODALITIES},
        "without": {modality: _affect_to_dict(answer_without(prediction, modality)) for modality in MODALITIES},
        "disagreement": disagreement(prediction),
        "face": [_box_to_dict(box) for box in prediction.face] or None,
        "face_track": prediction.face_track,
    }


def _face_to_dict(face: FaceTrack) -> dict[str, Any]:
    """A face that may be chosen. No picture: it would be the one thing in the file that shows who is in the video."""
    return {
        "track": face.track,
        "start_seconds": rounded_time(face.start_seconds),
        "end_seconds": rounded_time(face.end_seconds),
        "seconds_on_screen": rounded_time(face.seconds_on_screen),
        "segments": list(face.segments),
    }


def answer_without(prediction: SegmentPrediction, modality: str) -> Affect | None:
    """What the answer would be without this modality; None where it is absent anyway, or alone."""
    return prediction.without(modality) if prediction.alone(modality) else None


def _affect_to_dict(affect: Affect | None) -> dict[str, dict[str, float]] | None:
    if affect is None:
        return None
    return {
        "emotion": _distribution(EMOTIONS, affect.emotion),
        "sentiment": _distribution(SENTIMENTS, affect.sentiment),
    }


def _distribution(labels: tuple[str, ...], probabilities: tuple[float, ...]) -> dict[str, float]:
    return {label: rounded_probability(p) for label, p in zip(labels, probabilities, strict=True)}


def _box_to_dict(box: FaceBox) -> dict[str, float]:
    """Edges are fractions of the picture's width and height."""
    return {
        "time_seconds": rounded_time(box.time_seconds),
        **{edge: rounded_probability(getattr(box, edge)) for edge in ("left", "top", "right", "bottom", "confidence")},
    }


def _summary_to_dict(timeline: Timeline) -> dict[str, Any]:
    summary = timeline.summary
    score = summary.mean_sentiment_score
    return {
        "headline": headline(timeline),
        "duration_seconds": rounded_time(timeline.duration_seconds),
        "analysed_seconds": rounded_time(timeline.analysed_seconds),
        "emotion_share": {name: rounded_probability(share) for name, share in summary.emotion_share.items()},
        "mean_sentiment_score": None if score is None else rounded_probability(score),
        "strongest_positive": _moment_to_dict(summary.strongest_positive),
        "strongest_negative": _moment_to_dict(summary.strongest_negative),
        "speech_share": rounded_probability(summary.speech_share),
        "face_share": rounded_probability(summary.face_share),
        "answered_share": rounded_probability(summary.answered_share),
        "certain_share": rounded_probability(summary.certain_share),
        "unanswered_segments": summary.unanswered_segments,
    }


def _moment_to_dict(moment: Moment | None) -> dict[str, Any] | None:
    if moment is None:
        return None
    return {
        "segment_index": moment.segment_index,
        "time_seconds": rounded_time(moment.time_seconds),
        "sentiment_score": rounded_probability(moment.sentiment_score),
    }


def rounded_time(seconds: float) -> float:
    """Seconds to the millisecond, as every file has them."""
    return round(float(seconds), TIME_DIGITS)


def rounded_probability(value: float) -> float:
    """A probability or a share with PROBABILITY_DIGITS."""
    return round(float(value), PROBABILITY_DIGITS)
