"""The two plots of a timeline: seven emotions, and below them three sentiments, on one time axis.

The network answers once per segment, so every value holds over its segment and stops at its ends.
Where there was no answer there is a gap, and where the answer is in doubt the segment is hatched, lighter, and
says in words what the doubt is.
Both plots have the same range and the same side margins: at equal widths their pixels align.
Backgrounds are transparent and text is a grey that reads on white and on black.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sentiment.datatypes import SegmentPrediction, Timeline
from sentiment.doubt import doubt_about
from sentiment.figure_style import (
    DOUBT_ALPHA,
    HAIRLINE_COLOUR,
    HATCH_ALPHA,
    HATCH_COLOUR,
    INK,
    INVISIBLE,
    TEXT_COLOUR,
    figure_layout,
    ink_on,
    with_alpha,
)
from sentiment.labels import EMOTION_COLOURS, EMOTIONS, SENTIMENT_COLOURS, SENTIMENTS
from sentiment.timeline import format_clock, format_percent

if TYPE_CHECKING:
    from plotly.graph_objects import Bar, Figure, Scatter

EMOTION_PLOT_HEIGHT_PX = 276
RIBBON_SHARE = 0.12
"""Of the height of the emotion plot: 33 px."""

SENTIMENT_PLOT_HEIGHT_PX = 132

WORDS_PER_LINE_CHARS = 44
"""Where the words in a hover label are wrapped, so that it fits beside the pointer on a phone."""

MAX_HOVER_CHARS = 220

LEAST_HOVER_SHARE = 0.01
"""Emotions below are left out of the hover label."""


def emotion_figure(timeline: Timeline, show_legend: bool = True) -> Figure:
    """The likeliest emotion as a ribbon of names and, below it, the probabilities of all seven as steps.

    Axes: x is seconds in [0, duration]; y is probability in [0, 1]; y2 carries the ribbon.
    Hovering over a segment shows its time, its words and its probabilities.
    """
    from plotly.graph_objects import Figure

    segments = timeline.segments
    figure = Figure(layout=figure_layout(timeline, EMOTION_PLOT_HEIGHT_PX, show_legend))
    figure.add_trace(_top_emotion_fill(segments))
    figure.add_trace(_hover_bars(segments, base=0.0, height=1.0))
    for index, emotion in enumerate(EMOTIONS):
        values = [None if p.affect is None else p.affect.emotion[index] for p in segments]
        figure.add_trace(_steps(segments, values, emotion, EMOTION_COLOURS[emotion]))
    figure.add_trace(_ribbon(segments))
    figure.add_trace(_hatch_legend())
    figure.update_yaxes(range=[0, 1.02], domain=[0, 0.8], tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".0%")
    figure.update_layout(
        yaxis2={
            "domain": [1 - RIBBON_SHARE, 1],
            "range": [-0.5, 0.5],
            "visible": False,
            "fixedrange": True,
            "anchor": "x",
        },
    )
    return figure


def sentiment_figure(timeline: Timeline, show_legend: bool = True) -> Figure:
    """The three sentiments as steps: positive above the line, negative below it, neutral as a grey line.

    Axes: x is seconds in [0, duration], y is P(positive) upward and P(negative) downward, both in [0, 1].
    """
    from plotly.graph_objects import Figure

    segments = timeline.segments
    figure = Figure(layout=figure_layout(timeline, SENTIMENT_PLOT_HEIGHT_PX, show_legend))
    for sentiment, sign in (("positive", 1.0), ("negative", -1.0)):
        figure.add_trace(_sentiment_bars(segments, sentiment, sign))
    figure.add_trace(_hover_bars(segments, base=-1.0, height=2.0))
    index = SENTIMENTS.index("neutral")
    values = [None if p.affect is None else p.affect.sentiment[index] for p in segments]
    figure.add_trace(_steps(segments, values, "neutral", SENTIMENT_COLOURS["neutral"]))
    figure.update_yaxes(
        range=[-1.04, 1.04],
        tickvals=[-1, -0.5, 0, 0.5, 1],
        ticktext=["100%", "50%", "0", "50%", "100%"],
        zeroline=True,
        zerolinecolor=TEXT_COLOUR,
        zerolinewidth=1,
    )
    return figure


# ---------------------------------------------------------------- traces


def _steps(segments: Sequence[SegmentPrediction], values: Sequence[float | None], name: str, colour: str) -> Scatter:
    """One probability, held over each segment; neighbours that touch are joined, everything else is a gap."""
    from plotly.graph_objects import Scatter

    times: list[float | None] = []
    steps: list[float | None] = []
    end_seconds = None
    for prediction, value in zip(segments, values, strict=True):
        if value is None:
            continue
        segment = prediction.segment
        if times and segment.start_seconds != end_seconds:
            times.append(None)
            steps.append(None)
        times += [segment.start_seconds, segment.end_seconds]
        steps += [value, value]
        end_seconds = segment.end_seconds
    line = {"color": colour, "width": 1.5 if name == "neutral" else 2.5}
    return Scatter(x=times, y=steps, name=name, mode="lines", line=line, hoverinfo="skip")


def _top_emotion_fill(segments: Sequence[SegmentPrediction]) -> Bar:
    """A breath of colour below the likeliest emotion of each segment, to lead the eye from one to the next."""
    answers = [p.affect for p in segments]
    return _bars(
        segments,
        [0.0 if a is None else a.confidence for a in answers],
        name="top emotion",
        marker={
            "color": [
                INVISIBLE if a is None else with_alpha(EMOTION_COLOURS[a.top_emotion], 0.14 if p.certain else 0.06)
                for p, a in zip(segments, answers, strict=True)
            ],
            "line": {"width": 0},
        },
        hoverinfo="skip",
        showlegend=False,
    )


def _ribbon(segments: Sequence[SegmentPrediction]) -> Bar:
    """The likeliest emotion of each segment as a named block: hatched, lighter and with "?" where it is in doubt.

    Plotly leaves out a name that does not fit into its block.
    """
    from plotly.graph_objects import Bar

    answered = [(p, p.affect.top_emotion) for p in segments if p.affect is not None]
    predictions = [p for p, _ in answered]
    return Bar(
        orientation="h",
        base=[p.segment.start_seconds for p in predictions],
        x=[p.segment.duration_seconds for p in predictions],
        y=[0.0] * len(predictions),
        width=1.0,
        yaxis="y2",
        name="ribbon",
        text=[top if p.certain else f'<span style="color:{INK}">{top} ?</span>' for p, top in answered],
        textposition="inside",
        insidetextanchor="start",
        textangle=0,
        textfont={"size": 12, "weight": 600, "color": [ink_on(EMOTION_COLOURS[top]) for _, top in answered]},
        marker={
            "color": [with_alpha(EMOTION_COLOURS[top], 1.0 if p.certain else DOUBT_ALPHA) for p, top in answered],
            "line": {"width": 1, "color": HAIRLINE_COLOUR},
            "cornerradius": 0,
            "pattern": {
                **_hatching(predictions),
                "fgcolor": [with_alpha(EMOTION_COLOURS[top], HATCH_ALPHA) for _, top in answered],
            },
        },
        showlegend=False,
        **_hover(predictions),
    )


def _sentiment_bars(segments: Sequence[SegmentPrediction], sentiment: str, sign: float) -> Bar:
    answered = [p for p in segments if p.affect is not None]
    index = SENTIMENTS.index(sentiment)
    colour = SENTIMENT_COLOURS[sentiment]
    return _bars(
        answered,
        [sign * p.affect.sentiment[index] for p in answered if p.affect is not None],
        name=sentiment,
        marker={
            "color": [with_alpha(colour, 0.85 if p.certain else 0.4) for p in answered],
            "line": {"width": 0},
        },
        hoverinfo="skip",
    )


def _hover_bars(segments: Sequence[SegmentPrediction], base: float, height: float) -> Bar:
    """Unseen bars over the full height: what the pointer finds, and what carries the hatching."""
    return _bars(
        segments,
        [height] * len(segments),
        base=base,
        name="segments",
        marker={"color": INVISIBLE, "line": {"width": 0}, "pattern": _hatching(segments)},
        showlegend=False,
        **_hover(segments),
    )


def _hatch_legend() -> Bar:
    """An entry of the legend alone: what the hatching means."""
    from plotly.graph_objects import Bar

    pattern = {"shape": "/", "fgcolor": TEXT_COLOUR, "bgcolor": INVISIBLE, "size": 5, "solidity": 0.25}
    return Bar(
        x=[None], y=[None], name="unsure or mixed", marker={"color": INVISIBLE, "pattern": pattern}, hoverinfo="skip"
    )


def _bars(segments: Sequence[SegmentPrediction], heights: Sequence[float], **options: Any) -> Bar:
    from plotly.graph_objects import Bar

    starts = [p.segment.start_seconds for p in segments]
    widths = [p.segment.duration_seconds for p in segments]
    return Bar(x=starts, y=list(heights), width=widths, offset=0, **options)


def _hatching(segments: Sequence[SegmentPrediction]) -> dict[str, Any]:
    return {
        "shape": ["/" if doubt_about(p) else "" for p in segments],
        "fgcolor": HATCH_COLOUR,
        "fillmode": "overlay",
        "size": 7,
        "solidity": 0.16,
    }


# ---------------------------------------------------------------- words


def _hover(segments: Sequence[SegmentPrediction]) -> dict[str, Any]:
    return {"hovertext": [_hover_text(p) for p in segments], "hovertemplate": "%{hovertext}<extra></extra>"}


def _hover_text(prediction: SegmentPrediction) -> str:
    """What a hover label says, in Plotly's small HTML; words are escaped."""
    segment, affect = prediction.segment, prediction.affect
    lines = [f"{format_clock(segment.start_seconds)} – {format_clock(segment.end_seconds)}"]
    if segment.text:
        words = textwrap.shorten(segment.text, MAX_HOVER_CHARS, placeholder=" …")
        lines += [f"<b>{html.escape(line)}</b>" for line in textwrap.wrap(words, WORDS_PER_LINE_CHARS)]
    else:
        lines.append("<i>no speech</i>")
    if affect is None:
        return "<br>".join([*lines, "no answer: no words, no voice, no face"])
    doubt = doubt_about(prediction)
    if doubt:
        lines.append(f"<i>{doubt}</i>")
    for name, share in affect.ranked_emotions:
        if share >= LEAST_HOVER_SHARE:
            lines.append(f'<span style="color:{EMOTION_COLOURS[name]}">●</span> {name} {format_percent(share)}')
    lines.append(" · ".join(f"{n} {format_percent(p)}" for n, p in zip(SENTIMENTS, affect.sentiment, strict=True)))
    return "<br>".join(lines)
