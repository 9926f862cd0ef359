"""What is seen at one glance: the verdict and its grounds, and the moment that is played."""

from __future__ import annotations

import re
from html import escape

from sentiment.datatypes import Moment, SegmentPrediction, Timeline
from sentiment.disagreement import disagreement
from sentiment.labels import EMOTION_COLOURS, EMOTIONS, SENTIMENT_COLOURS, SENTIMENTS
from sentiment.languages import language_name, language_note
from sentiment.studio.evidence import thumbnail_source
from sentiment.studio.panels import dot, emotion_name, is_watched, legend_of
from sentiment.timeline import (
    certain_seconds,
    certain_share_so_far,
    edits_in_short,
    format_clock,
    format_percent,
    headline,
    share_so_far,
)

# ---------------------------------------------------------------- the whole video


def verdict(timeline: Timeline, note: str = "") -> str:
    """The sentence of summary with a dot before each emotion it names, and the shares it rests on as chips."""
    chips = "".join(f"<li>{escape(chip)}</li>" for chip in _chips(timeline))
    notes = (note, language_note(timeline))
    note_line = "".join(f'<p class="note">{escape(line)}</p>' for line in notes if line)
    return f'<p class="headline">{_with_dots(headline(timeline))}</p>{note_line}<ul class="chips">{chips}</ul>'


def _chips(timeline: Timeline) -> list[str]:
    summary = timeline.summary
    chips = [f"certain for {format_percent(certain_share_so_far(timeline))} of the time"]
    if not is_watched(timeline):
        chips.append(f"speech {format_percent(share_so_far(timeline, summary.speech_share))}")
    chips.append(f"face {format_percent(share_so_far(timeline, summary.face_share))}")
    disagreements = sum(disagreement(p) is not None for p in timeline.segments)
    if disagreements:
        chips.append(f"signals disagree in {_count(disagreements)}")
    if summary.unanswered_segments:
        chips.append(f"no answer for {_count(summary.unanswered_segments)}")
    if timeline.language:
        chips.append(f"language {language_name(timeline.language)}")
    return chips + edits_in_short(timeline)


def _count(segments: int) -> str:
    return f"{segments} segment{'s' if segments > 1 else ''}"


def _with_dots(sentence: str) -> str:
    names = "|".join(e for e in EMOTIONS if e != "neutral")  # also the name of a sentiment
    return re.sub(rf"\b({names})\b", lambda match: emotion_name(match[1]), escape(sentence))


def shares(timeline: Timeline) -> str:
    """How much of the certain time each emotion leads: one bar in parts, their names from the largest down, and
    how much time that is.
    """
    ordered = sorted(timeline.summary.emotion_share.items(), key=lambda item: -item[1])
    present = [(name, share) for name, share in ordered if share > 0]
    parts = "".join(f'<i style="width:{share:.2%};background:{EMOTION_COLOURS[name]}"></i>' for name, share in present)
    names = legend_of(
        f'{dot(EMOTION_COLOURS[name])}{name} <span class="number">{format_percent(share)}</span>'
        for name, share in present
    )
    drawing = f'<div class="parts" aria-hidden="true">{parts}</div>{names}' if present else ""
    return f'{drawing}<p class="note">{_counted(timeline)}</p>'


def _counted(timeline: Timeline) -> str:
    so_far = "" if timeline.is_complete else " so far"
    if not timeline.summary.emotion_share:
        return f"Only time with a certain answer is counted, and there is none{so_far}."
    certain, whole = format_clock(certain_seconds(timeline)), format_clock(timeline.analysed_seconds)
    return f"Only time with a certain answer is counted: {certain} of {whole}{so_far}."


def strongest_moments(timeline: Timeline) -> str:
    """The most positive and the most negative certain moment, each with a picture and a click away."""
    summary = timeline.summary
    return '<div class="moments">{}{}</div>'.format(
        _moment(timeline, "positive", summary.strongest_positive),
        _moment(timeline, "negative", summary.strongest_negative),
    )


def _moment(timeline: Timeline, side: str, moment: Moment | None) -> str:
    name = f'<span class="side" style="--side:{SENTIMENT_COLOURS[side]}">Most {side}</span>'
    if moment is None:
        so_far = "" if timeline.is_complete else " so far"
        return f'<div class="moment none">{name}<span class="note">None that is certain{so_far}.</span></div>'
    prediction = timeline.segments[moment.segment_index]
    words = prediction.segment.text or ("face only" if is_watched(timeline) else "no speech")
    return (
        f'<button type="button" class="moment" data-start="{prediction.segment.start_seconds:.3f}">'
        f"{_picture(prediction)}<span>{name}"
        f'<span class="number">{format_clock(moment.time_seconds)} · {_top_emotion(prediction)}</span>'
        f'<span class="said">{escape(words)}</span></span></button>'
    )


def _picture(prediction: SegmentPrediction) -> str:
    """Decoration beside its words, hence without a text of its own."""
    return f'<img src="{thumbnail_source(prediction.thumbnail)}" alt="">' if prediction.thumbnail is not None else ""


def _top_emotion(prediction: SegmentPrediction) -> str:
    affect = prediction.affect
    return f"{emotion_name(affect.top_emotion)} {format_percent(affect.confidence)}" if affect else "no answer"


# ---------------------------------------------------------------- the moment that is played


def live_bars() -> str:
    """Ten empty bars, seven emotions and three sentiments, which the script fills; always in the same places."""
    emotions = "".join(_live_bar("emotion", name, EMOTION_COLOURS[name]) for name in EMOTIONS)
    sentiments = "".join(_live_bar("sentiment", name, SENTIMENT_COLOURS[name]) for name in reversed(SENTIMENTS))
    return (
        '<h2>Now <span id="now-when"></span></h2>'
        f'<div class="live"><div>{emotions}</div><div>{sentiments}<p class="note" id="now-state"></p></div></div>'
    )


def _live_bar(kind: str, name: str, colour: str) -> str:
    return (
        f'<div class="share" data-{kind}="{name}"><span>{name}</span>'
        f'<span class="bar"><i style="background:{colour}"></i></span><span class="number">–</span></div>'
    )
