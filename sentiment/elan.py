"""A timeline as tiers for ELAN, the annotation tool of the Max Planck Institute (.eaf).

words                              what was said
translation                        the same in English, where that was read; no tier where nothing was translated
heard                              what was recognised there, where a person has corrected it; else no tier
emotion, sentiment                 the fused answer as a bare label, out of a controlled vocabulary
confidence                         the probability of the emotion, as a number
doubt                              what stands against an answer that is not certain; empty stretches are certain
disagreement                       which signals contradict each other
chosen face                        the number of the face that counts, where a person has chosen it; else no tier
emotion of words | voice | face    what each signal says by itself

The video is linked by its name: ELAN finds it in the folder of the .eaf, and asks where it is otherwise.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from typing import TYPE_CHECKING

from sentiment.captions import interval_ms
from sentiment.datatypes import SegmentPrediction, Timeline
from sentiment.disagreement import disagreement
from sentiment.doubt import doubt_about
from sentiment.labels import EMOTIONS, MODALITIES, MODALITY_NAMES, SENTIMENTS
from sentiment.plain_text import one_line, video_name
from sentiment.timeline import heard_words
from sentiment.timeline_json import rounded_probability

if TYPE_CHECKING:
    from pympi.Elan import Eaf

LANGUAGE = ("eng", "http://cdb.iso.org/lg/CDB-00138502-001", "English (eng)")
"""Of the labels: id, definition and name as ELAN itself writes them."""

LABEL_TYPES = {"emotion": EMOTIONS, "sentiment": SENTIMENTS}
"""The linguistic types whose annotations come out of a controlled vocabulary."""

UNKNOWN_MEDIA_TYPE = "unknown"
"""What ELAN calls a file whose ending it does not know."""


def eaf(timeline: Timeline) -> str:
    """The .eaf file as text: UTF-8 XML, as ELAN and pympi read it."""
    from pympi.Elan import Eaf, to_string

    document = Eaf(author="video-sentiment")
    document.remove_tier("default")
    document.adocument["DATE"] = timeline.provenance.get("created_at", document.adocument["DATE"])
    document.add_language(*LANGUAGE)
    for name, labels in LABEL_TYPES.items():
        _add_vocabulary(document, name, labels)
    _link(document, video_name(timeline))
    for tier, linguistic_type, value_of in _tiers(timeline):
        document.add_tier(tier, linguistic_type)
        for prediction in timeline.segments:
            if value := value_of(prediction):
                document.add_annotation(tier, *interval_ms(prediction), value)
    document.remove_property("lastUsedAnnotation")
    document.add_property("lastUsedAnnotation", document.maxaid)  # where ELAN goes on counting
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{to_string(document)}\n'


def _tiers(timeline: Timeline) -> list[tuple[str, str, Callable[[SegmentPrediction], str]]]:
    """(name, linguistic type, value of a segment, "" where it has none) of each tier, from top to bottom."""
    tiers: list[tuple[str, str, Callable[[SegmentPrediction], str]]] = [
        ("words", "default-lt", lambda p: one_line(p.segment.text)),
        ("emotion", "emotion", lambda p: p.affect.top_emotion if p.affect else ""),
        ("sentiment", "sentiment", lambda p: p.affect.top_sentiment if p.affect else ""),
        ("confidence", "default-lt", lambda p: str(rounded_probability(p.affect.confidence)) if p.affect else ""),
        ("doubt", "default-lt", lambda p: str(doubt_about(p) or "")),
        ("disagreement", "default-lt", lambda p: disagreement(p) or ""),
    ]
    if any(p.segment.translation for p in timeline.segments):
        tiers.insert(1, ("translation", "default-lt", lambda p: one_line(p.segment.translation)))
    if any(p.as_heard for p in timeline.segments):
        tiers.append(("heard", "default-lt", lambda p: one_line(" · ".join(filter(None, heard_words(p))))))
    if timeline.edits.faces:
        tiers.append(("chosen face", "default-lt", lambda p: "" if p.face_track is None else str(p.face_track)))
    for modality in MODALITIES:
        tiers.append((f"emotion of {MODALITY_NAMES[modality]}", "emotion", _emotion_of(modality)))
    return tiers


def _emotion_of(modality: str) -> Callable[[SegmentPrediction], str]:
    def value_of(prediction: SegmentPrediction) -> str:
        alone = prediction.alone(modality)
        return alone.top_emotion if alone else ""

    return value_of


def _add_vocabulary(document: Eaf, name: str, labels: tuple[str, ...]) -> None:
    document.add_controlled_vocabulary(name)
    document.add_cv_description(name, LANGUAGE[0], name)
    for label in labels:
        document.add_cv_entry(name, f"{name}-{label}", [(label, LANGUAGE[0], label)])
    document.add_linguistic_type(
        name,
        param_dict={
            "LINGUISTIC_TYPE_ID": name,
            "TIME_ALIGNABLE": "true",
            "GRAPHIC_REFERENCES": "false",
            "CONSTRAINTS": None,
            "CONTROLLED_VOCABULARY_REF": name,
        },
    )


def _link(document: Eaf, file_name: str) -> None:
    if file_name:
        media_type = mimetypes.guess_type(file_name)[0] or UNKNOWN_MEDIA_TYPE
        document.add_linked_file(f"./{file_name}", f"./{file_name}", media_type)
