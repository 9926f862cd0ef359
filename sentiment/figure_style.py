"""What both plots share: margins, the time axis, text that reads on light and dark, and colours."""

from __future__ import annotations

import math
from typing import Any

from sentiment.datatypes import Timeline
from sentiment.timeline import format_clock

LEFT_MARGIN_PX = 44
"""Room for "100%"; the same in both plots, so that one playhead runs through both."""

RIGHT_MARGIN_PX = 12

TOP_MARGIN_PX = 6

AXIS_MARGIN_PX = 30
"""Room for the times below the plot."""

LEGEND_MARGIN_PX = 62
"""Room for a legend of three rows, as it wraps on a phone."""

MAX_TIME_TICKS = 7
"""As many "0:00" as fit side by side on a phone."""

TICK_STEPS_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)

TEXT_COLOUR = "#787D86"
GRID_COLOUR = "rgba(128,132,140,0.18)"
HATCH_COLOUR = "rgba(128,132,140,0.55)"
HAIRLINE_COLOUR = "rgba(22,24,28,0.30)"
INVISIBLE = "rgba(0,0,0,0)"
DOUBT_ALPHA = 0.2
HATCH_ALPHA = 0.6
"""How opaque a block of the ribbon is where the answer is in doubt, and its hatching in the emotion's colour."""

INK = f"var(--ink, {TEXT_COLOUR})"
"""The page's text colour, which reads on pale blocks in the light and in the dark; grey where there is no page."""

FONT_FAMILY = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def figure_layout(timeline: Timeline, plot_height_px: int, show_legend: bool) -> dict[str, Any]:
    """The layout of a timeline's plot whose axes are `plot_height_px` high; what is not analysed is shaded."""
    layout = time_layout(timeline.duration_seconds, plot_height_px, show_legend)
    return {**layout, "shapes": _unfinished(timeline)}


BASE_LAYOUT = {
    "paper_bgcolor": INVISIBLE,
    "plot_bgcolor": INVISIBLE,
    "font": {"family": FONT_FAMILY, "size": 12, "color": TEXT_COLOUR},
    "hovermode": "closest",
    "dragmode": False,
    "hoverlabel": {
        "align": "left",
        "bgcolor": "#1F2329",
        "bordercolor": "#1F2329",
        "font": {"family": FONT_FAMILY, "size": 13, "color": "#F4F5F7"},
    },
}
"""What all plots look like."""

SCORE_TICKS = {"tickvals": [-1, -0.5, 0, 0.5, 1], "ticktext": ["−1", "−0.5", "0", "+0.5", "+1"]}
"""Of an axis of sentiment scores."""


def time_layout(duration_seconds: float, plot_height_px: int, show_legend: bool) -> dict[str, Any]:
    """The layout of a plot over [0, duration] seconds whose axes are `plot_height_px` high.

    Zooming and panning are off: a finger that scrolls the page must not move the plot.
    """
    ticks = time_ticks(duration_seconds)
    bottom_px = AXIS_MARGIN_PX + (LEGEND_MARGIN_PX if show_legend else 0)
    return {
        **BASE_LAYOUT,
        "height": TOP_MARGIN_PX + plot_height_px + bottom_px,
        "margin": {"l": LEFT_MARGIN_PX, "r": RIGHT_MARGIN_PX, "t": TOP_MARGIN_PX, "b": bottom_px, "autoexpand": False},
        "barmode": "overlay",
        "barcornerradius": 3,
        "uniformtext": {"minsize": 11, "mode": "hide"},
        "showlegend": show_legend,
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": -AXIS_MARGIN_PX / plot_height_px,
            "yanchor": "top",
            "traceorder": "normal",
        },
        "xaxis": {
            "range": [0, duration_seconds],
            "tickvals": ticks,
            "ticktext": [format_clock(t) for t in ticks],
            "ticks": "outside",
            "ticklen": 5,
            "tickcolor": GRID_COLOUR,
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
        },
        "yaxis": {"fixedrange": True, "automargin": False, "gridcolor": GRID_COLOUR, "zeroline": False},
    }


def _unfinished(timeline: Timeline) -> list[dict[str, Any]]:
    """A shade over what is not analysed yet, or never will be because the analysis was cancelled."""
    if timeline.is_complete:
        return []
    return [
        {
            "type": "rect",
            "xref": "x",
            "x0": timeline.analysed_seconds,
            "x1": timeline.duration_seconds,
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "line": {"width": 0},
            "fillcolor": "rgba(128,132,140,0.10)",
            "layer": "below",
            "label": {"text": "not analysed", "textposition": "middle center", "font": {"size": 12}},
        }
    ]


def time_ticks(duration_seconds: float) -> list[float]:
    """At most MAX_TIME_TICKS + 1 round times in [0, duration], the start included."""
    fitting = (step for step in TICK_STEPS_SECONDS if duration_seconds / step <= MAX_TIME_TICKS)
    step = next(fitting, 3600 * math.ceil(duration_seconds / 3600 / MAX_TIME_TICKS))
    return [float(t) for t in range(0, math.floor(duration_seconds) + 1, step)]


def channels(colour: str) -> tuple[int, int, int]:
    """The red, green and blue of "#RRGGBB", each in [0, 255]."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def with_alpha(colour: str, alpha: float) -> str:
    """The colour "#RRGGBB" as CSS, this opaque; alpha in [0, 1]."""
    return "rgba({},{},{},{})".format(*channels(colour), alpha)


def ink_on(colour: str) -> str:
    """Black or white, whichever stands out more: by relative luminance as WCAG 2 defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in channels(colour))]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#FFFFFF" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "#16181C"
