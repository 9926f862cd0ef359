"""Two cuts side by side, and several viewers of one stimulus: every number here is computed by hand."""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile

import numpy as np
import pytest
from timelines import UNSURE, affect, doubtful_timeline, prediction, sample_timeline, timeline_of

from sentiment import __main__ as cli
from sentiment.compare import compare_timelines, comparison_headline, format_score, length_note
from sentiment.compare_figures import comparison_figure, reactions_figure
from sentiment.compare_records import is_record, read_timeline
from sentiment.compare_tables import COMPARISON_COLUMNS, comparison_csv, comparison_json
from sentiment.datatypes import Affect, Segment, SegmentPrediction, Timeline
from sentiment.errors import SettingsError
from sentiment.labels import EMOTIONS, SENTIMENTS
from sentiment.reactions import Recording, combine_reactions, coverage_notes, reactions_headline
from sentiment.reactions_tables import reactions_csv, reactions_json, viewers_csv
from sentiment.studio.reactions_panels import verdict
from sentiment.timeline_json import timeline_json, timeline_to_dict


def scored(score: float, emotion: str | None = None) -> Affect:
    """An answer whose sentiment score is this: nothing of it is neutral, or all."""
    emotion = emotion or ("joy" if score > 0 else "anger" if score < 0 else "neutral")
    likely = tuple(0.7 if name == emotion else 0.05 for name in EMOTIONS)
    sides = {"positive": (1 + score) / 2, "negative": (1 - score) / 2, "neutral": 0.0}
    if score == 0:
        sides = {"positive": 0.0, "negative": 0.0, "neutral": 1.0}
    return Affect(likely, tuple(sides[name] for name in SENTIMENTS))


def said(start: float, end: float, score: float | None, certain: bool = True, text: str = "Well.") -> SegmentPrediction:
    return prediction(start, end, text, None if score is None else scored(score), certain and score is not None)


def cut(*segments: SegmentPrediction, seconds: float, name: str = "cut.mp4") -> Timeline:
    timeline = timeline_of(*segments, duration_seconds=seconds)
    timeline.video["name"] = name
    return timeline


def long_cut() -> Timeline:
    """20 s: +0.8 for 4 s, nothing for 2, −0.6 for 4, unsure +0.2 for 4, +0.4 for 6."""
    return cut(
        said(0, 4, 0.8), said(4, 6, None), said(6, 10, -0.6), said(10, 14, 0.2, certain=False), said(14, 20, 0.4),
        seconds=20, name="long.mp4",
    )  # fmt: skip


def short_cut() -> Timeline:
    """10 s: −0.8 for 5 s, +0.9 for 5."""
    return cut(said(0, 5, -0.8), said(5, 10, 0.9), seconds=10, name="=short.mp4")


# ---------------------------------------------------------------- numbers of each cut


def test_openings_and_endings_are_means_over_eight_certain_seconds():
    first, second = compare_timelines(long_cut(), short_cut()).cuts
    # 0-4 s at +0.8, 4-6 s nothing, 6-8 s at −0.6
    assert first.opening.sentiment_score == pytest.approx((4 * 0.8 + 2 * -0.6) / 6)
    assert first.opening.certain_seconds == pytest.approx(6)
    # the last eight: 12-14 s unsure, which does not count, and 14-20 s at +0.4
    assert (first.ending.start_seconds, first.ending.end_seconds) == (12, 20)
    assert first.ending.sentiment_score == pytest.approx(0.4)
    assert first.ending.certain_seconds == pytest.approx(6)
    assert second.opening.sentiment_score == pytest.approx((5 * -0.8 + 3 * 0.9) / 8)
    assert second.ending.sentiment_score == pytest.approx((3 * -0.8 + 5 * 0.9) / 8)


def test_a_cut_shorter_than_the_window_is_its_own_opening_and_ending():
    brief = cut(said(0, 3, 0.5), seconds=3)
    first, _ = compare_timelines(brief, brief).cuts
    assert first.opening == first.ending
    assert (first.opening.start_seconds, first.opening.end_seconds) == (0, 3)


def test_the_mean_is_that_of_each_cut_by_itself():
    comparison = compare_timelines(long_cut(), short_cut())
    first = (4 * 0.8 + 4 * -0.6 + 6 * 0.4) / 14
    second = 0.05
    assert comparison.cuts[0].timeline.summary.mean_sentiment_score == pytest.approx(first)
    assert comparison.mean_difference == pytest.approx(second - first)


