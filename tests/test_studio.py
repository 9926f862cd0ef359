"""The studio's own parts, without a browser: background work, and the HTML that is made from a file's words."""

from __future__ import annotations

import json
import re
import threading
from contextvars import ContextVar
from dataclasses import replace
from html import unescape

import pytest
from timelines import UNSURE, affect, doubtful_timeline, prediction, sample_timeline, timeline_of

from sentiment.datatypes import Segment, SegmentPrediction, Timeline
from sentiment.errors import MediaError, SettingsError
from sentiment.studio import glance, panels
from sentiment.studio.background import follow
from sentiment.studio.evidence import evidence
from sentiment.studio.session import Session, StageProgress, languages, settings_for

WAIT_SECONDS = 60


def told(events) -> list:
    return [event for event in events if event is not None]


def test_background_work_is_read_in_order():
    def work(emit):
        for number in range(5):
            emit(number)

    assert told(follow(work)) == [0, 1, 2, 3, 4]


def test_closing_the_reader_ends_the_work_at_its_next_word():
    ended = threading.Event()
    closed = threading.Event()

    def work(emit):
        try:
            emit("first")
            closed.wait(WAIT_SECONDS)
            emit("second")
            pytest.fail("the work went on although nobody reads it")  # pragma: no cover
        finally:
            ended.set()

    events = follow(work)
    assert next(e for e in events if e is not None) == "first"
    events.close()
    closed.set()
    assert ended.wait(WAIT_SECONDS)


def test_a_reader_is_woken_while_nothing_happens():
    quiet = threading.Event()
    events = follow(lambda emit: quiet.wait(WAIT_SECONDS))
    assert next(events) is None
    quiet.set()
    assert told(events) == []


def test_an_error_that_a_person_can_mend_is_raised_to_the_reader():
    def work(emit):
        emit(1)
        raise MediaError("notes.mp4 is no video")

    events = follow(work)
    with pytest.raises(MediaError, match="notes"):
        told(events)


def test_a_fault_of_the_program_does_not_look_like_an_end(monkeypatch):
    logged = []
    monkeypatch.setattr(threading, "excepthook", lambda fault: logged.append(fault.exc_type))

    def work(emit):
        raise ZeroDivisionError

    with pytest.raises(RuntimeError, match="broke off"):
        told(follow(work))
    assert logged == [ZeroDivisionError]


def test_background_work_is_done_in_the_readers_context():
    visitor = ContextVar("visitor")
    visitor.set("ann")
    assert told(follow(lambda emit: emit(visitor.get()))) == ["ann"]


def test_words_and_names_from_a_file_are_escaped():
    timeline = sample_timeline()
    for html in (panels.transcript(timeline), panels.progress(Session("<b>ruined</b>.mp4"))):
        assert "<b>ruined" not in html
        assert "&lt;b&gt;ruined&lt;/b&gt;" in html


def test_every_segment_has_its_row_and_its_sentence():
    timeline = sample_timeline()
    table, words = panels.transcript(timeline), panels.in_words(timeline)
    assert table.count("data-start=") == words.count("<li>") == len(timeline.segments)
    assert "no speech · face only" in table
    assert "no answer" in table
    assert "0:00 to 0:04: joy 82%" in words


def test_the_table_and_the_plots_in_words_say_what_is_doubtful_about_an_answer():
    timeline = sample_timeline()
    table, words = panels.transcript(timeline), panels.in_words(timeline)
    for html in (table, words):
        assert html.count("unsure: disgust or surprise") == html.count("mixed: joy, but negative") == 1
    assert "0:26 to 0:29, unsure: disgust or surprise; disgust 48%" in words
    assert table.count("negative ?") == table.count('class="unsure"') - 1 == 2  # the third has no answer
    assert table.count("dot ring") == 2


def test_the_verdict_shows_its_grounds():
    verdict = glance.verdict(sample_timeline(), note="Cancelled: what was done until then is kept.")
    assert "Certain for 66% of the time" in verdict
    assert "speech 76%" in verdict
    assert "face 86%" in verdict
    assert "no answer for 1 segment" in verdict
    assert "Cancelled" in verdict


def test_the_strongest_moments_have_their_time_words_and_picture():
    html = glance.strongest_moments(with_thumbnails(sample_timeline()))
    assert html.count("<button") == html.count("data:image/jpeg;base64,") == 2
    assert 'data-start="0.000"' in html and "Most positive" in html and "I am so happy" in html
    assert 'data-start="21.000"' in html and "Most negative" in html and "0:21" in html


def test_where_no_moment_is_certain_none_is_the_strongest():
    html = glance.strongest_moments(doubtful_timeline())
    assert "<button" not in html
    assert html.count("None that is certain.") == 2
    assert glance.strongest_moments(sample_timeline(analysed_seconds=0.0)).count("certain so far.") == 2


def test_shares_come_from_the_largest_down_and_leave_out_what_never_was():
    html = glance.shares(sample_timeline(analysed_seconds=9.0))
    assert html.index("anger") < html.index("joy")
    assert "fear" not in html
    assert "certain answer is counted: 0:08 of 0:09 so far." in html


