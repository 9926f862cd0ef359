"""Two cuts on one axis, and several viewers on that of their stimulus.

As everywhere, values hold over their segment and stop at its ends: steps, and gaps where there is no answer. What is
unsure is paler. Lines of cuts and viewers borrow no colour of an emotion or a sentiment, and differ in more than
colour: the first cut is dashed, the second one solid.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sentiment.compare import CUT_LETTERS, Comparison, format_score
from sentiment.datatypes import SegmentPrediction
from sentiment.doubt import doubt_about
from sentiment.figure_style import INVISIBLE, SCORE_TICKS, TEXT_COLOUR, time_layout, with_alpha
from sentiment.labels import SENTIMENT_COLOURS
from sentiment.reactions import Reactions, emotions_of
from sentiment.steps import NO_ANSWER
from sentiment.timeline import format_clock, format_percent

if TYPE_CHECKING:
    from plotly.graph_objects import Bar, Figure, Scatter

CUT_COLOURS = ("#787D86", "#8C6BB1")
"""A grey and ColorBrewer's purple: 3:1 and more against the light page and the dark one, and neither an emotion's."""

CUT_DASHES = ("6px,3px", "solid")

VIEWERS_COLOUR = CUT_COLOURS[1]

UNSURE_ALPHA = 0.4

COMPARISON_HEIGHT_PX = 230

REACTIONS_HEIGHT_PX = 260
VIEWERS_SHARE = 0.14
"""Of the height of the reactions' plot, for how many viewers count."""

MAX_VIEWER_LINES = 12
"""With more viewers their own lines are a tangle; the band stands for them."""

LAST_TICK_PX = 24
"""Room to the right for half of "100%"; Plotly leaves out what does not fit."""

ZERO_LINE = {"zeroline": True, "zerolinecolor": TEXT_COLOUR, "zerolinewidth": 1}


def comparison_figure(comparison: Comparison) -> Figure:
    """The sentiment score of both cuts as steps, and between them a shade: blue where the second is more positive.

    Axes: x is seconds in [0, the longer cut's end], or shares of each cut in [0, 1]; y is the score in [-1, 1].
    """
    from plotly.graph_objects import Figure

    cells = comparison.cells
    figure = Figure(layout=time_layout(float(cells.edges[-1]), COMPARISON_HEIGHT_PX, show_legend=False))
    figure.add_trace(_difference_shade(comparison))
    for row, (letter, colour, dash) in enumerate(zip(CUT_LETTERS, CUT_COLOURS, CUT_DASHES, strict=True)):
        certain, answered = cells.certain[row], cells.segments[row] != NO_ANSWER
        for name, shown, alpha in (("", certain, 1.0), (" unsure", answered & ~certain, UNSURE_ALPHA)):
            line = {"color": with_alpha(colour, alpha), "width": 3, "dash": dash}
            figure.add_trace(_steps(cells.edges, np.where(shown, cells.scores[row], np.nan), letter + name, line))
    figure.add_trace(_hover(cells.edges, [_comparison_hover(comparison, i) for i in range(len(cells.lengths))]))
    figure.update_yaxes(range=[-1.04, 1.04], **SCORE_TICKS, **ZERO_LINE)
    if comparison.is_relative:
        figure.update_xaxes(tickvals=[0, 0.25, 0.5, 0.75, 1], ticktext=["0%", "25%", "50%", "75%", "100%"])
        figure.update_layout(margin_r=LAST_TICK_PX)
    return figure


def reactions_figure(reactions: Reactions) -> Figure:
    """The viewers' mean as steps in a band of one standard deviation, and below it how many viewers have an answer.

    Axes: x is seconds of the stimulus; y is the score in [-1, 1]; y2 counts viewers.
    """
    from plotly.graph_objects import Figure

    cells = reactions.cells
    figure = Figure(layout=time_layout(reactions.duration_seconds, REACTIONS_HEIGHT_PX, show_legend=False))
    figure.add_trace(_band(reactions))
    if 1 < len(reactions.recordings) <= MAX_VIEWER_LINES:
        line = {"color": with_alpha(TEXT_COLOUR, 0.35), "width": 1}
        for recording, scores in zip(reactions.recordings, cells.scores, strict=True):
            figure.add_trace(_steps(cells.edges, scores, html.escape(recording.name), line))
    figure.add_trace(_steps(cells.edges, reactions.mean, "mean", {"color": VIEWERS_COLOUR, "width": 3}))
    figure.add_trace(_viewer_counts(reactions))
    figure.add_trace(_hover(cells.edges, [_reactions_hover(reactions, i) for i in range(len(cells.lengths))]))
    figure.update_yaxes(range=[-1.04, 1.04], domain=[VIEWERS_SHARE + 0.1, 1], **SCORE_TICKS, **ZERO_LINE)
    count = len(reactions.recordings)
    figure.update_layout(
        yaxis2={
            "domain": [0, VIEWERS_SHARE],
            "range": [0, count],
            "tickvals": [0, count],
            "fixedrange": True,
            "showgrid": False,
            "anchor": "x",
        },
        xaxis_anchor="y2",  # the times stand at the bottom of all
    )
    return figure


# ---------------------------------------------------------------- traces


def _steps(edges: np.ndarray, values: np.ndarray, name: str, line: dict[str, Any]) -> Scatter:
    """(n,) values over the cells of (n + 1,) edges; neighbours are joined, and NaN is a gap."""
    from plotly.graph_objects import Scatter

    x: list[float | None] = []
    y: list[float | None] = []
    for run in _runs(values):
        for column in run:
            x += [edges[column], edges[column + 1]]
            y += [values[column], values[column]]
        x.append(None)
        y.append(None)
    return Scatter(x=x, y=y, name=name, mode="lines", line=line, hoverinfo="skip")


