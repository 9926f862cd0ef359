"""A timeline from its record, so that what was analysed once can be compared without analysing it again.

What a record does not hold is empty in the timeline: pictures, features, and the faces one could have chosen.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sentiment.datatypes import Affect, FaceBox, ModalitySubset, Segment, SegmentPrediction, Timeline
from sentiment.errors import SettingsError
from sentiment.labels import EMOTIONS, MODALITIES, SENTIMENTS
from sentiment.repeat import edits_of, read_record
from sentiment.timeline import summarize

JSON_STARTS = (b"{", b"[")


def is_record(path: Path | str) -> bool:
    """Whether a file is a timeline.json or a bundle by its content, and not a video or sound file.

    A bundle is a zip with a timeline.json in it. A file that cannot be opened is none.
    """
    path = Path(path)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as bundle:
                return "timeline.json" in bundle.namelist()
        with path.open("rb") as file:
            return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(JSON_STARTS)
    except (OSError, NotImplementedError, zipfile.BadZipFile):
        return False


def read_timeline(path: Path | str) -> Timeline:
    """The timeline in a timeline.json or in a bundle. Its summary is computed anew from the segments.

    Raises:
        SettingsError: the file is neither, has other labels, or what it says cannot be.
    """
    path = Path(path)
    record = read_record(path)
    labels = record.get("labels")
    if labels != {"emotions": list(EMOTIONS), "sentiments": list(SENTIMENTS)}:
        raise SettingsError(f"{path.name} has other labels than this version: {json.dumps(labels)[:200]}.")
    try:
        json.dumps(record, allow_nan=False)
        segments = tuple(_segment(values) for values in record["segments"])
        duration_seconds = float(record["summary"]["duration_seconds"])
        if duration_seconds <= 0:
            raise ValueError(f"a duration of {duration_seconds} s")
        return Timeline(
            duration_seconds=duration_seconds,
            video=dict(record["video"]),
            segments=segments,
            summary=summarize(segments, duration_seconds),
            provenance=dict(record["provenance"]),
            language=record["language"],
            analysed_seconds=float(record["summary"]["analysed_seconds"]),
            edits=edits_of(record),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise SettingsError(f"{path.name} is no timeline that this version can read: {error!r}.") from error


def _segment(values: Mapping[str, Any]) -> SegmentPrediction:
    segment = Segment(
        *(values["start_seconds"], values["end_seconds"], values["kind"]),
        *(str(values["text"]), str(values.get("translation") or "")),
    )
    affect = _affect(values)
    alone = {modality: _affect(values["evidence"][modality]) for modality in MODALITIES}
    without = {modality: _affect(values["without"][modality]) for modality in MODALITIES}
    present = tuple(modality for modality in MODALITIES if alone[modality] is not None)
    evidence: dict[ModalitySubset, Affect | None] = {(modality,): answer for modality, answer in alone.items()}
    evidence |= {tuple(m for m in present if m != modality): answer for modality, answer in without.items()}
    evidence[present] = affect
    return SegmentPrediction(
        segment,
        affect,
        evidence={subset: answer for subset, answer in evidence.items() if subset and answer is not None},
        certain=bool(values["certain"]),
        face=tuple(FaceBox(**box) for box in values["face"] or ()),
        presence=(alone["text"] is not None, alone["audio"] is not None, alone["video"] is not None),
        face_track=values.get("face_track"),
    )


def _affect(values: Mapping[str, Any] | None) -> Affect | None:
    """An answer from its two distributions; None where there was none."""
    if values is None or values["emotion"] is None:
        return None
    emotion, sentiment = values["emotion"], values["sentiment"]
    return Affect(tuple(emotion[name] for name in EMOTIONS), tuple(sentiment[name] for name in SENTIMENTS))