def test_shares_count_certain_time_alone():
    html = glance.shares(sample_timeline())
    assert "disgust" not in html
    assert "certain answer is counted: 0:25 of 0:38." in html


def test_where_nothing_is_certain_the_page_says_so():
    timeline = doubtful_timeline()
    assert "No answer is certain enough" in glance.verdict(timeline)
    assert "certain for 0% of the time" in glance.verdict(timeline)
    html = glance.shares(timeline)
    assert "and there is none." in html
    assert "parts" not in html and "%" not in html


def test_an_unanswered_timeline_still_makes_a_page():
    timeline = sample_timeline(analysed_seconds=0.0)
    assert "Nothing could be read" in glance.verdict(timeline)
    assert "there is none so far" in glance.shares(timeline)


# ---------------------------------------------------------------- what the script knows


def with_thumbnails(timeline: Timeline) -> Timeline:
    segments = tuple(replace(p, thumbnail=b"\xff\xd8 picture") for p in timeline.segments)
    return replace(timeline, segments=segments)


def known(html: str) -> dict:
    """What the browser reads out of the element's attribute."""
    (attribute,) = re.findall(r'data-timeline="([^"]*)"', html)
    return json.loads(unescape(attribute))


def test_the_evidence_has_every_segment_with_what_each_signal_said():
    timeline = sample_timeline()
    segments = known(evidence(timeline, with_pictures=True))["segments"]
    assert [s["start"] for s in segments] == [p.segment.start_seconds for p in timeline.segments]
    assert segments[0]["answer"]["emotion"] == [round(p, 3) for p in timeline.segments[0].affect.emotion]
    states = [s["state"] for s in segments]
    assert states[0] == "certain" and states[4] == "no answer" and states[6] == "unsure: disgust or surprise"
    assert segments[4]["answer"] is None and set(segments[4]["alone"].values()) == {None}
    assert segments[0]["when"] == "0:00 – 0:04"


def test_the_evidence_without_a_signal_is_the_networks_own_answer_without_it():
    words, face = affect("anger", "negative", 0.8), affect("joy", "positive", 0.9)
    both = affect("anger", "negative", 0.6)
    answers = {("text",): words, ("video",): face, ("text", "video"): both}
    segment = SegmentPrediction(Segment(0, 2, "speech", "Fine."), both, answers, presence=(True, False, True))
    (shown,) = known(evidence(timeline_of(segment, duration_seconds=2), with_pictures=True))["segments"]
    assert shown["alone"]["voice"] is None
    assert set(shown["without"]) == {"words", "face"}
    assert shown["without"]["words"]["emotion"] == [round(p, 3) for p in face.emotion]
    assert shown["disagreement"] == "words and face disagree"


def test_words_of_a_file_cannot_leave_the_attribute():
    spoken = "\"></div><script>alert('oh')</script> {{this}} ${1} &quot;"
    html = evidence(timeline_of(prediction(0, 1, spoken, UNSURE, certain=False), duration_seconds=1), True)
    assert "<script" not in html
    assert known(html)["segments"][0]["text"] == spoken


def test_pictures_are_sent_when_the_timeline_is_done():
    timeline = with_thumbnails(sample_timeline())
    growing, done = (known(evidence(timeline, pictures))["segments"] for pictures in (False, True))
    assert {s["picture"] for s in growing} == {None}
    assert all(s["picture"].startswith("data:image/jpeg;base64,") for s in done)


def test_an_hour_of_evidence_is_small():
    many = [prediction(t, t + 2.4, "And so it goes on.", affect("joy", "positive")) for t in range(0, 3600, 3)]
    assert len(evidence(timeline_of(*many, duration_seconds=3600), with_pictures=False)) < 1_500_000


def test_rows_where_signals_disagree_are_flagged():
    segment = prediction(0, 2, "Fine.", affect("joy", "positive"))
    answers = {("text",): affect("anger", "negative"), ("video",): affect("joy", "positive")}
    assert "words and face disagree" in panels._row(replace(segment, evidence=answers))
    assert "flag" not in panels._row(segment)


def test_progress_says_how_far_each_stage_is():
    session = Session("talk.mp4")
    assert not session.take(StageProgress("listen", 30.0, 120.0))
    html = panels.progress(session)
    assert "0:30 / 2:00" in html
    assert 'aria-valuenow="25"' in html
    assert session.take(sample_timeline())


def test_languages_are_those_of_whisper():
    codes = [code for _, code in languages()]
    assert codes[0] == "auto"
    assert {"en", "de", "zh", "yue"} < set(codes)
    assert settings_for("auto").language is None
    assert settings_for("de").language == "de"
    with pytest.raises(SettingsError, match="klingon"):
        settings_for("klingon")


def test_confidence_is_shown_in_whole_per_cent():
    row = panels._row(prediction(61.2, 64, "Well.", affect("joy", "positive", 0.816)))
    assert "82%" in row
    assert "1:01" in row
