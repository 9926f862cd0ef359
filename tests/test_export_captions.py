"""SRT and WebVTT: read by webvtt-py."""

from __future__ import annotations

import html
from dataclasses import replace
from pathlib import Path

import pytest
import webvtt
from export_timelines import HARM, full_prediction, full_timeline, hostile_timeline
from timelines import affect, sample_timeline

from sentiment.export import write_export

READERS = {"srt": webvtt.from_srt, "vtt": webvtt.read}


def captions(tmp_path: Path, timeline, key: str) -> list[webvtt.Caption]:
    write_export(timeline, key, tmp_path / f"captions.{key}")
    return READERS[key](tmp_path / f"captions.{key}").captions


@pytest.mark.parametrize("key", ["srt", "vtt"])
def test_a_cue_for_each_segment_that_has_something_to_say(tmp_path: Path, key: str) -> None:
    cues = captions(tmp_path, full_timeline(), key)
    assert [(cue.start, cue.end, cue.text) for cue in cues] == [
        ("00:00:00.000", "00:00:02.500", "joy 82% · Look at that!"),
        ("00:00:02.500", "00:00:04.000", "unsure: disgust or surprise · Oh no."),
        ("00:00:04.000", "00:00:06.000", "fear 60%"),
    ]


@pytest.mark.parametrize("key", ["srt", "vtt"])
def test_harm_stays_in_its_cue(tmp_path: Path, key: str) -> None:
    cues = captions(tmp_path, hostile_timeline(), key)
    assert len(cues) == len(HARM)
    for cue in cues:
        assert cue.text.startswith("joy 80% · ") and "\n" not in cue.text
        assert "<" not in cue.raw_text
    assert "😀, שלום" in cues[3].text and not {"\x07", "\x00", "\x1b"} & set(cues[3].text)
    if key == "vtt":
        assert html.unescape(cues[1].raw_text) == f"joy 80% · {HARM[1]}"


@pytest.mark.parametrize(("key", "sign"), [("srt", ","), ("vtt", ".")])
def test_times_go_past_an_hour_and_cues_have_a_length(tmp_path: Path, key: str, sign: str) -> None:
    segment = full_prediction(3723.0004, 3723.0006, "short", affect("joy", "positive"))
    write_export(replace(full_timeline(), segments=(segment,)), key, tmp_path / "captions")
    assert f"01:02:03{sign}000 --> 01:02:03{sign}001\n" in (tmp_path / "captions").read_text()


def test_srt_is_numbered_and_ends_with_an_empty_line(tmp_path: Path) -> None:
    write_export(sample_timeline(), "srt", tmp_path / "captions.srt")
    text = (tmp_path / "captions.srt").read_text(encoding="utf-8")
    blocks = text.removesuffix("\n\n").split("\n\n")
    assert text.endswith("\n\n")
    assert [block.split("\n")[0] for block in blocks] == [str(n) for n in range(1, 9)]