def test_emotion_shares_are_compared_over_certain_time():
    difference = compare_timelines(long_cut(), short_cut()).emotion_difference
    assert difference["joy"] == pytest.approx(5 / 10 - 10 / 14)
    assert difference["anger"] == pytest.approx(5 / 10 - 4 / 14)
    assert difference["fear"] == 0
    assert sum(difference.values()) == pytest.approx(0)


# ---------------------------------------------------------------- one axis


def test_on_real_time_the_axis_is_cut_wherever_either_changes():
    comparison = compare_timelines(long_cut(), short_cut())
    assert comparison.cells.edges.tolist() == [0, 4, 5, 6, 10, 14, 20]
    first, second = comparison.cells.scores
    nan = math.nan
    np.testing.assert_allclose(first, [0.8, nan, nan, -0.6, 0.2, 0.4])
    np.testing.assert_allclose(second, [-0.8, -0.8, 0.9, 0.9, nan, nan])
    assert comparison.cells.certain[0].tolist() == [True, False, False, True, False, True]


def test_on_relative_time_both_cuts_fill_the_axis():
    comparison = compare_timelines(long_cut(), short_cut(), is_relative=True)
    np.testing.assert_allclose(comparison.cells.edges, [0, 0.2, 0.3, 0.5, 0.7, 1])
    np.testing.assert_allclose(comparison.cells.scores[1], [-0.8, -0.8, -0.8, 0.9, 0.9])


def test_edges_that_are_the_same_but_for_the_last_bit_are_one():
    thirds = cut(said(0, 0.1 + 0.2, 0.5), said(0.1 + 0.2, 3, -0.5), seconds=3)
    tenths = cut(said(0, 0.3, 0.5), said(0.3, 3, -0.5), seconds=3)
    assert len(compare_timelines(thirds, tenths).cells.edges) == 3


def test_changes_go_from_the_largest_down_with_the_times_in_each_cut():
    changes = compare_timelines(long_cut(), short_cut(), is_relative=True).changes
    assert [round(c.difference, 6) for c in changes] == [-1.6, 0.7, 0.5, -0.2]
    largest = changes[0]
    assert largest.segments == (0, 0)
    assert largest.starts_seconds == (0, 0)
    assert largest.ends_seconds == pytest.approx((4, 2))
    assert largest.certain
    unsure = next(c for c in changes if c.segments == (3, 1))
    assert not unsure.certain
    assert unsure.starts_seconds == pytest.approx((10, 5))


def test_where_either_has_no_answer_there_is_no_change():
    changes = compare_timelines(long_cut(), short_cut()).changes
    assert [(c.start, c.end) for c in changes] == [(0, 4), (6, 10)]


def test_what_two_cuts_share_for_an_instant_is_no_change():
    shifted = cut(said(0, 4.2, 0.1), said(4.2, 8, 0.9), seconds=8)
    steady = cut(said(0, 4, -0.9), said(4, 8, 0.9), seconds=8)
    assert [(c.start, c.end) for c in compare_timelines(steady, shifted).changes] == [(0, 4), (4.2, 8)]


def test_half_a_timeline_cannot_be_compared():
    with pytest.raises(SettingsError, match=r"party.mp4 is analysed up to 0:18 of 0:38 only"):
        compare_timelines(sample_timeline(), sample_timeline(analysed_seconds=18.5))


# ---------------------------------------------------------------- in words


def test_the_headline_says_which_is_more_positive_and_how_it_opens_and_ends():
    said_of_it = comparison_headline(compare_timelines(long_cut(), short_cut()))
    assert said_of_it == (
        "On average B is more negative than A, +0.05 against +0.23; it opens more negative and ends more negative."
    )
    same = comparison_headline(compare_timelines(long_cut(), long_cut()))
    assert same.startswith("On average B is about as positive as A, +0.23 against +0.23; it opens alike")


def test_where_nothing_is_certain_no_mean_is_compared():
    comparison = compare_timelines(long_cut(), doubtful_timeline())
    assert comparison_headline(comparison) == "There is no mean to compare: no answer of B (party.mp4) is certain."
    assert comparison.mean_difference is None
    assert not comparison.emotion_difference


def test_different_lengths_are_said():
    assert length_note(compare_timelines(long_cut(), short_cut())) == (
        "A lasts 0:20, B 0:10; what A has after 0:10 is compared with nothing."
    )
    assert "over its own length" in length_note(compare_timelines(long_cut(), short_cut(), is_relative=True))
    assert length_note(compare_timelines(long_cut(), long_cut())) == ""


