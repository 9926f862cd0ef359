from __future__ import annotations

import pytest

from sentiment.datatypes import Affect, FaceBox, Segment, SegmentPrediction, Timeline
from sentiment.labels import EMOTIONS, SENTIMENTS
from sentiment.timeline import format_clock, format_percent, headline, summarize

FACE = (FaceBox(0.2, 0.2, 0.6, 0.6, 0.9),)
SIDE = {"joy": "positive", "neutral": "neutral", "surprise": "positive"}


def affect_of(emotion: str, confidence: float = 0.7, sentiment: str | None = None) -> Affect:
    """An answer whose top emotion and sentiment hold `confidence`, the rest shared by the others."""

    def peaked(labels: tuple[str, ...], top: str) -> tuple[float, ...]:
        return tuple(confidence if label == top else (1 - confidence) / (len(labels) - 1) for label in labels)

    return Affect(peaked(EMOTIONS, emotion), peaked(SENTIMENTS, sentiment or SIDE.get(emotion, "negative")))


def speech(start: float, end: float, emotion: str, confidence: float = 0.7, certain: bool = True) -> SegmentPrediction:
    segment = Segment(start, end, "speech", "some words")
    return SegmentPrediction(segment, affect_of(emotion, confidence), certain=certain, presence=(True, True, False))


def unanswered(start: float, end: float) -> SegmentPrediction:
    return SegmentPrediction(Segment(start, end, "silent"), None)


def timeline_of(*segments: SegmentPrediction, duration: float | None = None, analysed: float | None = None) -> Timeline:
    duration = duration or segments[-1].segment.end_seconds
    summary = summarize(segments, duration)
    return Timeline(duration, {}, segments, summary, {}, analysed_seconds=duration if analysed is None else analysed)


def test_summary_weighs_by_duration() -> None:
    summary = summarize([speech(0, 9, "joy"), speech(9, 10, "anger"), unanswered(10, 20)], 20)
    assert summary.emotion_share["joy"] == pytest.approx(0.9)
    assert summary.emotion_share["anger"] == pytest.approx(0.1)
    assert sum(summary.emotion_share.values()) == pytest.approx(1)
    assert tuple(summary.emotion_share) == EMOTIONS
    score = 0.7 - 0.15  # of one side: P(positive) - P(negative)
    assert summary.mean_sentiment_score == pytest.approx(0.9 * score - 0.1 * score)
    assert summary.answered_share == pytest.approx(0.5)
    assert summary.speech_share == pytest.approx(0.5)
    assert summary.unanswered_segments == 1


def test_shares_are_of_the_whole_duration() -> None:
    silent_face = SegmentPrediction(
        Segment(2, 7, "silent"), affect_of("neutral"), face=FACE, presence=(False, False, True)
    )
    summary = summarize([speech(0, 2, "joy"), silent_face], 20)
    assert summary.speech_share == pytest.approx(0.1)
    assert summary.face_share == pytest.approx(0.25)
    assert summary.answered_share == pytest.approx(0.35)
    assert summary.certain_share == pytest.approx(0.1)


def test_strongest_moments_lie_on_their_side() -> None:
    summary = summarize(
        [speech(0, 2, "joy", 0.5), speech(2, 4, "joy", 0.9), speech(4, 6, "sadness", 0.6), speech(6, 8, "anger", 0.8)],
        8,
    )
    assert summary.strongest_positive is not None and summary.strongest_negative is not None
    assert (summary.strongest_positive.segment_index, summary.strongest_positive.time_seconds) == (1, 2)
    assert summary.strongest_positive.sentiment_score == pytest.approx(0.9 - 0.05)
    assert (summary.strongest_negative.segment_index, summary.strongest_negative.time_seconds) == (3, 6)
    assert summary.strongest_negative.sentiment_score < 0


def test_no_strongest_moment_where_no_answer_is_on_that_side() -> None:
    leaning = Affect(affect_of("neutral").emotion, (0.05, 0.75, 0.2))  # leans to positive, is neutral
    prediction = SegmentPrediction(Segment(0, 2, "speech", "hm"), leaning, presence=(True, False, False))
    summary = summarize([prediction, speech(2, 4, "fear")], 4)
    assert summary.strongest_positive is None
    assert summary.strongest_negative is not None


