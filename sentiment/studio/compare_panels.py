"""The parts of the Compare page that are plain HTML. Words that come from a file are escaped here."""

from __future__ import annotations

from html import escape

import numpy as np

from sentiment.compare import (
    CUT_LETTERS,
    LEAST_CHANGE_SECONDS,
    WINDOW_SECONDS,
    Change,
    Comparison,
    WindowMean,
    comparison_headline,
    format_score,
    length_note,
)
from sentiment.compare_figures import CUT_COLOURS, answer_in_words, span_in_words
from sentiment.datatypes import Moment, SegmentPrediction, Timeline
from sentiment.doubt import doubt_about
from sentiment.labels import EMOTION_COLOURS, EMOTIONS, SENTIMENT_COLOURS
from sentiment.steps import NO_ANSWER
from sentiment.studio.panels import details_in_words, dot, emotion_name, legend_of, table
from sentiment.timeline import format_clock, format_percent

CHANGES_SHOWN = 6

LEAST_SCALE = 0.25
"""Bars of differences fill their track at this share or at the largest of them, so that little looks little."""


def verdict(comparison: Comparison) -> str:
    """The sentence, which file is which, and what different lengths mean."""
    names = "".join(
        f"<li>{cut_name(index)} {escape(cut.name)} · {format_clock(cut.timeline.duration_seconds)}</li>"
        for index, cut in enumerate(comparison.cuts)
    )
    note = length_note(comparison)
    note_line = f'<p class="note">{escape(note)}</p>' if note else ""
    return (
        f'<p class="headline">{escape(comparison_headline(comparison))}</p><ul class="chips">{names}</ul>{note_line}'
        '<p class="note">Means, peaks and shares count time with a certain answer alone.</p>'
    )


def cut_name(index: int) -> str:
    """The letter of a cut behind a sample of its line."""
    return (
        f'<i class="line-sample cut-{"ab"[index]}" style="color:{CUT_COLOURS[index]}"></i><b>{CUT_LETTERS[index]}</b>'
    )


def legend() -> str:
    """What the lines and the shade of the plot mean."""
    entries = [cut_name(index) for index in range(len(CUT_LETTERS))]
    for sentiment, words in (("positive", "B more positive"), ("negative", "B more negative")):
        entries.append(f'<i class="shade-sample" style="background:{SENTIMENT_COLOURS[sentiment]}"></i>{words}')
    entries.append("paler: unsure or mixed")
    return legend_of(entries)


# ---------------------------------------------------------------- numbers


def side_by_side(comparison: Comparison) -> str:
    """Opening, ending, mean and peaks of both cuts, and their differences, as a table."""
    first, second = comparison.cuts
    summaries = [cut.timeline.summary for cut in comparison.cuts]
    seconds = f"{WINDOW_SECONDS:.0f} s"
    rows = [
        _score_row("Mean", [_plain(s.mean_sentiment_score) for s in summaries], comparison.mean_difference),
        _window_row(f"First {seconds}", first.opening, second.opening),
        _window_row(f"Last {seconds}", first.ending, second.ending),
        _score_row(
            "Most positive", [_peak(c.timeline, c.timeline.summary.strongest_positive) for c in comparison.cuts]
        ),
        _score_row(
            "Most negative", [_peak(c.timeline, c.timeline.summary.strongest_negative) for c in comparison.cuts]
        ),
        _score_row("Certain", [f"{format_percent(s.certain_share)} of the time" for s in summaries]),
    ]
    return table("Sentiment of both cuts, from −1 to +1", ("", "A", "B", "B − A"), rows)


def _window_row(name: str, first: WindowMean, second: WindowMean) -> str:
    scores = (first.sentiment_score, second.sentiment_score)
    difference = None if scores[0] is None or scores[1] is None else scores[1] - scores[0]
    return _score_row(name, [_window(first), _window(second)], difference)


def _window(window: WindowMean) -> str:
    if window.sentiment_score is None:
        return _plain(None)
    certain = f'<span class="small">{window.certain_seconds:.1f} s certain</span>'
    return f"{_plain(window.sentiment_score)} {certain}"


def _plain(score: float | None) -> str:
    return '<span class="absent">none certain</span>' if score is None else format_score(score)


def _peak(timeline: Timeline, moment: Moment | None) -> str:
    if moment is None:
        return '<span class="absent">none</span>'
    affect = timeline.segments[moment.segment_index].affect
    emotion = "" if affect is None else f" {affect.top_emotion}"
    when = f'<span class="small">at {format_clock(moment.time_seconds)}{emotion}</span>'
    return f"{format_score(moment.sentiment_score)} {when}"


