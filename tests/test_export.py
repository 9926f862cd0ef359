from __future__ import annotations

import csv
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from timelines import doubtful_timeline, sample_timeline

from sentiment.datatypes import Affect, FaceBox, Segment, SegmentPrediction, Timeline
from sentiment.errors import SettingsError
from sentiment.export import EXPORT_KINDS, export_kinds, possible_kinds, timeline_to_dict, write_all, write_export
from sentiment.labels import EMOTIONS, SENTIMENTS
from sentiment.timeline import summarize

THIRDS = (1 / 3, 1 / 3, 1 / 3)
SEVENTHS = (1 / 7,) * 7
JOY = Affect((0.01, 0.01, 0.01, 0.82, 0.05, 0.05, 0.05), (0.05, 0.1, 0.85))
FACES = (FaceBox(0.1, 0.2, 0.3, 0.4, 0.987654, 0.5), FaceBox(0.1, 0.2, 0.3, 0.4, 0.9, 1.0))


def speech(start: float, end: float, text: str, affect: Affect = JOY, certain: bool = True) -> SegmentPrediction:
    evidence = {("text",): Affect(SEVENTHS, THIRDS), ("audio",): JOY, ("text", "audio"): affect}
    segment = Segment(start, end, "speech", text)
    return SegmentPrediction(segment, affect, evidence, certain, FACES, presence=(True, True, False))


@pytest.fixture
def timeline() -> Timeline:
    segments = (
        speech(0.123456, 2.5, "Look at that!"),
        speech(2.5, 4.0, '=HYPERLINK("http://example.org","x")', Affect(SEVENTHS, THIRDS), certain=False),
        speech(4.0, 6.0, "A <b>bold</b> --> move & more,\n\nreally “yes” – déjà vu"),
        SegmentPrediction(Segment(6.0, 10.0, "silent"), None),
    )
    video = {"name": "talk.mp4", "width": 640, "height": 360}
    return Timeline(10.0, video, segments, summarize(segments, 10.0), {"package": "0"}, "en", 10.0)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_dict_survives_json_and_names_everything(timeline: Timeline) -> None:
    data = timeline_to_dict(timeline)
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert list(data) == [
        *("schema_version", "video", "labels", "language", "segments", "faces", "edits", "summary", "provenance")
    ]
    assert data["schema_version"] == "1.3"
    assert data["labels"] == {"emotions": list(EMOTIONS), "sentiments": list(SENTIMENTS)}
    first = data["segments"][0]
    assert set(first) == {
        *("start_seconds", "end_seconds", "kind", "text", "emotion", "sentiment", "top_emotion", "top_sentiment"),
        *("certain", "doubt", "evidence", "without", "disagreement", "face", "face_track"),
        *("translation", "heard_text", "heard_translation"),
    }
    assert first["start_seconds"] == 0.123
    assert (first["top_emotion"], first["top_sentiment"], first["certain"]) == ("joy", "positive", True)
    assert set(first["evidence"]) == {"text", "audio", "video"}
    assert first["evidence"]["video"] is None
    assert set(first["evidence"]["text"]) == {"emotion", "sentiment"}
    assert first["face"][0] == {
        "time_seconds": 0.5, "left": 0.1, "top": 0.2, "right": 0.3, "bottom": 0.4, "confidence": 0.9877,
    }  # fmt: skip


def test_rounded_distributions_still_sum_to_one(timeline: Timeline) -> None:
    for segment in timeline_to_dict(timeline)["segments"]:
        answers = [segment, *(e for e in segment["evidence"].values() if e)]
        for answer in answers:
            if answer["emotion"] is not None:
                assert sum(answer["emotion"].values()) == pytest.approx(1, abs=1e-3)
                assert sum(answer["sentiment"].values()) == pytest.approx(1, abs=1e-3)


def test_what_was_not_answered_is_null(timeline: Timeline) -> None:
    silent = timeline_to_dict(timeline)["segments"][-1]
    assert silent["kind"] == "silent" and silent["text"] == ""
    for key in ("emotion", "sentiment", "top_emotion", "top_sentiment", "face"):
        assert silent[key] is None
    assert set(silent["evidence"].values()) == {None}