@pytest.mark.parametrize(
    ("score", "words"),
    [(0.344, "+0.34"), (-0.1, "−0.10"), (0.0, "0.00"), (-0.001, "0.00"), (None, "–"), (math.nan, "–")],
)
def test_scores_have_a_sign(score, words):
    assert format_score(score) == words


# ---------------------------------------------------------------- several viewers


def viewer(*scores: float | None, name: str = "viewer.webm", seconds: float | None = None) -> Timeline:
    """Windows of two seconds, as a viewer is read."""
    segments = [
        SegmentPrediction(Segment(2.0 * i, 2.0 * i + 2, "watched"), None)
        if score is None
        else SegmentPrediction(
            Segment(2.0 * i, 2.0 * i + 2, "watched"), scored(score), {("video",): scored(score)}, True,
            presence=(False, False, True),
        )
        for i, score in enumerate(scores)
    ]  # fmt: skip
    return cut(*segments, seconds=seconds or 2.0 * len(scores), name=name)


def three_viewers() -> list[Recording]:
    return [
        Recording(viewer(0.6, 0.0, None, name="ann.webm")),
        Recording(viewer(0.2, -0.4, -0.8, name="ben.webm")),
        Recording(viewer(0.4, None, None, name="=cleo.webm")),
    ]


def test_mean_and_spread_count_those_who_have_an_answer():
    reactions = combine_reactions(three_viewers())
    assert reactions.cells.edges.tolist() == [0, 2, 4, 6]
    assert reactions.viewers.tolist() == [3, 2, 1]
    np.testing.assert_allclose(reactions.mean, [0.4, -0.2, -0.8])
    # sample standard deviations: of 0.6, 0.2, 0.4, and of 0.0, −0.4; one viewer has none
    np.testing.assert_allclose(reactions.deviation, [0.2, math.sqrt(0.08), math.nan])


def test_where_nobody_has_an_answer_there_is_no_mean():
    reactions = combine_reactions([Recording(viewer(0.5, None)), Recording(viewer(0.5, None))])
    assert reactions.viewers.tolist() == [2, 0]
    assert np.isnan(reactions.mean[1])
    line = next(t for t in reactions_figure(reactions).data if t.name == "mean")
    assert max(x for x in line.x if x is not None) == 2


def test_each_recording_is_moved_by_its_own_start():
    late = Recording(viewer(0.8, 0.8, name="late.webm"), stimulus_start_seconds=-3)  # began 3 s after the stimulus
    early = Recording(viewer(-0.2, 0.2, 0.2, 0.2, name="early.webm"), stimulus_start_seconds=2)
    reactions = combine_reactions([late, early])
    assert reactions.duration_seconds == 7
    assert reactions.cells.edges.tolist() == [0, 2, 3, 4, 5, 6, 7]
    np.testing.assert_allclose(reactions.mean, [0.2, 0.2, 0.5, 0.5, 0.5, 0.8])
    assert reactions.viewers.tolist() == [1, 1, 2, 2, 2, 1]


def test_the_stimulus_sets_the_axis():
    stimulus = cut(said(0, 4, 0.5), seconds=4, name="advert.mp4")
    reactions = combine_reactions(three_viewers(), stimulus)
    assert reactions.duration_seconds == 4
    assert reactions.cells.edges.tolist() == [0, 2, 4]


def test_moments_need_half_of_the_viewers():
    reactions = combine_reactions(three_viewers())
    assert (reactions.highest.start_seconds, reactions.highest.mean) == (0, pytest.approx(0.4))
    assert (reactions.lowest.start_seconds, reactions.lowest.mean) == (2, pytest.approx(-0.2))  # not −0.8 of one
    assert reactions.most_divided.start_seconds == 2
    assert reactions.highest.emotions == {"joy": 3}
    assert reactions.lowest.emotions == {"neutral": 1, "anger": 1}


def test_every_viewer_counts_once_in_the_overall_mean():
    reactions = combine_reactions(three_viewers())
    means = [viewer.mean for viewer in reactions.viewer_means]
    assert means == pytest.approx([0.3, -1 / 3, 0.4])
    assert reactions.overall_mean == pytest.approx(sum(means) / 3)
    assert reactions.overall_deviation == pytest.approx(np.std(means, ddof=1))
    assert [viewer.answered_share for viewer in reactions.viewer_means] == pytest.approx([2 / 3, 1, 1 / 3])


