"""Chapters and markers: the Premiere file is read by OpenTimelineIO, the others by what their readers look for."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import opentimelineio as otio
import pytest
from export_timelines import HARM, full_timeline, hostile_timeline
from timelines import affect, prediction, sample_timeline, timeline_of

from sentiment.datatypes import Timeline
from sentiment.export import write_export
from sentiment.markers import editing_rate_hz


def written(tmp_path: Path, timeline: Timeline, key: str) -> str:
    write_export(timeline, key, tmp_path / "file")
    return (tmp_path / "file").read_text(encoding="utf-8")


def moods(*stretches: tuple[float, float, str], duration_seconds: float = 60.0) -> Timeline:
    sides = {"joy": "positive", "neutral": "neutral"}
    return timeline_of(
        *(prediction(start, end, "", affect(name, sides.get(name, "negative"))) for start, end, name in stretches),
        duration_seconds=duration_seconds,
    )


# ---------------------------------------------------------------- chapters


@pytest.mark.parametrize(
    ("stretches", "chapters"),
    [
        ([(0, 20, "joy"), (20, 40, "anger"), (40, 60, "joy")], "0:00 Joy\n0:20 Anger\n0:40 Joy\n"),
        ([(5, 20, "joy"), (20, 40, "joy"), (45, 60, "fear")], "0:00 Joy\n0:45 Fear\n"),
        ([(0, 4, "joy"), (4, 30, "anger"), (30, 60, "joy")], "0:00 Anger\n0:30 Joy\n"),  # too short to begin with
        ([(0, 30, "joy"), (30, 55, "joy"), (55, 60, "fear")], "0:00 Joy\n"),  # too short to end with
        ([(0, 12, "joy"), (12, 14, "fear"), (14, 30, "joy")], "0:00 Joy\n"),  # neighbours that are the same are one
        ([], "0:00 Start\n"),
    ],
)
def test_chapters(tmp_path: Path, stretches: list, chapters: str) -> None:
    assert written(tmp_path, moods(*stretches), "chapters") == chapters


def test_chapters_are_what_youtube_takes(tmp_path: Path) -> None:
    names = ("joy", "anger", "neutral", "fear")
    long = moods(*((4.0 * i, 4.0 * i + 4, names[i % 4]) for i in range(1200)), duration_seconds=4800.0)
    times = [line.split()[0] for line in written(tmp_path, long, "chapters").splitlines()]
    seconds = [sum(int(part) * 60**i for i, part in enumerate(reversed(time.split(":")))) for time in times]
    assert seconds[0] == 0 and len(seconds) >= 3
    assert all(after - before >= 10 for before, after in zip(seconds, [*seconds[1:], 4800], strict=True))
    assert times[-1].startswith("1:19:")


def test_doubts_make_no_chapters(tmp_path: Path) -> None:
    segments = [
        replace(p, certain=p.affect.top_emotion != "fear") for p in moods((0, 30, "joy"), (30, 60, "fear")).segments
    ]
    assert written(tmp_path, replace(moods(), segments=tuple(segments)), "chapters") == "0:00 Joy\n"


# ---------------------------------------------------------------- DaVinci Resolve

EVENT = re.compile(
    r"(\d{3,})  001      V     C        (\d\d:\d\d:\d\d:\d\d) (\S+) \2 \3\n"
    r"(.*) \|C:ResolveColor([A-Z][a-z]+) \|M:([^|]+) \|D:(\d+)\n"
)


def with_rate(timeline: Timeline, rate_hz: float | None) -> Timeline:
    return replace(timeline, video={**timeline.video, "frame_rate_hz": rate_hz})


def test_resolve_markers(tmp_path: Path) -> None:
    text = written(tmp_path, with_rate(sample_timeline(), 25.0), "edl")
    assert text.startswith("TITLE: party.mp4\nFCM: NON-DROP FRAME\n\n001")
    events = EVENT.findall(text)
    assert len(events) == 8
    assert events[1] == (
        *("002", "01:00:04:12", "01:00:04:13", " No, I will not do that again, you <b>ruined</b> it."),
        *("Red", "anger 70%", "113"),  # 4.5 s is between two frames
    )
    assert events[5][5] == "unsure: disgust or surprise" and events[6][3:5] == ("", "Purple")


@pytest.mark.parametrize(
    ("rate_hz", "editing_hz"),
    [
        (24.0, 24.0), (23.976, 24000 / 1001), (30000 / 1001, 30000 / 1001), (29.87, 30000 / 1001), (30.0, 30.0),
        (60.0, 60.0), (1000.0, 30.0), (None, 30.0),
    ],
)  # fmt: skip
def test_editors_count_in_a_rate_they_offer(tmp_path: Path, rate_hz: float | None, editing_hz: float) -> None:
    timeline = with_rate(moods((10, 20, "joy")), rate_hz)
    assert editing_rate_hz(timeline) == editing_hz
    assert EVENT.findall(written(tmp_path, timeline, "edl"))[0][1] == "01:00:10:00"


def test_a_timecode_at_a_broken_rate_counts_frames(tmp_path: Path) -> None:
    """An hour at 29.97: 107,892 frames, which a clock of 30 a second shows as 59:56:12."""
    timeline = with_rate(moods((3600, 3700, "joy"), duration_seconds=4000), 30000 / 1001)
    assert EVENT.findall(written(tmp_path, timeline, "edl"))[0][1] == "01:59:56:12"


def test_harm_stays_in_its_comment(tmp_path: Path) -> None:
    events = EVENT.findall(written(tmp_path, hostile_timeline(), "edl"))
    assert len(events) == len(HARM)
    assert all(comment.count("|") == 0 for *_, comment, _, _, _ in events)


# ---------------------------------------------------------------- Premiere Pro


def sequence(tmp_path: Path, timeline: Timeline) -> otio.schema.Timeline:
    return otio.adapters.read_from_string(written(tmp_path, timeline, "xml"), "fcp_xml")


def test_premiere_markers(tmp_path: Path) -> None:
    read = sequence(tmp_path, with_rate(sample_timeline(), 25.0))
    assert read.name == "party.mp4" and len(read.tracks.markers) == 8
    marker = read.tracks.markers[1]
    assert marker.name == "anger 70%" and marker.metadata["fcp_xml"]["comment"].startswith("No, I will not")
    assert (marker.marked_range.start_time.value, marker.marked_range.duration.value) == (112, 113)
    (video,), (audio,) = read.video_tracks(), read.audio_tracks()
    assert video[0].media_reference.target_url == audio[0].media_reference.target_url == "party.mp4"
    assert video[0].duration() == otio.opentime.RationalTime(round(38.5 * 25), 25)


def test_sound_alone_is_a_sequence_without_a_picture(tmp_path: Path) -> None:
    timeline = replace(full_timeline(), video={"name": "talk.wav", "width": None, "has_audio": True})
    read = sequence(tmp_path, timeline)
    assert not read.video_tracks() and len(read.audio_tracks()) == 1 and len(read.tracks.markers) == 3


def test_harm_stays_in_its_marker(tmp_path: Path) -> None:
    markers = sequence(tmp_path, hostile_timeline()).tracks.markers
    assert [marker.name for marker in markers] == ["joy 80%"] * len(HARM)
    assert markers[1].metadata["fcp_xml"]["comment"] == HARM[1]
