"""The probes of whole videos: flat sentences over faces labelled neutral, and the example video."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sentiment.checkpoint import Checkpoint
from sentiment.datatypes import Affect, SegmentPrediction
from sentiment.labels import MODALITIES
from sentiment.pipeline import LoadedModels, analyze_video
from train.probe_media import NEUTRAL_SENTENCES, SAMPLE_RATE_HZ, VOICES, find_neutral_faces, say, write_reading

logger = logging.getLogger(__name__)

EXAMPLE_VIDEO: Final = Path(__file__).resolve().parents[1] / "assets" / "example.mp4"

READERS: Final = 12
SENTENCES_EACH: Final = 8
"""Twelve faces, each with a voice, read eight sentences each: every sentence is read four times."""


def probe_neutral_reading(
    models: LoadedModels, data_folder: Path, readers: int = READERS, sentences_each: int = SENTENCES_EACH
) -> dict[str, Any]:
    """What the whole path makes of flat sentences, read by synthetic voices over still faces labelled neutral.

    Each reader is a video of one face and one voice. Every segment of speech is an answer that a person
    would see, and is counted, for each modality alone and for all together ("fused"): how often it is
    neutral, how often certain, and how often certain and not neutral, which is the number that matters.
    "certain_and_not_neutral" lists these.

    Raises DataError where FER-2013 or espeak-ng is absent.
    """
    faces = find_neutral_faces(data_folder, readers)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for reader, (key, picture) in enumerate(faces):
            numbers = range(reader * sentences_each, (reader + 1) * sentences_each)
            sentences = [NEUTRAL_SENTENCES[number % len(NEUTRAL_SENTENCES)] for number in numbers]
            voice = VOICES[reader % len(VOICES)]
            video = Path(folder) / f"{reader}.mp4"
            spans = write_reading(video, picture, [say(sentence, voice, SAMPLE_RATE_HZ) for sentence in sentences])
            for prediction in analyze_video(video, models).segments:
                if prediction.segment.kind == "speech":
                    sentence = sentences[_most_overlapped(prediction, spans)]
                    row = {"face": key, "voice": voice.name, "sentence": sentence}
                    rows.append({**row, **describe(models.checkpoint, prediction)})
            logger.info("probe: reader %d of %d analysed", reader + 1, readers)
    return {
        "sentences_read": readers * sentences_each,
        "segments": len(rows),
        "segments_with_face": sum(row["answers"]["video"] is not None for row in rows),
        "answers": {source: _tally(rows, source) for source in (*MODALITIES, "fused")},
        "certain_and_not_neutral": [
            {name: row[name] for name in ("face", "voice", "sentence", "text")} | {"from": source, **answer}
            for source in (*MODALITIES, "fused")
            for row in rows
            if (answer := row["answers"][source]) is not None and _is_false_claim(answer)
        ],
    }


def probe_example(models: LoadedModels) -> list[dict[str, Any]]:
    """The example video's segments in order, as `describe` gives them."""
    return [describe(models.checkpoint, prediction) for prediction in analyze_video(EXAMPLE_VIDEO, models).segments]


def describe(checkpoint: Checkpoint, prediction: SegmentPrediction) -> dict[str, Any]:
    """A segment with its answers from each modality alone and from all together ("fused"); None where absent."""
    answers = {
        modality: _answer(affect, checkpoint.calibration.calls_certain(affect, (modality,)))
        for modality in MODALITIES
        if (affect := prediction.alone(modality)) is not None
    }
    if prediction.affect is not None:
        answers["fused"] = _answer(prediction.affect, prediction.certain)
    segment = prediction.segment
    return {
        "start_seconds": round(segment.start_seconds, 2),
        "end_seconds": round(segment.end_seconds, 2),
        "kind": segment.kind,
        "text": segment.text,
        "answers": {source: answers.get(source) for source in (*MODALITIES, "fused")},
    }


def _answer(affect: Affect, certain: bool) -> dict[str, Any]:
    return {
        "emotion": affect.top_emotion,
        "sentiment": affect.top_sentiment,
        "confidence": round(affect.confidence, 3),
        "certain": certain,
    }


def _is_false_claim(answer: dict[str, Any]) -> bool:
    return answer["certain"] and answer["emotion"] != "neutral"


def _tally(rows: Sequence[dict[str, Any]], source: str) -> dict[str, Any]:
    """Counts over the answers that this source gave."""
    given = [row["answers"][source] for row in rows if row["answers"][source] is not None]
    return {
        "n": len(given),
        "neutral": sum(answer["emotion"] == "neutral" for answer in given),
        "certain": sum(answer["certain"] for answer in given),
        "certain_and_not_neutral": sum(map(_is_false_claim, given)),
        "emotions": dict(Counter(answer["emotion"] for answer in given).most_common()),
    }


def _most_overlapped(prediction: SegmentPrediction, spans: Sequence[tuple[float, float]]) -> int:
    """Which of the spans, (start, end) in seconds, the segment shares most time with."""
    segment = prediction.segment
    shared = [min(segment.end_seconds, end) - max(segment.start_seconds, start) for start, end in spans]
    return max(range(len(spans)), key=shared.__getitem__)