def test_unsure_answers_count_in_the_mean_but_name_no_emotion():
    window = SegmentPrediction(Segment(0, 2, "watched"), UNSURE, {("video",): UNSURE}, presence=(False, False, True))
    reactions = combine_reactions([Recording(timeline_of(window, duration_seconds=2))])
    assert reactions.mean[0] == pytest.approx(UNSURE.sentiment_score)
    assert reactions.highest.emotions == {}


def test_one_viewer_has_a_mean_and_no_spread():
    reactions = combine_reactions(three_viewers()[:1])
    assert reactions.overall_deviation is None
    assert reactions.most_divided is None
    assert reactions_headline(reactions).startswith("1 viewer: +0.30 on average, highest at 0:00 (+0.60)")


def test_viewers_who_never_differ_have_no_moment_that_stands_out():
    reactions = combine_reactions([Recording(viewer(0.5, 0.501)), Recording(viewer(0.5, 0.499))])
    assert reactions_headline(reactions) == "2 viewers: +0.50 on average, the same all through."
    assert "data-stimulus-seconds" not in verdict(reactions, failed=())  # no moment to go to


def test_viewers_whose_face_was_never_seen_give_no_number():
    reactions = combine_reactions([Recording(viewer(None, None))])
    assert reactions.overall_mean is None
    assert reactions_headline(reactions) == "1 viewer: no face could be read in any recording."


@pytest.mark.parametrize(
    ("start_seconds", "said_of_it"),
    [(6.0, "lasts 6.0 s; the stimulus cannot begin 6.0 s into it"), (-9.0, "begins 9.0 s after the stimulus")],
)
def test_a_recording_that_misses_the_stimulus_is_refused_by_name(start_seconds, said_of_it):
    stimulus = cut(said(0, 4, 0.5), seconds=4)
    recording = Recording(viewer(0.5, 0.5, 0.5, name="ann.webm"), start_seconds)
    with pytest.raises(SettingsError, match=f"ann.webm {said_of_it}"):
        combine_reactions([recording], stimulus)


def test_what_was_read_as_speech_is_no_viewer():
    with pytest.raises(SettingsError, match=r"long\.mp4 was read as somebody who speaks"):
        Recording(long_cut())


def test_without_recordings_there_are_no_reactions():
    with pytest.raises(SettingsError, match="no recording"):
        combine_reactions([])


def test_recordings_that_do_not_cover_the_stimulus_are_said():
    stimulus = cut(said(0, 8, 0.5), seconds=8)
    recordings = [Recording(viewer(*[0.5] * 4, name="whole.webm")), Recording(viewer(0.5, 0.5, name="half.webm"), -1)]
    assert coverage_notes(combine_reactions(recordings, stimulus)) == ["half.webm covers 0:01 to 0:05 of 0:08."]


# ---------------------------------------------------------------- figures


def lines_of(figure):
    return {t.name: [(x, round(y, 6)) for x, y in zip(t.x, t.y, strict=True) if x is not None] for t in figure.data
            if t.type == "scatter"}  # fmt: skip


def test_curves_are_steps_with_gaps_and_what_is_unsure_is_paler():
    figure = comparison_figure(compare_timelines(long_cut(), short_cut()))
    lines = lines_of(figure)
    assert lines["A"] == [(0, 0.8), (4, 0.8), (6, -0.6), (10, -0.6), (14, 0.4), (20, 0.4)]
    assert lines["A unsure"] == [(10, 0.2), (14, 0.2)]
    assert lines["B unsure"] == []
    styles = {t.name: t.line for t in figure.data if t.type == "scatter"}
    assert styles["A"].dash != styles["B"].dash
    assert styles["A"].color != styles["B"].color


def test_the_shade_between_the_curves_lies_where_both_have_an_answer():
    figure = comparison_figure(compare_timelines(long_cut(), short_cut()))
    shade = next(t for t in figure.data if t.name == "difference")
    assert list(shade.x) == [0, 6]
    assert list(shade.base) == pytest.approx([0.8, -0.6])
    assert list(shade.y) == pytest.approx([-1.6, 1.5])


def test_on_relative_time_the_axis_counts_in_per_cent():
    figure = comparison_figure(compare_timelines(long_cut(), short_cut(), is_relative=True))
    assert tuple(figure.layout.xaxis.range) == (0, 1)
    assert figure.layout.xaxis.ticktext[-1] == "100%"


