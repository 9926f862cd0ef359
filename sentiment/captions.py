"""A timeline as captions: the emotion and the words of each segment, as SRT for editors and WebVTT for web pages.

A cue reads "joy 82% · Look at that!", or says what is doubtful: "unsure: joy or surprise · …".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sentiment.datatypes import SegmentPrediction, Timeline
from sentiment.doubt import doubt_about
from sentiment.plain_text import one_line
from sentiment.timeline import format_percent


class _Cue(NamedTuple):
    start_ms: int
    end_ms: int
    text: str
    """One line."""


def srt(timeline: Timeline) -> str:
    """SubRip. It knows no escapes: "<" and ">" become their look-alikes, since players read tags into them."""
    return "".join(
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{_without_tags(cue.text)}\n\n"
        for number, cue in enumerate(_cues(timeline), start=1)
    )


def webvtt(timeline: Timeline) -> str:
    """WebVTT, escaped as its standard asks (W3C, "WebVTT cue text")."""
    cues = ["WEBVTT"]
    for cue in _cues(timeline):
        text = cue.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        cues.append(f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{text}")
    return "\n\n".join(cues) + "\n"


def answer_in_short(prediction: SegmentPrediction) -> str:
    """ "joy 82%", or the doubt; empty where there is no answer."""
    doubt = doubt_about(prediction)
    if doubt is not None or prediction.affect is None:
        return str(doubt or "")
    return f"{prediction.affect.top_emotion} {format_percent(prediction.affect.confidence)}"


def interval_ms(prediction: SegmentPrediction) -> tuple[int, int]:
    """(start, end) of the segment in whole milliseconds, at least one apart: no format knows moments of no length."""
    start_ms = round(prediction.segment.start_seconds * 1000)
    return start_ms, max(round(prediction.segment.end_seconds * 1000), start_ms + 1)


def _cues(timeline: Timeline) -> Iterator[_Cue]:
    """One for each segment that has words or an answer."""
    for prediction in timeline.segments:
        # A line break would end the cue.
        text = " · ".join(part for part in (answer_in_short(prediction), one_line(prediction.segment.text)) if part)
        if text:
            yield _Cue(*interval_ms(prediction), text)


def _without_tags(text: str) -> str:
    """The text with look-alikes of "<" and ">", for formats that know no escapes."""
    return text.replace("<", "‹").replace(">", "›")


def _clock(milliseconds: int, decimal_sign: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{decimal_sign}{milliseconds:03d}"
