from __future__ import annotations

from dataclasses import replace

import pytest

from sentiment.datatypes import Affect, FaceBox, Segment, SegmentPrediction, Timeline
from sentiment.doubt import doubt_about
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


def mixed(start: float, end: float) -> SegmentPrediction:
    segment = Segment(start, end, "speech", "some words")
    return SegmentPrediction(segment, affect_of("joy", 0.6, "negative"), presence=(True, True, False))


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


def test_moods_count_certain_time_alone() -> None:
    doubtful = [speech(0, 50, "anger", 0.9, certain=False), mixed(50, 90)]
    with_doubt = summarize([*doubtful, speech(90, 96, "joy"), speech(96, 98, "fear")], 100)
    alone = summarize([speech(0, 6, "joy"), speech(6, 8, "fear")], 100)
    assert with_doubt.emotion_share == pytest.approx(alone.emotion_share)
    assert with_doubt.mean_sentiment_score == pytest.approx(alone.mean_sentiment_score)
    assert with_doubt.strongest_positive is not None and with_doubt.strongest_negative is not None
    assert with_doubt.strongest_positive.segment_index == 2
    assert with_doubt.strongest_negative.segment_index == 3  # not the anger of 90%
    assert with_doubt.certain_share == pytest.approx(0.08)
    assert with_doubt.answered_share == pytest.approx(0.98)


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
    leaning = Affect(affect_of("neutral").emotion, (0.05, 0.6, 0.35))  # leans to positive, is neutral
    hm = Segment(0, 2, "speech", "hm")
    summary = summarize(
        [SegmentPrediction(hm, leaning, certain=True, presence=(True, False, False)), speech(2, 4, "fear")], 4
    )
    assert summary.strongest_positive is None
    assert summary.strongest_negative is not None


@pytest.mark.parametrize(
    "segments",
    [
        [],
        [unanswered(0, 5)],
        [speech(0, 5, "joy", certain=False)],
        [mixed(0, 5)],
        [mixed(0, 2), mixed(2, 3), unanswered(3, 4), speech(4, 5, "fear", 0.99, certain=False)],
    ],
    ids=["nothing", "no answer", "one unsure", "one mixed", "all mixed or unsure"],
)
def test_where_nothing_is_certain_there_is_no_number(segments: list[SegmentPrediction]) -> None:
    summary = summarize(segments, 5)
    assert summary.emotion_share == {}
    assert summary.mean_sentiment_score is None
    assert summary.strongest_positive is None and summary.strongest_negative is None
    assert summary.certain_share == 0
    assert summary.unanswered_segments == sum(p.affect is None for p in segments)
    sentence = headline(Timeline(5.0, {}, tuple(segments), summary, {}, analysed_seconds=5.0))
    assert not [name for name in (*EMOTIONS, *SENTIMENTS) if name in sentence]


def test_a_mixed_answer_is_never_certain() -> None:
    with pytest.raises(ValueError, match="not mixed"):
        replace(mixed(0, 1), certain=True)


@pytest.mark.parametrize(
    ("prediction", "words"),
    [
        (speech(0, 1, "joy"), "None"),
        (unanswered(0, 1), "None"),
        (mixed(0, 1), "mixed: joy, but negative"),
        (speech(0, 1, "surprise", certain=False), "unsure: surprise or anger"),
    ],
)
def test_a_doubt_in_words(prediction: SegmentPrediction, words: str) -> None:
    assert str(doubt_about(prediction)) == words


def test_a_doubt_names_the_two_likeliest_in_their_order() -> None:
    torn = Affect((0.0, 0.0, 0.1, 0.3, 0.2, 0.0, 0.4), (0.2, 0.2, 0.6))
    prediction = SegmentPrediction(Segment(0, 1, "speech", "oh"), torn, presence=(True, False, False))
    assert str(doubt_about(prediction)) == "unsure: surprise or joy"


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
        (timeline_of(speech(0, 3, "joy", certain=False)), "No answer is certain enough to name a mood."),
        (
            timeline_of(mixed(0, 3), duration=30),
            "No answer is certain enough to name a mood, and most of the time could not be read.",
        ),
        (
            timeline_of(mixed(0, 3), duration=30, analysed=3),
            "So far no answer is certain enough to name a mood.",
        ),
        (
            timeline_of(speech(0, 9, "joy", certain=False), speech(9, 10, "anger")),
            "Certain for 10% of the time: negative; anger at 0:09.",
        ),
        (timeline_of(speech(0, 9, "joy"), speech(9, 10, "anger", certain=False)), "Positive; joy at 0:00."),
        (
            timeline_of(speech(0, 6, "anger", certain=False), speech(6, 9, "joy"), speech(9, 10, "anger")),
            "Certain for 40% of the time: mostly positive; joy at 0:06, a turn to anger at 0:09.",
        ),
        (
            timeline_of(speech(0, 4, "joy"), unanswered(4, 20)),
            "Certain for 20% of the time, most of which could not be read: positive; joy at 0:00.",
        ),
        (
            timeline_of(speech(0, 4, "joy"), speech(4, 8, "anger"), speech(8, 10, "neutral")),
            "By turns negative, positive and neutral; joy at the start, a turn to anger at 0:04, one of 2 turns.",
        ),
        (
            timeline_of(speech(0, 10, "joy"), speech(10, 19, "neutral"), speech(19, 20, "anger")),
            "By turns positive and neutral; joy at the start, a turn to anger at 0:19, one of 2 turns.",
        ),
        (timeline_of(unanswered(0, 5)), "Nothing could be read: no speech was heard and no face was seen."),
        (timeline_of(unanswered(0, 5), duration=20, analysed=5), "Nothing could be read so far."),
        (timeline_of(speech(0, 3, "joy"), duration=60, analysed=3), "So far positive; joy."),
        (
            timeline_of(speech(0, 3, "joy"), mixed(3, 6), duration=60, analysed=6),
            "So far certain for 50% of the time: positive; joy at 0:00.",
        ),
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