def test_the_band_is_one_deviation_around_the_mean_where_two_have_an_answer():
    figure = reactions_figure(combine_reactions(three_viewers()))
    band = next(t for t in figure.data if t.name == "spread")
    points = [(x, round(y, 6)) for x, y in zip(band.x, band.y, strict=True) if x is not None]
    low = round(-0.2 - math.sqrt(0.08), 6)
    assert points[0] == (0, 0.6) and points[-1] == (0, 0.2)
    assert (4, low) in points and max(x for x, _ in points) == 4
    counts = next(t for t in figure.data if t.name == "viewers")
    assert list(counts.y) == [3, 2, 1]


# ---------------------------------------------------------------- files


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_table_of_a_comparison_has_a_row_per_cell_and_empty_cells_where_there_is_no_answer():
    rows = rows_of(comparison_csv(compare_timelines(long_cut(), short_cut())))
    assert tuple(rows[0]) == COMPARISON_COLUMNS
    assert [row["start"] for row in rows] == ["0.0", "4.0", "5.0", "6.0", "10.0", "14.0"]
    assert float(rows[0]["difference"]) == -1.6
    assert rows[0]["b_video"] == "'=short.mp4"  # else a spreadsheet would run it
    assert rows[1]["a_sentiment_score"] == rows[1]["difference"] == ""
    assert rows[1]["b_top_emotion"] == "anger"


def test_the_json_of_a_comparison_holds_its_numbers():
    content = json.loads(comparison_json(compare_timelines(long_cut(), doubtful_timeline())))
    assert content["axis"] == "seconds"
    assert content["cuts"][0]["opening"]["mean"] == 0.3333
    assert content["cuts"][1]["mean"] is None and content["mean_difference"] is None
    assert len(content["edges"]) == len(content["sentiment_scores"][0]) + 1
    assert None in content["sentiment_scores"][0]


def test_the_files_of_reactions_hold_mean_spread_and_every_viewer():
    reactions = combine_reactions(three_viewers(), cut(said(0, 6, 0.5), seconds=6, name="advert.mp4"))
    rows = rows_of(reactions_csv(reactions))
    assert [(row["mean"], row["deviation"], row["viewers"]) for row in rows] == [
        ("0.4", "0.2", "3"), ("-0.2", "0.2828", "2"), ("-0.8", "", "1"),
    ]  # fmt: skip
    assert {row["stimulus"] for row in rows} == {"advert.mp4"}
    viewers = rows_of(viewers_csv(reactions))
    assert [row["recording"] for row in viewers][::3] == ["ann.webm", "ben.webm", "'=cleo.webm"]
    assert viewers[2]["sentiment_score"] == ""
    assert float(viewers[0]["emotion_joy"]) == 0.7
    content = json.loads(reactions_json(reactions))
    assert content["highest"]["emotions"] == {"joy": 3}
    assert content["viewers"][1]["mean"] == -0.3333
    assert content["moments"][2]["deviation"] is None


# ---------------------------------------------------------------- from records


def recorded() -> Timeline:
    """What an analysis gives: every subset of what was there has its answer."""
    words, face, both = affect("anger", "negative", 0.8), affect("joy", "positive", 0.9), affect("joy", "positive", 0.6)
    answers = {("text",): words, ("video",): face, ("text", "video"): both}
    spoken = SegmentPrediction(Segment(0, 2, "speech", "Fine."), both, answers, True, presence=(True, False, True))
    silent = SegmentPrediction(Segment(2, 4, "silent"), None)
    timeline = timeline_of(spoken, silent, duration_seconds=4)
    timeline.provenance.update(settings={}, file_sha256="0", checkpoint={}, transcriber={})
    return timeline


def test_a_record_gives_its_timeline_back(tmp_path):
    path, timeline = tmp_path / "timeline.json", recorded()
    path.write_text(timeline_json(timeline), encoding="utf-8")
    assert is_record(path)
    assert timeline_to_dict(read_timeline(path)) == timeline_to_dict(timeline)


def test_a_bundle_gives_its_timeline_back(tmp_path):
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("timeline.json", timeline_json(recorded()))
    assert is_record(path)
    assert read_timeline(path).segments[0].segment.text == "Fine."


def test_a_video_is_no_record(small_video, tmp_path):
    assert not is_record(small_video)
    assert not is_record(tmp_path / "not there.json")


def broken(**changes) -> dict:
    return {**timeline_to_dict(recorded()), **changes}


