"""The studio's own parts, without a browser: background work, and the HTML that is made from a file's words."""

from __future__ import annotations

import threading

import pytest
from timelines import affect, doubtful_timeline, prediction, sample_timeline

from sentiment.errors import MediaError, SettingsError
from sentiment.studio import glance, panels
from sentiment.studio.background import follow
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