def test_summary_carries_the_headline_and_the_moments(timeline: Timeline) -> None:
    summary = timeline_to_dict(timeline)["summary"]
    assert summary["headline"].endswith(".")
    assert summary["strongest_positive"]["segment_index"] == 0
    assert summary["strongest_negative"] is None  # the one negative answer is not certain
    assert summary["emotion_share"] == {**dict.fromkeys(EMOTIONS, 0), "joy": 1}
    assert summary["unanswered_segments"] == 1
    assert summary["answered_share"] == pytest.approx(0.5877, abs=1e-4)


def test_a_doubt_is_in_every_file_in_the_same_words(tmp_path: Path) -> None:
    files = write_all(sample_timeline(), tmp_path)
    segments = json.loads(files["json"].read_text(encoding="utf-8"))["segments"]
    doubts = [segment["doubt"] for segment in segments]
    assert doubts == [*[None] * 6, "unsure: disgust or surprise", None, "mixed: joy, but negative"]
    assert [row["doubt"] for row in read_rows(files["csv"])] == [doubt or "" for doubt in doubts]
    captions = files["vtt"].read_text(encoding="utf-8")
    assert "\nunsure: disgust or surprise · There is mold" in captions
    assert "\nmixed: joy, but negative · How lovely" in captions
    assert captions.count("unsure") == captions.count("mixed") == 1


def test_where_nothing_is_certain_the_summary_has_no_moods(tmp_path: Path) -> None:
    files = write_all(doubtful_timeline(), tmp_path)
    summary = json.loads(files["json"].read_text(encoding="utf-8"))["summary"]
    assert summary["headline"] == "No answer is certain enough to name a mood."
    assert summary["emotion_share"] == {}
    assert summary["mean_sentiment_score"] is None
    assert summary["strongest_positive"] is None and summary["strongest_negative"] is None
    assert (summary["answered_share"], summary["certain_share"]) == (0.8, 0)


def test_csv_rows(timeline: Timeline, tmp_path: Path) -> None:
    write_export(timeline, "csv", tmp_path / "segments.csv")
    rows = read_rows(tmp_path / "segments.csv")
    assert len(rows) == 4
    assert [row["kind"] for row in rows] == ["speech", "speech", "speech", "silent"]
    assert rows[0]["certain"] == "true" and rows[1]["certain"] == "false"
    assert float(rows[0]["emotion_joy"]) == 0.82 and float(rows[0]["sentiment_positive"]) == 0.85
    assert rows[2]["text"] == timeline.segments[2].segment.text  # line breaks, quotes and all
    assert rows[3]["emotion_joy"] == rows[3]["top_emotion"] == ""


@pytest.mark.parametrize("text", ["=1+1", "+49", "-2", "@SUM(A1)", "\t=1", "\r=1", "  =1"])
def test_csv_cells_are_no_formulas(timeline: Timeline, tmp_path: Path, text: str) -> None:
    segments = (speech(0, 1, text),)
    write_export(replace(timeline, segments=segments), "csv", tmp_path / "segments.csv")
    assert read_rows(tmp_path / "segments.csv")[0]["text"] == f"'{text}"


def test_vtt_is_valid_and_escaped(timeline: Timeline, tmp_path: Path) -> None:
    write_export(timeline, "vtt", tmp_path / "captions.vtt")
    header, *cues = (tmp_path / "captions.vtt").read_text(encoding="utf-8").strip().split("\n\n")
    assert header == "WEBVTT"
    assert len(cues) == 3  # what has neither answer nor words has no cue
    for cue in cues:
        timing, caption = cue.split("\n")
        assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} --> \d\d:\d\d:\d\d\.\d{3}", timing)
        assert "-->" not in caption and "<" not in caption
    assert cues[0] == "00:00:00.123 --> 00:00:02.500\njoy 82% · Look at that!"
    assert cues[1].split("\n")[1].startswith("unsure: anger or disgust · ")
    assert "A &lt;b&gt;bold&lt;/b&gt; --&gt; move &amp; more, really “yes” – déjà vu" in cues[2]


def test_vtt_times_go_past_an_hour(timeline: Timeline, tmp_path: Path) -> None:
    write_export(replace(timeline, segments=(speech(3723.0004, 3723.0006, "short"),)), "vtt", tmp_path / "captions.vtt")
    assert "01:02:03.000 --> 01:02:03.001" in (tmp_path / "captions.vtt").read_text()


