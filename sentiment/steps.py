"""Several timelines as steps on one axis, cut wherever any of them changes.

Between two neighbouring cuts, in a cell, every timeline has one answer or none. So nothing is sampled and nothing
is drawn between answers: what is computed from the cells is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sentiment.datatypes import Affect, Timeline
from sentiment.errors import SettingsError
from sentiment.plain_text import video_name
from sentiment.timeline import format_clock

NO_ANSWER = -1
"""In place of the index of a segment."""

EDGE_DIGITS = 9
"""Edges that agree in so many decimals are one: sums of floats differ behind them."""


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """A timeline, and where it lies on the shared axis: position = (time - origin_seconds) / unit_seconds."""

    timeline: Timeline
    origin_seconds: float = 0.0
    unit_seconds: float = 1.0

    def position(self, time_seconds: np.ndarray) -> np.ndarray:
        """Where times of the timeline, of any shape, lie on the axis."""
        return (time_seconds - self.origin_seconds) / self.unit_seconds

    def time_seconds(self, position: float) -> float:
        """The time of the timeline at a position of the axis; the inverse of `position`."""
        return position * self.unit_seconds + self.origin_seconds


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """An axis from 0 to its end in n cells, and what each of k timelines says in each of them."""

    edges: np.ndarray
    """(n + 1,) float64, rising from 0."""
    segments: np.ndarray
    """(k, n) int64: the index of the segment that answers, NO_ANSWER where none does."""
    scores: np.ndarray
    """(k, n) float64: P(positive) - P(negative) in [-1, 1], NaN where there is no answer."""
    certain: np.ndarray
    """(k, n) bool: whether that answer is certain."""

    @property
    def lengths(self) -> np.ndarray:
        """(n,) float64, in the axis's unit."""
        return np.diff(self.edges)


def cut_into_cells(placements: Sequence[Placement], end: float) -> Cells:
    """The cells of [0, end); what lies outside is left out.

    Raises:
        SettingsError: a timeline is not complete: what is missing could be anything.
    """
    for placement in placements:
        _check_complete(placement.timeline)
    spans = [_answered_spans(placement) for placement in placements]
    inner = np.concatenate([np.array([0.0, end]), *(np.concatenate([starts, ends]) for _, starts, ends in spans)])
    edges = np.unique(np.round(inner[(inner >= 0) & (inner <= end)], EDGE_DIGITS))
    middles = (edges[:-1] + edges[1:]) / 2
    segments = np.stack([_segment_at(span, middles) for span in spans])
    rows = list(zip(placements, segments, strict=True))
    return Cells(
        edges,
        segments,
        scores=np.stack([_looked_up([_score(p.affect) for p in place.timeline.segments], i) for place, i in rows]),
        certain=np.stack(
            [_looked_up([float(p.certain) for p in place.timeline.segments], i) == 1 for place, i in rows]
        ),
    )


def _check_complete(timeline: Timeline) -> None:
    if not timeline.is_complete:
        done, whole = format_clock(timeline.analysed_seconds), format_clock(timeline.duration_seconds)
        raise SettingsError(
            f"{video_name(timeline) or 'A timeline'} is analysed up to {done} of {whole} only; analyse it to its end."
        )


_Spans = tuple[np.ndarray, np.ndarray, np.ndarray]
"""The indices of the answered segments, and the positions of their starts and ends."""


def _answered_spans(placement: Placement) -> _Spans:
    segments = placement.timeline.segments
    answered = [index for index, p in enumerate(segments) if p.affect is not None]
    starts = np.array([segments[i].segment.start_seconds for i in answered], dtype=np.float64)
    ends = np.array([segments[i].segment.end_seconds for i in answered], dtype=np.float64)
    return np.array(answered, dtype=np.int64), placement.position(starts), placement.position(ends)


def _segment_at(spans: _Spans, positions: np.ndarray) -> np.ndarray:
    """(n,) for (n,): which segment holds there. Segments never overlap, so it is the last that has begun, or none."""
    indices, starts, ends = spans
    if len(indices) == 0:
        return np.full(len(positions), NO_ANSWER)
    last = np.searchsorted(starts, positions, side="right") - 1
    holds = (last >= 0) & (positions < ends[last])
    return np.where(holds, indices[last], NO_ANSWER)


def _looked_up(values: Sequence[float], indices: np.ndarray) -> np.ndarray:
    """The value of each index, NaN for NO_ANSWER, which is the place after the last."""
    return np.array([*values, np.nan], dtype=np.float64)[indices]


def _score(affect: Affect | None) -> float:
    return np.nan if affect is None else affect.sentiment_score