def test_nothing_answered_is_no_number() -> None:
    summary = summarize([unanswered(0, 5)], 5)
    assert summary.mean_sentiment_score is None
    assert set(summary.emotion_share.values()) == {0.0}
    assert summary.strongest_positive is None and summary.strongest_negative is None
    assert summary.answered_share == 0 and summary.unanswered_segments == 1


def test_an_empty_video_has_a_summary() -> None:
    assert summarize([], 0.0).answered_share == 0


def test_shares_never_exceed_one_where_a_header_is_a_little_short() -> None:
    assert summarize([speech(0, 10.02, "joy")], 10).answered_share == 1


@pytest.mark.parametrize(
    ("timeline", "sentence"),
    [
        (
            timeline_of(
                speech(0, 20, "joy"), speech(20, 42, "neutral"), speech(42, 50, "anger"), speech(50, 99, "joy")
            ),
            "Mostly positive; joy at the start, a turn to anger at 0:42, one of 3 turns.",
        ),
        (
            timeline_of(speech(0, 42, "joy"), speech(42, 60, "anger")),
            "Mostly positive; joy at the start, a turn to anger at 0:42.",
        ),
        (timeline_of(speech(0, 3, "joy")), "Positive; joy."),
        (timeline_of(speech(0, 3, "sadness"), speech(3, 6, "anger", 0.9)), "Negative; clearest is anger at 0:03."),
        (timeline_of(speech(0, 3, "neutral"), speech(3, 6, "neutral")), "Neutral."),
        (timeline_of(speech(0, 3, "joy", certain=False)), "Positive at a guess, but none of it is certain."),
        (
            timeline_of(speech(0, 9, "joy", certain=False), speech(9, 10, "anger")),
            "Mostly positive at a guess, but hardly any of it is certain.",
        ),
        (
            timeline_of(speech(0, 6, "anger", certain=False), speech(6, 9, "joy"), speech(9, 10, "anger")),
            "Mostly negative; joy at 0:06, a turn to anger at 0:09, though most of it is uncertain.",
        ),
        (
            timeline_of(speech(0, 4, "joy"), unanswered(4, 20)),
            "Positive; joy; only 20% of the time could be read.",
        ),
        (
            timeline_of(speech(0, 4, "joy"), speech(4, 8, "anger"), speech(8, 10, "neutral")),
            "Mixed (40% negative, 40% positive, 20% neutral); joy at the start, "
            "a turn to anger at 0:04, one of 2 turns.",
        ),
        (timeline_of(unanswered(0, 5)), "Nothing could be read: no speech was heard and no face was seen."),
        (timeline_of(unanswered(0, 5), duration=20, analysed=5), "Nothing could be read so far."),
        (timeline_of(speech(0, 3, "joy"), duration=60, analysed=3), "So far positive; joy."),
    ],
)
def test_headline(timeline: Timeline, sentence: str) -> None:
    assert headline(timeline) == sentence


def test_headline_does_not_place_a_late_first_answer_at_the_start() -> None:
    late = timeline_of(unanswered(0, 30), speech(30, 60, "joy"), speech(60, 90, "anger"))
    assert "at the start" not in headline(late) and "joy at 0:30" in headline(late)


def test_headline_tells_the_two_kinds_of_surprise_apart() -> None:
    bad_news = SegmentPrediction(
        Segment(5, 9, "speech", "oh"), affect_of("surprise", 0.7, "negative"), certain=True, presence=(True, True, True)
    )
    assert "positive surprise at the start, a turn to negative surprise at 0:05" in headline(
        timeline_of(speech(0, 5, "surprise"), bad_news)
    )


def test_headline_does_not_mention_the_face_of_what_was_not_answered() -> None:
    faced = SegmentPrediction(Segment(0, 5, "silent"), None, face=FACE)
    assert "no face" not in headline(timeline_of(faced))


@pytest.mark.parametrize(("seconds", "clock"), [(0, "0:00"), (42.9, "0:42"), (725, "12:05"), (3723, "1:02:03")])
def test_format_clock(seconds: float, clock: str) -> None:
    assert format_clock(seconds) == clock


@pytest.mark.parametrize(("share", "text"), [(0, "0%"), (0.004, "under 1%"), (0.816, "82%"), (1, "100%")])
def test_format_percent(share: float, text: str) -> None:
    assert format_percent(share) == text
