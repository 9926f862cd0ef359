"""The whole video from its segments: a summary in numbers, and one sentence for a person.

Every average is weighted by duration, so that a long calm stretch is not outvoted by three short
exclamations. Moods and moments, in numbers and in words, come from certain answers only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from sentiment.datatypes import Affect, Moment, Segment, SegmentPrediction, Summary, Timeline
from sentiment.labels import EMOTIONS, PERMITTED_PAIRS, SENTIMENTS

MOSTLY_SHARE = 0.5
"""Above this share of the certain time, a sentiment is what the video "mostly" is."""

TURN_SHARE = 0.2
"""Where nothing is above half, the sides that are named: at least two, the second has no less than a quarter."""

NEARLY_ALL_SHARE = 0.9
"""Below this certain share of the whole, the sentence says how much it speaks of. Pauses are not certain either."""

LITTLE_ANSWERED_SHARE = 0.5
"""Below this answered share of the whole, the sentence says that most of it could not be read at all."""

START_SHARE = 0.1
"""What lies in this first part of the video is "at the start"."""


def summarize(segments: Sequence[SegmentPrediction], duration_seconds: float) -> Summary:
    """Sum up a video of `duration_seconds`, each segment weighted by its length.

    Emotion shares, mean sentiment and strongest moments count certain segments alone; where there is none
    they are empty and None. A strongest moment is looked for among the segments whose top sentiment is that
    side; where there is none it is None, however the scores of the others lean.
    """
    certain = _certain(segments)

    def share(counted: Iterable[SegmentPrediction]) -> float:
        return _share(sum(p.segment.duration_seconds for p in counted), duration_seconds)

    return Summary(
        emotion_share=_shares_of(certain, EMOTIONS, lambda affect: affect.top_emotion),
        mean_sentiment_score=_mean_sentiment_score(certain),
        strongest_positive=_strongest(certain, "positive"),
        strongest_negative=_strongest(certain, "negative"),
        speech_share=share(p for p in segments if p.segment.kind == "speech"),
        face_share=share(p for p in segments if p.face),
        answered_share=share(p for p in segments if p.affect is not None),
        certain_share=share(p for p in segments if p.certain),
        unanswered_segments=sum(p.affect is None for p in segments),
    )


def certain_seconds(timeline: Timeline) -> float:
    """How much time the moods of the summary rest on."""
    return _seconds_of(_certain(timeline.segments))


def certain_share_so_far(timeline: Timeline) -> float:
    """The certain share of what is analysed, in [0, 1]; when all is, the summary's `certain_share`."""
    return share_so_far(timeline, timeline.summary.certain_share)


def headline(timeline: Timeline) -> str:
    """One plain sentence: "Certain for 60% of the time: mostly positive; joy at the start, a turn to anger at 0:42."

    What it says of moods rests on certain time alone, and it says how much of the whole that is unless it is
    nearly all. Where nothing could be read, or nothing is certain, or the analysis is not done, it says so.
    """
    if all(p.affect is None for p in timeline.segments):
        return _nothing_answered(timeline)
    so_far = "" if timeline.is_complete else "so far "
    unread = share_so_far(timeline, timeline.summary.answered_share) < LITTLE_ANSWERED_SHARE
    certain = _certain(timeline.segments)
    if not certain:
        sentence = f"{so_far}no answer is certain enough to name a mood"
        sentence += ", and most of the time could not be read" if unread else ""
        return _as_sentence(sentence)
    moods = _join(_mood(certain), _course(certain, timeline))
    share = certain_share_so_far(timeline)
    if share >= NEARLY_ALL_SHARE:
        return _as_sentence(f"{so_far}{moods}")
    most = ", most of which could not be read" if unread else ""
    return _as_sentence(f"{so_far}certain for {format_percent(share)} of the time{most}: {moods}")


def edits_in_short(timeline: Timeline) -> list[str]:
    """What a person has put right, in a few words each: ["2 lines corrected by hand", "face chosen by hand"]."""
    count = len({*timeline.edits.words, *timeline.edits.translations})
    lines = [f"{count} line{'s' if count > 1 else ''} corrected by hand"] if count else []
    return [*lines, "face chosen by hand"] if timeline.edits.faces else lines


def heard_words(prediction: SegmentPrediction) -> tuple[str, str]:
    """(words, translation) as they were recognised, each "" where a person has not corrected it."""
    heard, segment = prediction.as_heard, prediction.segment
    if heard is None:
        return "", ""
    return (
        heard.text if heard.text != segment.text else "",
        heard.translation if heard.translation != segment.translation else "",
    )