def _band(reactions: Reactions) -> Scatter:
    """One standard deviation to either side of the mean, within [-1, 1], where two viewers or more have an answer."""
    from plotly.graph_objects import Scatter

    edges = reactions.cells.edges
    low, high = (np.clip(reactions.mean + side * reactions.deviation, -1, 1) for side in (-1, 1))
    x: list[float | None] = []
    y: list[float | None] = []
    for run in _runs(low):
        there = [(edges[i + k], high[i]) for i in run for k in (0, 1)]
        back = [(edges[i + k], low[i]) for i in reversed(run) for k in (1, 0)]
        x += [*(place for place, _ in there + back), None]
        y += [*(value for _, value in there + back), None]
    fill = with_alpha(VIEWERS_COLOUR, 0.25)
    line = {"width": 0}
    return Scatter(x=x, y=y, name="spread", mode="lines", fill="toself", fillcolor=fill, line=line, hoverinfo="skip")


def _viewer_counts(reactions: Reactions) -> Bar:
    from plotly.graph_objects import Bar

    return Bar(
        x=reactions.cells.edges[:-1],
        width=reactions.cells.lengths,
        offset=0,
        y=reactions.viewers,
        yaxis="y2",
        name="viewers",
        marker={"color": with_alpha(TEXT_COLOUR, 0.35), "line": {"width": 0}, "cornerradius": 0},
        hoverinfo="skip",
    )


def _runs(values: np.ndarray) -> Iterator[range]:
    """Each longest run of columns that are no NaN."""
    known = np.concatenate([[False], ~np.isnan(values), [False]])
    turns = np.nonzero(known[1:] != known[:-1])[0]
    for start, end in zip(turns[::2].tolist(), turns[1::2].tolist(), strict=True):
        yield range(start, end)


def _difference_shade(comparison: Comparison) -> Bar:
    from plotly.graph_objects import Bar

    cells = comparison.cells
    first, second = cells.scores
    both = np.nonzero(~np.isnan(first) & ~np.isnan(second))[0]
    sides = np.where(second[both] > first[both], "positive", "negative")
    alphas = np.where(cells.certain[:, both].all(axis=0), 0.3, 0.12)
    colours = [with_alpha(SENTIMENT_COLOURS[side], alpha) for side, alpha in zip(sides, alphas.tolist(), strict=True)]
    return Bar(
        x=cells.edges[:-1][both],
        width=cells.lengths[both],
        offset=0,
        base=first[both],
        y=(second - first)[both],
        name="difference",
        marker={"color": colours, "line": {"width": 0}, "cornerradius": 0},
        hoverinfo="skip",
    )


def _hover(edges: np.ndarray, texts: list[str]) -> Bar:
    """Unseen bars over the full height: what the pointer finds."""
    from plotly.graph_objects import Bar

    return Bar(
        x=edges[:-1],
        width=np.diff(edges),
        offset=0,
        base=-1.0,
        y=[2.0] * len(texts),
        name="cells",
        marker={"color": INVISIBLE, "line": {"width": 0}},
        hovertext=texts,
        hovertemplate="%{hovertext}<extra></extra>",
    )


# ---------------------------------------------------------------- words


def _comparison_hover(comparison: Comparison, column: int) -> str:
    cells = comparison.cells
    lines = [span_in_words(comparison, float(cells.edges[column]), float(cells.edges[column + 1]))]
    for letter, cut, index in zip(CUT_LETTERS, comparison.cuts, cells.segments[:, column], strict=True):
        lines.append(f"<b>{letter}</b> {answer_in_words(None if index == NO_ANSWER else cut.timeline.segments[index])}")
    difference = float(cells.scores[1, column] - cells.scores[0, column])
    return "<br>".join([*lines, *([] if np.isnan(difference) else [f"difference {format_score(difference)}"])])


def span_in_words(comparison: Comparison, start: float, end: float) -> str:
    """A stretch of the axis: "0:04 – 0:09", or "25% – 40%"."""
    show = format_percent if comparison.is_relative else format_clock
    return f"{show(start)} – {show(end)}"


def answer_in_words(prediction: SegmentPrediction | None) -> str:
    """An answer in short: "joy 82%, sentiment +0.77"; with its doubt where there is one."""
    if prediction is None or prediction.affect is None:
        return "no answer"
    affect, doubt = prediction.affect, doubt_about(prediction)
    name = str(doubt) if doubt else f"{affect.top_emotion} {format_percent(affect.confidence)}"
    return f"{name}, sentiment {format_score(affect.sentiment_score)}"


def _reactions_hover(reactions: Reactions, column: int) -> str:
    edges, count = reactions.cells.edges, int(reactions.viewers[column])
    lines = [
        f"{format_clock(edges[column])} – {format_clock(edges[column + 1])}",
        f"{count} of {len(reactions.recordings)} viewers have an answer",
    ]
    if count:
        spread = "" if count < 2 else f" ± {reactions.deviation[column]:.2f}"
        lines.append(f"mean {format_score(reactions.mean[column])}{spread}")
    emotions = emotions_of(reactions.recordings, reactions.cells, column)
    if emotions:
        lines.append("certain of " + ", ".join(f"{name} {viewers}" for name, viewers in emotions.items()))
    return "<br>".join(lines)
