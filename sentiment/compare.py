"""Two cuts of one video side by side: where they start, peak and end, and what changed most between them.

Numbers of one cut (its means, peaks and shares) count certain time alone, as its summary does: a file has the same
numbers here as by itself. Changes from moment to moment are taken wherever both cuts have an answer, and say whether
both are certain of it. Where either has none, there is nothing to compare, and no number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sentiment.datatypes import SegmentPrediction, Timeline
from sentiment.labels import EMOTIONS
from sentiment.plain_text import one_line, video_name
from sentiment.steps import NO_ANSWER, Cells, Placement, cut_into_cells
from sentiment.timeline import format_clock

WINDOW_SECONDS = 8.0
"""How much of a cut its opening and its ending are. A shorter cut is both."""

LEAST_CHANGE_SECONDS = 0.5
"""Shorter stretches that two cuts share are where their cuts happen to lie, not something that one sees."""

ALIKE_DIFFERENCE = 0.1
"""Means that differ by less are called alike: a twentieth of the scale from -1 to 1."""

CUT_LETTERS = ("A", "B")
"""What a person calls the two."""

SCORE_DIGITS = 2
"""Of a sentiment score, as a person is told it."""


@dataclass(frozen=True, slots=True)
class WindowMean:
    """The mean sentiment of one part of a cut."""

    start_seconds: float
    end_seconds: float
    sentiment_score: float | None
    """P(positive) - P(negative) averaged over the certain time, in [-1, 1]; None where nothing is certain."""
    certain_seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """One of the two. Mean, peaks and emotion shares are those of its timeline's summary."""

    timeline: Timeline
    opening: WindowMean
    """The first WINDOW_SECONDS."""
    ending: WindowMean
    """The last WINDOW_SECONDS."""

    @property
    def name(self) -> str:
        return one_line(video_name(self.timeline)) or "Video"