def format_clock(time_seconds: float) -> str:
    """A time as a player shows it, cut to the whole second: "0:42", "12:05", "1:02:03"."""
    minutes, seconds = divmod(int(time_seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def format_percent(share: float) -> str:
    """A share in [0, 1] as whole per cent; a little is not shown as nothing: "82%", "under 1%"."""
    return "under 1%" if 0 < share < 0.01 else f"{share:.0%}"


# ---------------------------------------------------------------- numbers


class _Certain(NamedTuple):
    """A segment whose answer is certain."""

    segment_index: int
    segment: Segment
    affect: Affect


def _certain(segments: Iterable[SegmentPrediction]) -> list[_Certain]:
    return [_Certain(i, p.segment, p.affect) for i, p in enumerate(segments) if p.certain and p.affect is not None]


def _seconds_of(certain: Iterable[_Certain]) -> float:
    return sum(c.segment.duration_seconds for c in certain)


def _share(part_seconds: float, whole_seconds: float) -> float:
    return min(1.0, part_seconds / whole_seconds) if whole_seconds > 0 else 0.0


def share_so_far(timeline: Timeline, share: float) -> float:
    """A share of the whole duration as one of what is analysed."""
    return share if timeline.is_complete else _share(share * timeline.duration_seconds, timeline.analysed_seconds)


def _shares_of(
    certain: Sequence[_Certain], labels: Sequence[str], top_label: Callable[[Affect], str]
) -> dict[str, float]:
    """For each label its share of the certain time; empty where there is none."""
    if not certain:
        return {}
    whole = _seconds_of(certain)
    return {label: _share(_seconds_of(c for c in certain if top_label(c.affect) == label), whole) for label in labels}


def _mean_sentiment_score(certain: Sequence[_Certain]) -> float | None:
    if not certain:
        return None
    return sum(c.affect.sentiment_score * c.segment.duration_seconds for c in certain) / _seconds_of(certain)


def _strongest(certain: Sequence[_Certain], sentiment: str) -> Moment | None:
    moments = [
        Moment(c.segment_index, c.segment.start_seconds, c.affect.sentiment_score)
        for c in certain
        if c.affect.top_sentiment == sentiment
    ]
    return max(moments, key=lambda moment: abs(moment.sentiment_score), default=None)


# ---------------------------------------------------------------- words


def _nothing_answered(timeline: Timeline) -> str:
    if not timeline.is_complete:
        return "Nothing could be read so far."
    if any(p.segment.kind == "watched" for p in timeline.segments):
        return "Nothing could be read: no face was seen."
    heard = "no speech was heard" if timeline.summary.speech_share == 0 else "the speech could not be read"
    seen = "no face was seen" if timeline.summary.face_share == 0 else "the face could not be read"
    return f"Nothing could be read: {heard} and {seen}."


def _as_sentence(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:]}."


def _join(mood: str, course: str) -> str:
    return f"{mood}; {course}" if course else mood


def _mood(certain: Sequence[_Certain]) -> str:
    parts = _shares_of(certain, SENTIMENTS, lambda affect: affect.top_sentiment)
    shares = sorted(parts.items(), key=lambda item: -item[1])
    label, share = shares[0]
    if shares[1][1] == 0:
        return label
    if share > MOSTLY_SHARE:
        return f"mostly {label}"
    return f"by turns {_and([name for name, part in shares if part >= TURN_SHARE])}"


def _and(names: Sequence[str]) -> str:
    """The names as one speaks them: "positive and neutral", "negative, positive and neutral"."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _course(certain: Sequence[_Certain], timeline: Timeline) -> str:
    """How the certain answers go: how they open, and what lies farthest from that on another side."""
    first = certain[0]
    elsewhere = [c for c in certain if c.affect.top_sentiment != first.affect.top_sentiment]
    if not elsewhere:
        return _one_sided(certain, timeline)
    at_start = first.segment_index == 0 and first.segment.start_seconds <= START_SHARE * timeline.duration_seconds
    opening = f"{_feeling(first)} {'at the start' if at_start else 'at ' + _clock(first)}"
    farthest = max(elsewhere, key=lambda c: abs(c.affect.sentiment_score - first.affect.sentiment_score))
    turn_count = sum(before.affect.top_sentiment != after.affect.top_sentiment for before, after in pairwise(certain))
    among = f", one of {turn_count} turns" if turn_count > 1 else ""
    return f"{opening}, a turn to {_feeling(farthest)} at {_clock(farthest)}{among}"


def _one_sided(certain: Sequence[_Certain], timeline: Timeline) -> str:
    """The certain answers share one sentiment: name the surest emotion, and when it was."""
    surest = max(certain, key=lambda c: c.affect.confidence)
    emotion = surest.affect.top_emotion
    if emotion == "neutral":
        return ""  # "neutral; neutral at 0:12" would tell nothing
    if len(certain) > 1:
        return f"clearest is {emotion} at {_clock(surest)}"
    return emotion if len(timeline.segments) == 1 else f"{emotion} at {_clock(surest)}"


def _feeling(certain: _Certain) -> str:
    """The top emotion, with its side where it can be on either: "joy", "negative surprise"."""
    emotion, sentiment = certain.affect.top_emotion, certain.affect.top_sentiment
    two_sided = sum(pair[0] == emotion for pair in PERMITTED_PAIRS) > 1
    return f"{sentiment} {emotion}" if two_sided else emotion


def _clock(certain: _Certain) -> str:
    return format_clock(certain.segment.start_seconds)