def test_write_all_makes_the_folder_and_nothing_else(timeline: Timeline, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "er"
    paths = write_all(timeline, folder)
    assert {kind: path.name for kind, path in paths.items()} == {
        "json": "timeline.json", "csv": "segments.csv", "vtt": "captions.vtt",
    }  # fmt: skip
    assert sorted(p.name for p in folder.iterdir()) == ["captions.vtt", "segments.csv", "timeline.json"]
    assert json.loads(paths["json"].read_text(encoding="utf-8")) == timeline_to_dict(timeline)
    write_all(timeline, folder)  # again, over the old ones
    assert len(list(folder.iterdir())) == 3


def test_a_timeline_that_cannot_be_written_leaves_nothing(timeline: Timeline, tmp_path: Path) -> None:
    broken = replace(timeline, provenance={"loss": float("nan")})
    with pytest.raises(ValueError):
        write_all(broken, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_failed_rename_leaves_no_temporary_files(timeline: Timeline, tmp_path: Path) -> None:
    (tmp_path / "timeline.json").mkdir()  # a folder where the file should go
    with pytest.raises(SettingsError, match=re.escape("timeline.json")):
        write_export(timeline, "json", tmp_path / "timeline.json")
    assert [p.name for p in tmp_path.iterdir()] == ["timeline.json"]


def test_a_file_in_place_of_the_folder_is_one_sentence(timeline: Timeline, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("here already")
    with pytest.raises(SettingsError, match="Cannot write"):
        write_all(timeline, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "here already"


def test_files_get_the_usual_permissions(timeline: Timeline, tmp_path: Path) -> None:
    umask = os.umask(0o022)
    try:
        paths = write_all(timeline, tmp_path / "out")
    finally:
        os.umask(umask)
    assert {path.stat().st_mode & 0o777 for path in paths.values()} == {0o644}


# ---------------------------------------------------------------- the table of kinds


def test_kinds_are_told_apart_and_said_in_short() -> None:
    for field in ("key", "label", "help", "file_name"):
        values = [getattr(kind, field) for kind in EXPORT_KINDS]
        assert len(set(values)) == len(values) and all(values)
    for kind in EXPORT_KINDS:
        assert kind.ending.startswith(".") and "/" in kind.media_type and len(kind.label) <= 24
        assert kind.help.endswith(".") and len(kind.help) <= 80
    assert {kind.key for kind in EXPORT_KINDS if kind.slow} == {"mp4", "zip"}


def test_kinds_come_in_one_order_and_unknown_ones_are_named() -> None:
    assert [kind.key for kind in export_kinds(["vtt", "json", "vtt"])] == ["json", "vtt"]
    assert export_kinds(["all"]) == EXPORT_KINDS
    with pytest.raises(SettingsError, match=r"no format 'docx'; the formats are json, csv, .*, zip, or all"):
        export_kinds(["json", "docx"])


def test_every_quick_kind_is_written(timeline: Timeline, tmp_path: Path) -> None:
    quick = [kind for kind in EXPORT_KINDS if not kind.slow]
    paths = write_all(timeline, tmp_path, [kind.key for kind in quick])
    assert [path.name for path in paths.values()] == [kind.file_name for kind in quick]
    assert all(path.stat().st_size for path in paths.values())


def test_sound_alone_has_no_video_to_annotate(timeline: Timeline, tmp_path: Path) -> None:
    assert "mp4" in [kind.key for kind in possible_kinds(timeline)]
    sound = replace(timeline, video={"name": "talk.wav", "width": None})
    assert "mp4" not in [kind.key for kind in possible_kinds(sound)]
    assert "mp4" not in write_all(sound, tmp_path, ["all"])


def test_an_annotated_video_needs_the_file(timeline: Timeline, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="name the file"):
        write_all(timeline, tmp_path / "out", ["json", "mp4"])
    assert not (tmp_path / "out").exists()


def test_progress_is_that_of_all_files(timeline: Timeline, small_video: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    write_all(timeline, tmp_path, ["json", "srt", "mp4"], small_video, shares.append)
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1.0)
    assert shares[1] < 0.1 < shares[len(shares) // 2] < 0.9  # the video takes the longest


def test_names_that_are_no_unicode_can_be_written(timeline: Timeline, tmp_path: Path) -> None:
    odd = replace(timeline, video={**timeline.video, "name": os.fsdecode(b"caf\xe9.mp4")})
    quick = [kind.key for kind in EXPORT_KINDS if not kind.slow]
    for path in write_all(odd, tmp_path, quick).values():
        path.read_text(encoding="utf-8")