@dataclass(frozen=True, slots=True)
class Change:
    """A stretch over which each cut has one answer. Pairs are (first cut, second cut)."""

    start: float
    end: float
    """On the comparison's axis: seconds, or with relative time shares of each cut."""
    segments: tuple[int, int]
    """The indices of the two segments."""
    starts_seconds: tuple[float, float]
    ends_seconds: tuple[float, float]
    scores: tuple[float, float]
    """P(positive) - P(negative), each in [-1, 1]."""
    certain: bool
    """Whether both answers are."""

    @property
    def difference(self) -> float:
        """The second cut's score less the first's, in [-2, 2]."""
        return self.scores[1] - self.scores[0]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two cuts on one axis."""

    cuts: tuple[Cut, Cut]
    is_relative: bool
    """Whether the axis is the share of each cut, 0 to 1, instead of seconds."""
    cells: Cells
    """k = 2; from 0 to the end of the longer cut."""
    changes: tuple[Change, ...]
    """From the largest difference down, whichever way it goes; of at least LEAST_CHANGE_SECONDS in both cuts."""

    @property
    def mean_difference(self) -> float | None:
        """The second cut's mean sentiment less the first's, in [-2, 2]; None where either has no certain time."""
        first, second = (cut.timeline.summary.mean_sentiment_score for cut in self.cuts)
        return None if first is None or second is None else second - first

    @property
    def emotion_difference(self) -> Mapping[str, float]:
        """For each of EMOTIONS, its share of the second cut's certain time less that of the first's, in [-1, 1].

        Empty where either cut has no certain time.
        """
        first, second = (cut.timeline.summary.emotion_share for cut in self.cuts)
        return {name: second[name] - first[name] for name in EMOTIONS} if first and second else {}

    def answers(self, change: Change) -> tuple[SegmentPrediction, SegmentPrediction]:
        """The two segments of a change."""
        first, second = (cut.timeline.segments[i] for cut, i in zip(self.cuts, change.segments, strict=True))
        return first, second


def compare_timelines(first: Timeline, second: Timeline, is_relative: bool = False) -> Comparison:
    """Put two cuts side by side, second by second, or with relative time share by share of their lengths.

    Relative time fits cuts that were paced differently; on real time, what the longer one has at its end is
    compared with nothing.

    Raises:
        SettingsError: one of them is not analysed to its end.
    """
    timelines = (first, second)
    placements = [Placement(t, unit_seconds=t.duration_seconds if is_relative else 1.0) for t in timelines]
    end = 1.0 if is_relative else max(t.duration_seconds for t in timelines)
    cells = cut_into_cells(placements, end)
    changes = _changes(placements, cells)
    return Comparison((_cut(first), _cut(second)), is_relative, cells, tuple(changes))


def comparison_headline(comparison: Comparison) -> str:
    """One plain sentence on the means: "On average B is more positive than A, +0.34 against −0.10; it ends alike."

    What it says rests on certain time alone, and where there is none it says so.
    """
    first, second = comparison.cuts
    difference = comparison.mean_difference
    if difference is None:
        without = [f"{letter} ({cut.name})" for letter, cut in zip(CUT_LETTERS, comparison.cuts, strict=True)
                   if cut.timeline.summary.mean_sentiment_score is None]  # fmt: skip
        return f"There is no mean to compare: no answer of {' or '.join(without)} is certain."
    means = [format_score(cut.timeline.summary.mean_sentiment_score) for cut in (second, first)]
    sentence = f"On average B is {_than_a(difference)}, {means[0]} against {means[1]}"
    parts = [
        f"{verb} {_more(b.sentiment_score - a.sentiment_score)}"
        for verb, a, b in (("opens", first.opening, second.opening), ("ends", first.ending, second.ending))
        if a.sentiment_score is not None and b.sentiment_score is not None
    ]
    return f"{sentence}; it {' and '.join(parts)}." if parts else f"{sentence}."


def length_note(comparison: Comparison) -> str:
    """What different lengths mean for the comparison, in a sentence; "" where they are the same to the second."""
    lengths = [cut.timeline.duration_seconds for cut in comparison.cuts]
    clocks = [format_clock(seconds) for seconds in lengths]
    if abs(lengths[0] - lengths[1]) < 1:
        return ""
    last = f"A lasts {clocks[0]}, B {clocks[1]}"
    if comparison.is_relative:
        return f"{last}; each is drawn over its own length."
    longer = CUT_LETTERS[lengths[1] > lengths[0]]
    return f"{last}; what {longer} has after {format_clock(min(lengths))} is compared with nothing."


def format_score(score: float | None) -> str:
    """A sentiment score with its sign: "+0.34", "−0.10", "0.00"; "–" where there is none."""
    if score is None or math.isnan(score):
        return "–"
    rounded = round(score, SCORE_DIGITS)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else ''}{abs(rounded):.{SCORE_DIGITS}f}"


# ---------------------------------------------------------------- numbers


def _cut(timeline: Timeline) -> Cut:
    duration_seconds = timeline.duration_seconds
    return Cut(
        timeline,
        opening=window_mean(timeline, 0.0, min(WINDOW_SECONDS, duration_seconds)),
        ending=window_mean(timeline, max(0.0, duration_seconds - WINDOW_SECONDS), duration_seconds),
    )


def window_mean(timeline: Timeline, start_seconds: float, end_seconds: float) -> WindowMean:
    """The mean sentiment score over the certain time of [start, end), each answer weighted by what of it lies there."""
    certain_seconds, weighted = 0.0, 0.0
    for prediction in timeline.segments:
        if not prediction.certain or prediction.affect is None:
            continue
        segment = prediction.segment
        seconds = min(segment.end_seconds, end_seconds) - max(segment.start_seconds, start_seconds)
        if seconds > 0:
            certain_seconds += seconds
            weighted += seconds * prediction.affect.sentiment_score
    mean = weighted / certain_seconds if certain_seconds > 0 else None
    return WindowMean(start_seconds, end_seconds, mean, certain_seconds)


def _changes(placements: list[Placement], cells: Cells) -> list[Change]:
    """Both cuts answer with one segment each in every cell: a change is a cell that is long enough.

    Two neighbouring cells never have the same two segments, for an edge lies only where an answer begins or ends.
    """
    changes = []
    for column in range(len(cells.lengths)):
        segments = (int(cells.segments[0, column]), int(cells.segments[1, column]))
        if NO_ANSWER in segments:
            continue
        start, end = float(cells.edges[column]), float(cells.edges[column + 1])
        starts = (placements[0].time_seconds(start), placements[1].time_seconds(start))
        ends = (placements[0].time_seconds(end), placements[1].time_seconds(end))
        if min(e - s for s, e in zip(starts, ends, strict=True)) < LEAST_CHANGE_SECONDS:
            continue
        scores = (float(cells.scores[0, column]), float(cells.scores[1, column]))
        certain = bool(cells.certain[:, column].all())
        changes.append(Change(start, end, segments, starts, ends, scores, certain))
    return sorted(changes, key=lambda change: -abs(change.difference))


# ---------------------------------------------------------------- words


def _than_a(difference: float) -> str:
    return "about as positive as A" if _is_alike(difference) else f"{_more(difference)} than A"


def _more(difference: float) -> str:
    return "alike" if _is_alike(difference) else "more positive" if difference > 0 else "more negative"


def _is_alike(difference: float) -> bool:
    return abs(difference) < ALIKE_DIFFERENCE
