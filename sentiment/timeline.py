"""The whole video from its segments: a summary in numbers, and one sentence for a person.

Every average is weighted by duration, so that a long calm stretch is not outvoted by three short
exclamations. The sentence names emotions and moments from certain answers only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from sentiment.datatypes import Affect, Moment, Segment, SegmentPrediction, Summary, Timeline
from sentiment.labels import EMOTIONS, PERMITTED_PAIRS, SENTIMENTS

MOSTLY_SHARE = 0.5
"""Above this share of the answered time, a sentiment is what the video "mostly" is."""

FEW_CERTAIN_SHARE = 0.2
"""Below this certain share of the answered time, the sentence names no emotion and no moment."""

HALF_CERTAIN_SHARE = 0.5
"""Below this one, it names them but adds that most of the video is uncertain."""

LITTLE_ANSWERED_SHARE = 0.5
"""Below this answered share of the whole duration, the sentence says how much could be read at all."""

START_SHARE = 0.1
"""What lies in this first part of the video is "at the start"."""


def summarize(segments: Sequence[SegmentPrediction], duration_seconds: float) -> Summary:
    """Sum up a video of `duration_seconds`, each segment weighted by its length.

    A strongest moment is looked for among the segments whose top sentiment is that side; where there
    is none it is None, however the scores of the others lean.
    """
    answered_seconds = _total_seconds(p for p in segments if p.affect is not None)
    return Summary(
        emotion_share=_top_emotion_shares(_answered(segments)),
        mean_sentiment_score=_mean_sentiment_score(_answered(segments), answered_seconds),
        strongest_positive=_strongest(segments, "positive"),
        strongest_negative=_strongest(segments, "negative"),
        speech_share=_share(_total_seconds(p for p in segments if p.segment.kind == "speech"), duration_seconds),
        face_share=_share(_total_seconds(p for p in segments if p.face), duration_seconds),
        answered_share=_share(answered_seconds, duration_seconds),
        certain_share=_share(_total_seconds(p for p in segments if p.certain), duration_seconds),
        unanswered_segments=sum(p.affect is None for p in segments),
    )


def headline(timeline: Timeline) -> str:
    """One plain sentence: "Mostly positive; joy at the start, a turn to anger at 0:42."

    Where little was answered, or little of that is certain, or the analysis is not done, it says so.
    """
    answered = _answered(timeline.segments)
    if not answered:
        return _nothing_answered(timeline)
    certain = [a for a in answered if a.certain]
    certain_part = _seconds_of(certain) / _seconds_of(answered)
    sentence = _mood(answered)
    if certain_part < FEW_CERTAIN_SHARE:
        sentence += f" at a guess, but {'hardly any' if certain else 'none'} of it is certain"
    else:
        course = _course(answered, certain, timeline.duration_seconds)
        sentence += f"; {course}" if course else ""
        sentence += ", though most of it is uncertain" if certain_part < HALF_CERTAIN_SHARE else ""
    if not timeline.is_complete:
        return f"So far {sentence}."
    answered_share = timeline.summary.answered_share
    if answered_share < LITTLE_ANSWERED_SHARE:
        sentence += f"; only {format_percent(answered_share)} of the time could be read"
    return f"{sentence[0].upper()}{sentence[1:]}."


def format_clock(time_seconds: float) -> str:
    """A time as a player shows it, cut to the whole second: "0:42", "12:05", "1:02:03"."""
    minutes, seconds = divmod(int(time_seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def format_percent(share: float) -> str:
    """A share in [0, 1] as whole per cent; a little is not shown as nothing: "82%", "under 1%"."""
    return "under 1%" if 0 < share < 0.01 else f"{share:.0%}"


# ---------------------------------------------------------------- numbers


class _Answered(NamedTuple):
    """A segment that has an answer."""

    segment: Segment
    affect: Affect
    certain: bool


def _answered(segments: Iterable[SegmentPrediction]) -> list[_Answered]:
    return [_Answered(p.segment, p.affect, p.certain) for p in segments if p.affect is not None]


def _seconds_of(answered: Iterable[_Answered]) -> float:
    return sum(a.segment.duration_seconds for a in answered)


def _total_seconds(segments: Iterable[SegmentPrediction]) -> float:
    return sum(p.segment.duration_seconds for p in segments)


def _share(part_seconds: float, whole_seconds: float) -> float:
    return min(1.0, part_seconds / whole_seconds) if whole_seconds > 0 else 0.0


def _top_emotion_shares(answered: Sequence[_Answered]) -> dict[str, float]:
    whole = _seconds_of(answered)
    return {name: _share(_seconds_of(a for a in answered if a.affect.top_emotion == name), whole) for name in EMOTIONS}


def _top_sentiment_shares(answered: Sequence[_Answered]) -> dict[str, float]:
    whole = _seconds_of(answered)
    return {
        name: _share(_seconds_of(a for a in answered if a.affect.top_sentiment == name), whole) for name in SENTIMENTS
    }


def _mean_sentiment_score(answered: Sequence[_Answered], answered_seconds: float) -> float | None:
    if not answered:
        return None
    return sum(a.affect.sentiment_score * a.segment.duration_seconds for a in answered) / answered_seconds


def _strongest(segments: Sequence[SegmentPrediction], sentiment: str) -> Moment | None:
    moments = [
        Moment(index, p.segment.start_seconds, p.affect.sentiment_score)
        for index, p in enumerate(segments)
        if p.affect is not None and p.affect.top_sentiment == sentiment
    ]
    return max(moments, key=lambda moment: abs(moment.sentiment_score), default=None)


# ---------------------------------------------------------------- words


def _nothing_answered(timeline: Timeline) -> str:
    if not timeline.is_complete:
        return "Nothing could be read so far."
    heard = "no speech was heard" if timeline.summary.speech_share == 0 else "the speech could not be read"
    seen = "no face was seen" if timeline.summary.face_share == 0 else "the face could not be read"
    return f"Nothing could be read: {heard} and {seen}."


def _mood(answered: Sequence[_Answered]) -> str:
    shares = sorted(_top_sentiment_shares(answered).items(), key=lambda item: -item[1])
    label, share = shares[0]
    if shares[1][1] == 0:
        return label
    if share > MOSTLY_SHARE:
        return f"mostly {label}"
    return "mixed ({})".format(", ".join(f"{format_percent(part)} {name}" for name, part in shares if part > 0))


def _course(answered: Sequence[_Answered], certain: Sequence[_Answered], duration_seconds: float) -> str:
    """How the certain answers go: how they open, and what lies farthest from that on another side."""
    first = certain[0]
    elsewhere = [a for a in certain if a.affect.top_sentiment != first.affect.top_sentiment]
    if not elsewhere:
        return _one_sided(answered, certain)
    at_start = first is answered[0] and first.segment.start_seconds <= START_SHARE * duration_seconds
    opening = f"{_feeling(first)} {'at the start' if at_start else 'at ' + _clock(first)}"
    farthest = max(elsewhere, key=lambda a: abs(a.affect.sentiment_score - first.affect.sentiment_score))
    turn_count = sum(before.affect.top_sentiment != after.affect.top_sentiment for before, after in pairwise(certain))
    among = f", one of {turn_count} turns" if turn_count > 1 else ""
    return f"{opening}, a turn to {_feeling(farthest)} at {_clock(farthest)}{among}"


def _one_sided(answered: Sequence[_Answered], certain: Sequence[_Answered]) -> str:
    """The certain answers share one sentiment: name the surest emotion, and when it was."""
    surest = max(certain, key=lambda a: a.affect.confidence)
    emotion = surest.affect.top_emotion
    if emotion == "neutral":
        return ""  # "neutral; neutral at 0:12" would tell nothing
    return emotion if len(answered) == 1 else f"clearest is {emotion} at {_clock(surest)}"


def _feeling(answered: _Answered) -> str:
    """The top emotion, with its side where it can be on either: "joy", "negative surprise"."""
    emotion, sentiment = answered.affect.top_emotion, answered.affect.top_sentiment
    two_sided = sum(pair[0] == emotion for pair in PERMITTED_PAIRS) > 1
    return f"{sentiment} {emotion}" if two_sided else emotion


def _clock(answered: _Answered) -> str:
    return format_clock(answered.segment.start_seconds)
