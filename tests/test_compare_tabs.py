"""The Compare and Reactions pages without a browser and without a network: what goes on, what is left out, what stays.

The analysis is replaced by timelines made by hand; everything else is the page's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest
from timelines import affect, prediction, timeline_of

from sentiment.datatypes import Segment, SegmentPrediction, Timeline
from sentiment.errors import MediaError
from sentiment.limits import DEFAULT_LIMITS
from sentiment.studio import compare_runs, compare_tab, reactions_tab
from sentiment.studio.compare_layout import ComparePage, lay_out_compare
from sentiment.studio.reactions_layout import ReactionsPage, lay_out_reactions
from sentiment.studio.session import Playable, StageProgress


def talk(name: str) -> Timeline:
    timeline = timeline_of(prediction(0, 4, "Well <b>.", affect("joy", "positive")), duration_seconds=4)
    timeline.video["name"] = name
    return timeline


def viewer(name: str, analysed_seconds: float = 4.0) -> Timeline:
    answer = affect("joy", "positive", 0.9)
    window = SegmentPrediction(
        Segment(0, 2, "watched"), answer, {("video",): answer}, True, presence=(False, False, True)
    )
    timeline = timeline_of(window, duration_seconds=4, analysed_seconds=analysed_seconds)
    timeline.video["name"] = name
    return timeline


@pytest.fixture
def analysed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Which file was analysed as what. A name that begins with "bad" cannot be read, "half" is never done."""
    asked: list[tuple[str, str]] = []

    def follow_analysis(path: Path, models, settings, folder, limits, with_player=True) -> Iterator:
        asked.append((path.name, settings.viewing))
        yield StageProgress("watch", 1.0, 4.0)
        if path.name.startswith("bad"):
            raise MediaError(f"{path.name} is no video.")
        if with_player:
            yield Playable(path)
        is_half = path.name.startswith("half")
        yield viewer(path.name, 2.0 if is_half else 4.0) if settings.viewing == "watching" else talk(path.name)

    monkeypatch.setattr(compare_runs, "follow_analysis", follow_analysis)
    return asked


@pytest.fixture
def compare_page() -> ComparePage:
    with gr.Blocks():
        return lay_out_compare()


@pytest.fixture
def reactions_page() -> ReactionsPage:
    with gr.Blocks():
        return lay_out_reactions()


def paths(*names: str) -> list[Path]:
    return [Path("/nowhere", name) for name in names]


def last_of(updates: list[dict], component: gr.blocks.Block) -> object:
    """What a component was told last."""
    return next(update[component] for update in reversed(updates) if component in update)


def test_two_files_are_analysed_in_turn_and_their_names_are_escaped(analysed, compare_page):
    updates = list(compare_tab._compare(compare_page, None, DEFAULT_LIMITS, *paths("<i>a.mp4", "b.mp4")))
    assert analysed == [("<i>a.mp4", "speaking"), ("b.mp4", "speaking")]
    bars = [update[compare_page.progress.bars] for update in updates if compare_page.progress.bars in update]
    assert "waiting" in bars[0] and "done" in bars[-1]
    results = compare_page.results
    for html in (bars[0], *(last_of(updates, part) for part in (results.verdict, results.changes))):
        assert "<i>a" not in html and "Well <b>" not in html
    assert "&lt;i&gt;a.mp4" in last_of(updates, results.verdict)
    assert all(Path(last_of(updates, button)).is_file() for button in results.downloads)


def test_a_cut_that_cannot_be_read_is_one_message(analysed, compare_page):
    with pytest.raises(gr.Error, match=r"bad\.mp4 is no video"):
        list(compare_tab._compare(compare_page, None, DEFAULT_LIMITS, *paths("a.mp4", "bad.mp4")))


def test_bad_recordings_are_named_and_the_others_go_on(analysed, reactions_page):
    recordings = paths("ann.webm", "bad.webm", "half.webm", "ben.webm")
    updates = list(reactions_tab._run(reactions_page, None, DEFAULT_LIMITS, Path("/nowhere/advert.mp4"), recordings))
    assert analysed == [("advert.mp4", "speaking"), *((path.name, "watching") for path in recordings)]
    verdict = last_of(updates, reactions_page.results.verdict)
    assert "2 viewers" in verdict
    assert "bad.webm is no video" in verdict
    assert "half.webm is analysed up to 0:02 of 0:04 only" in verdict
    assert last_of(updates, reactions_page.names) == ["ann.webm", "ben.webm"]
    assert last_of(updates, reactions_page.results.player) == "/nowhere/advert.mp4"


def test_the_mean_grows_with_every_recording(analysed, reactions_page):
    updates = list(reactions_tab._run(reactions_page, None, DEFAULT_LIMITS, None, paths("ann.webm", "ben.webm")))
    verdicts = [
        update[reactions_page.results.verdict] for update in updates if reactions_page.results.verdict in update
    ]
    assert "1 viewer:" in verdicts[0] and "2 viewers:" in verdicts[-1]


def test_where_no_recording_is_left_the_message_names_them(analysed, reactions_page):
    with pytest.raises(gr.Error, match=r"bad\.webm is no video"):
        list(reactions_tab._run(reactions_page, None, DEFAULT_LIMITS, None, paths("bad.webm")))


def test_two_bad_recordings_of_one_name_are_both_named(analysed, reactions_page):
    recordings = paths("bad.webm", "ann.webm", "bad.webm")
    updates = list(reactions_tab._run(reactions_page, None, DEFAULT_LIMITS, None, recordings))
    assert last_of(updates, reactions_page.results.verdict).count("bad.webm</b> was left out") == 2


def test_after_a_cancel_the_recordings_that_were_done_are_kept(analysed, reactions_page):
    run = reactions_tab._run(reactions_page, None, DEFAULT_LIMITS, None, paths("ann.webm", "ben.webm"))
    session = next(update[reactions_page.session] for update in run if reactions_page.session in update)
    run.close()
    kept = reactions_tab._after_cancel(reactions_page, session)
    assert "1 viewer:" in kept[reactions_page.results.verdict]
    assert reactions_tab.CANCELLED in kept[reactions_page.results.verdict]
    assert kept[reactions_page.names] == ["ann.webm"]
    assert kept[reactions_page.results.column]["visible"] and not kept[reactions_page.start]["visible"]
    assert reactions_page.names not in reactions_tab._after_cancel(reactions_page, None)