@pytest.mark.parametrize(
    "content",
    [
        broken(labels={"emotions": ["joy"], "sentiments": []}),
        broken(segments=[{"start_seconds": 0}]),
        broken(summary={"duration_seconds": 0, "analysed_seconds": 0}),
        broken(segments="none"),
        broken(video={"name": math.nan}),
        {"labels": None},
        [1, 2],
    ],
)
def test_what_is_no_timeline_is_refused_by_name(content, tmp_path):
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(SettingsError, match=r"odd\.json"):
        read_timeline(path)


def test_a_record_that_is_nested_too_deeply_is_refused(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"deep\.json"):
        read_timeline(path)


# ---------------------------------------------------------------- on the command line


@pytest.fixture
def records(tmp_path):
    """Of a cut, of another one, and of a viewer."""

    def record(name: str, *segments: SegmentPrediction, seconds: float) -> str:
        timeline = cut(*segments, seconds=seconds, name=f"{name}.mp4")
        timeline.provenance.update(settings={}, file_sha256="0", checkpoint={}, transcriber={})
        path = tmp_path / f"{name}.json"
        path.write_text(timeline_json(timeline), encoding="utf-8")
        return str(path)

    def by_face(start: float, end: float, score: float, kind: str) -> SegmentPrediction:
        answer = scored(score)
        return SegmentPrediction(
            Segment(start, end, kind), answer, {("video",): answer}, True, presence=(False, False, True)
        )

    return {
        "before": record("before", by_face(0, 4, -0.6, "silent"), by_face(4, 8, 0.2, "silent"), seconds=8),
        "after": record("after", by_face(0, 4, 0.6, "silent"), seconds=4),
        "viewer": record("viewer", by_face(0, 2, 0.4, "watched"), by_face(2, 4, 0.8, "watched"), seconds=4),
    }


def test_compare_prints_a_table_of_two_records(records, capsys):
    assert cli.main(["compare", records["before"], records["after"]]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["A  before.mp4", "B  after.mp4"]
    assert next(line for line in lines if line.startswith("mean")).split() == ["mean", "−0.20", "+0.60", "+0.80"]
    assert any(line.startswith("0:00 – 0:04") and "+1.20" in line for line in lines)
    assert lines[-1].startswith("On average B is more positive than A")


def test_compare_prints_json_and_csv(records, capsys):
    assert cli.main(["compare", records["before"], records["after"], "--relative", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["axis"] == "relative" and content["edges"] == [0, 0.5, 1]
    assert cli.main(["compare", records["before"], records["after"], "--csv"]) == 0
    assert len(rows_of(capsys.readouterr().out)) == 2


def test_reactions_print_the_mean_over_time(records, capsys):
    assert cli.main(["reactions", "--stimulus", records["before"], records["viewer"], "--starts", "-2"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:5] == [
        ["0:00", "–", "–", "0", "of", "1"],
        ["0:02", "+0.40", "–", "1", "of", "1"],
        ["0:04", "+0.80", "–", "1", "of", "1"],
        ["0:06", "–", "–", "0", "of", "1"],
    ]


def test_a_bad_recording_is_left_out_by_name_and_the_others_go_on(records, text_named_mp4, capsys):
    arguments = ["reactions", records["viewer"], str(text_named_mp4), records["after"], "--json"]
    assert cli.main(arguments) == 1
    printed = capsys.readouterr()
    assert [viewer["name"] for viewer in json.loads(printed.out)["viewers"]] == ["viewer.mp4"]
    left_out = [line for line in printed.err.splitlines() if line.startswith("left out: ")]
    assert ["notes.mp4" in left_out[0], "after.mp4 was read as somebody who speaks" in left_out[1]] == [True, True]


def test_a_recording_beside_the_stimulus_is_left_out(records, capsys):
    arguments = ["reactions", "--stimulus", records["before"], records["viewer"], records["viewer"], "--json"]
    assert cli.main([*arguments, "--starts", "0,60"]) == 1
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)["viewers"]) == 1
    assert "the stimulus cannot begin 60.0 s into it" in printed.err


@pytest.mark.parametrize(
    ("arguments", "said_of_it"),
    [
        (["--starts", "0,1"], "a number for each of 1 recordings, got 2"),
        (["--starts", "soon"], "got 'soon'"),
        (["--starts", "nan"], "got 'nan'"),
    ],
)
def test_starts_that_are_none_are_one_line_and_exit_code_2(records, arguments, said_of_it, capsys):
    assert cli.main(["reactions", records["viewer"], *arguments]) == 2
    assert said_of_it in capsys.readouterr().err