def _score_row(name: str, cells: list[str], difference: float | None = None) -> str:
    last = format_score(difference) if difference is not None else '<span class="absent">–</span>'
    return _row(name, [*cells, last])


def emotion_shares(comparison: Comparison) -> str:
    """Each emotion's share of the certain time in both cuts, and a bar to the side on which there is more of it."""
    difference = comparison.emotion_difference
    first, second = (cut.timeline.summary.emotion_share for cut in comparison.cuts)
    scale = max([LEAST_SCALE, *(abs(value) for value in difference.values())])
    rows = [
        _row(
            f"{dot(EMOTION_COLOURS[name])}{name}",
            [
                *(format_percent(share[name]) if share else "–" for share in (first, second)),
                _bar(difference[name], scale, EMOTION_COLOURS[name]) if difference else "–",
            ],
        )
        for name in EMOTIONS
    ]
    return table("Share of the certain time per emotion", ("", "A", "B", "less or more in B"), rows)


def _bar(difference: float, scale: float, colour: str) -> str:
    width = 50 * abs(difference) / scale
    left = 50 if difference >= 0 else 50 - width
    points = round(100 * difference)
    words = f"{'+' if points > 0 else '−' if points < 0 else ''}{abs(points)} points"
    return (
        f'<span class="difference"><span class="track" aria-hidden="true">'
        f'<i style="left:{left:.1f}%;width:{width:.1f}%;background:{colour}"></i></span>'
        f'<span class="number">{words}</span></span>'
    )


def _row(name: str, cells: list[str]) -> str:
    return f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


# ---------------------------------------------------------------- what changed


def strongest_changes(comparison: Comparison) -> str:
    """The stretches over which the two lie farthest apart, each with both answers and their words."""
    shown = comparison.changes[:CHANGES_SHOWN]
    if not shown:
        return '<p class="note">Nowhere do both cuts have an answer at the same time.</p>'
    return f'<ol class="changes">{"".join(_change(comparison, change) for change in shown)}</ol>'


def _change(comparison: Comparison, change: Change) -> str:
    sides = "".join(
        _side(index, prediction, _span(change, index) if comparison.is_relative else "")
        for index, prediction in enumerate(comparison.answers(change))
    )
    unsure = "" if change.certain else ' <span class="small">unsure</span>'
    side = SENTIMENT_COLOURS["positive" if change.difference >= 0 else "negative"]
    return (
        f'<li><p class="change-head" style="--side:{side}"><b class="number">'
        f"{span_in_words(comparison, change.start, change.end)}</b>"
        f'<span class="number">{format_score(change.difference)}</span>{unsure}</p>{sides}</li>'
    )


def _span(change: Change, index: int) -> str:
    """When a change is in one of the cuts, where the axis does not say it."""
    return f"{format_clock(change.starts_seconds[index])} – {format_clock(change.ends_seconds[index])}"


def _side(index: int, prediction: SegmentPrediction, span: str) -> str:
    affect, doubt = prediction.affect, doubt_about(prediction)
    assert affect is not None  # a change is between two answers
    name = escape(str(doubt)) if doubt else f"{emotion_name(affect.top_emotion)} {format_percent(affect.confidence)}"
    when = f'<span class="small number">{span}</span> ' if span else ""
    words = f'<span class="said">“{escape(prediction.segment.text)}”</span>' if prediction.segment.text else ""
    score = f'<span class="number">{format_score(affect.sentiment_score)}</span>'
    return f'<p class="change-side">{cut_name(index)} {when}{name} {score}{words}</p>'


def in_words(comparison: Comparison) -> str:
    """What the plot shows, for those who cannot see it; without what lasts an instant."""
    cells = comparison.cells
    least = LEAST_CHANGE_SECONDS
    if comparison.is_relative:
        least /= max(cut.timeline.duration_seconds for cut in comparison.cuts)
    items = []
    for column in np.nonzero(cells.lengths >= least)[0].tolist():
        answers = [
            f"{letter} {answer_in_words(None if index == NO_ANSWER else cut.timeline.segments[index])}"
            for letter, cut, index in zip(CUT_LETTERS, comparison.cuts, cells.segments[:, column], strict=True)
        ]
        span = span_in_words(comparison, float(cells.edges[column]), float(cells.edges[column + 1]))
        items.append(f"{span}: {escape('; '.join(answers))}.")
    return details_in_words("The plot in words", items)
