"""ELAN: read by pympi, and by an XML parser where it matters what is in the file exactly."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from export_timelines import HARM, PROVENANCE, full_timeline, hostile_timeline
from pympi.Elan import Eaf

from sentiment.datatypes import Timeline
from sentiment.export import write_export
from sentiment.labels import EMOTIONS, SENTIMENTS


def read(tmp_path: Path, timeline: Timeline) -> Eaf:
    write_export(timeline, "eaf", tmp_path / "timeline.eaf")
    return Eaf(tmp_path / "timeline.eaf")


def test_a_tier_for_each_thing_a_researcher_asks_for(tmp_path: Path) -> None:
    eaf = read(tmp_path, full_timeline())
    assert list(eaf.get_tier_names()) == [
        *("words", "emotion", "sentiment", "confidence", "doubt", "disagreement"),
        *("emotion of words", "emotion of voice", "emotion of face"),
    ]
    assert eaf.get_annotation_data_for_tier("words") == [(0, 2500, "Look at that!"), (2500, 4000, "Oh no.")]
    assert eaf.get_annotation_data_for_tier("emotion") == [
        (0, 2500, "joy"), (2500, 4000, "disgust"), (4000, 6000, "fear"),
    ]  # fmt: skip
    assert eaf.get_annotation_data_for_tier("confidence")[0] == (0, 2500, "0.82")
    assert eaf.get_annotation_data_for_tier("doubt") == [(2500, 4000, "unsure: disgust or surprise")]
    assert eaf.get_annotation_data_for_tier("disagreement")[0] == (0, 2500, "words and face disagree")
    assert {value for *_, value in eaf.get_annotation_data_for_tier("emotion of words")} == {"anger"}
    assert eaf.get_annotation_data_for_tier("emotion of face")[-1] == (4000, 6000, "fear")


def test_labels_come_out_of_a_vocabulary(tmp_path: Path) -> None:
    eaf = read(tmp_path, full_timeline())
    for name, labels in (("emotion", EMOTIONS), ("sentiment", SENTIMENTS)):
        assert eaf.get_parameters_for_linguistic_type(name)["CONTROLLED_VOCABULARY_REF"] == name
        assert eaf.get_parameters_for_tier(name)["LINGUISTIC_TYPE_REF"] == name
        assert tuple(values[0][0] for values, _ in eaf.get_cv_entries(name).values()) == labels


def test_the_video_is_linked_and_the_clock_is_the_analysis(tmp_path: Path) -> None:
    eaf = read(tmp_path, full_timeline())
    (linked,) = eaf.get_linked_files()
    assert linked["RELATIVE_MEDIA_URL"] == "./talk.mp4" and linked["MIME_TYPE"] == "video/mp4"
    assert eaf.adocument["DATE"] == PROVENANCE["created_at"]


def test_ids_are_unique_and_the_last_one_is_said(tmp_path: Path) -> None:
    eaf = read(tmp_path, full_timeline())
    numbers = [int(name[1:]) for name in eaf.annotations]
    assert len(numbers) == len(set(numbers)) and max(numbers) == int(dict(eaf.get_properties())["lastUsedAnnotation"])


def test_harm_stays_in_its_annotation(tmp_path: Path) -> None:
    eaf = read(tmp_path, hostile_timeline())
    words = [value for *_, value in eaf.get_annotation_data_for_tier("words")]
    assert len(words) == len(HARM) and words[1] == HARM[1]
    assert words[3] == "bell , null , escape , mark , half , whole 😀, שלום"
    ElementTree.parse(tmp_path / "timeline.eaf")  # no control characters, which XML may not hold


@pytest.mark.parametrize("name", ["", "notes.unknown"])
def test_a_file_of_no_known_kind(tmp_path: Path, name: str) -> None:
    from dataclasses import replace

    eaf = read(tmp_path, replace(full_timeline(), video={"name": name}))
    assert [linked["MIME_TYPE"] for linked in eaf.get_linked_files()] == (["unknown"] if name else [])
