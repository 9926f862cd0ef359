"""The page of a batch: its files in order, with a chart of all of them. It needs nothing else and works offline.

The template is assets/ranking.html. What the figure shows of names is escaped here, because Plotly
reads some HTML in it.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sentiment.batch_files import common_folder
from sentiment.compare import format_score
from sentiment.figure_style import BASE_LAYOUT, GRID_COLOUR, SCORE_TICKS
from sentiment.labels import EMOTION_COLOURS, EMOTIONS, SENTIMENT_COLOURS
from sentiment.page import plot_html, render_page
from sentiment.plain_text import one_line
from sentiment.timeline import format_clock, format_percent

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BALANCED_BELOW: Final = 0.1
"""A mean nearer to 0 leans to neither side: a twentieth of the scale from -1 to 1."""

PLOT_HEIGHT_PX: Final = 340
MARK_SIZE_PX: Final = 9

Row = Mapping[str, Any]
"""Of summaries.parquet, with what it does not have missing or None."""


def ranking_page(summaries: Sequence[Row], origin: Mapping[str, Any]) -> str:
    """The whole page as text, from the rows of summaries.parquet and from how they were made."""
    ranked, failed = rank(summaries)
    names = _short_names(summaries)
    return render_page(
        "ranking.html",
        title=f"{len(summaries)} {'file' if len(summaries) == 1 else 'files'}, ranked by sentiment",
        headline=set_headline(summaries),
        chips=_chips(ranked, origin),
        plot=plot_html(ranking_figure(ranked, names), "files"),
        emotion_colours=EMOTION_COLOURS.items(),
        shares=_shares(ranked),
        emotions=EMOTIONS,
        rows=[_table_row(place, row, names[row["path"]]) for place, row in enumerate(ranked, 1)],
        failed=[{"name": names[row["path"]], "error": row["error"]} for row in failed],
        origin=_origin(origin),
    )


def rank(summaries: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The files from the most positive mean sentiment down, those without one last; and the files that failed."""
    answered = [row for row in summaries if not row.get("error")]
    return (
        sorted(answered, key=lambda row: (_mean(row) is None, -(_mean(row) or 0.0))),
        [row for row in summaries if row.get("error")],
    )


def set_headline(summaries: Sequence[Row]) -> str:
    """The set in a sentence: "Of 8 files, 4 lean positive, 2 negative and 1 neither way; 1 could not be analysed." """
    ranked, failed = rank(summaries)
    means = [mean for row in ranked if (mean := _mean(row)) is not None]
    positive = sum(mean >= BALANCED_BELOW for mean in means)
    negative = sum(mean <= -BALANCED_BELOW for mean in means)
    neither = len(means) - positive - negative
    parts = [f"{positive} lean positive, {negative} negative and {neither} neither way"] if means else []
    if doubtful := len(ranked) - len(means):
        parts.append(f"{doubtful} {'has' if doubtful == 1 else 'have'} no certain answer")
    if failed:
        parts.append(f"{len(failed)} could not be analysed")
    return f"Of {len(summaries)} {'file' if len(summaries) == 1 else 'files'}, {'; '.join(parts)}."


def leading_emotion(row: Row) -> str | None:
    """The emotion with the most certain time; None where nothing is certain."""
    shares = {name: row.get(f"emotion_share_{name}") or 0.0 for name in EMOTIONS}
    name = max(shares, key=shares.__getitem__)
    return name if shares[name] > 0 else None


# ---------------------------------------------------------------- parts of the page


def ranking_figure(ranked: Sequence[Row], names: Mapping[str, str]) -> Figure:
    """A mark for each file: its mean sentiment, how much of it is certain, and the emotion that leads."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for emotion, colour in EMOTION_COLOURS.items():
        rows = [row for row in ranked if _mean(row) is not None and leading_emotion(row) == emotion]
        if rows:
            figure.add_scatter(
                x=[_mean(row) for row in rows],
                y=[row["certain_share"] for row in rows],
                mode="markers",
                name=emotion,
                marker={"color": colour, "size": MARK_SIZE_PX, "opacity": 0.8},
                hovertext=[_hover(row, names[row["path"]], emotion) for row in rows],
                hovertemplate="%{hovertext}<extra></extra>",
            )
    axis = {"gridcolor": GRID_COLOUR, "fixedrange": True, "zeroline": False}
    figure.update_layout(
        height=PLOT_HEIGHT_PX,
        margin={"l": 50, "r": 20, "t": 8, "b": 48},
        **BASE_LAYOUT,
        showlegend=False,
        xaxis={
            **axis,
            "range": [-1.04, 1.04],
            **SCORE_TICKS,
            "title": {"text": "negative ← mean sentiment → positive", "standoff": 4},
        },
        yaxis={**axis, "range": [-0.03, 1.04], "tickformat": ".0%", "title": {"text": "certain", "standoff": 4}},
    )
    figure.add_vline(x=0, line={"color": GRID_COLOUR, "width": 2})
    return figure


def _hover(row: Row, name: str, emotion: str) -> str:
    return "<br>".join(
        [
            f"<b>{html.escape(name)}</b>",
            f"mean sentiment {format_score(_mean(row))}",
            f"certain for {format_percent(row['certain_share'])} of the time",
            f"{emotion} {format_percent(row[f'emotion_share_{emotion}'])} of that",
        ]
    )


def _table_row(place: int, row: Row, name: str) -> dict[str, Any]:
    """What one line of the table shows, and by which numbers it is sorted: missing ones are ""."""
    mean, emotion = _mean(row), leading_emotion(row)
    shares = {name: row.get(f"emotion_share_{name}") for name in EMOTIONS}
    return {
        "place": place,
        "name": name,
        "headline": row.get("headline"),
        "mean": "" if mean is None else mean,
        "mean_text": format_score(mean),
        "bar_left": f"{50 + 50 * min(mean or 0.0, 0.0):.1f}%",
        "bar_width": f"{50 * abs(mean or 0.0):.1f}%",
        "bar_colour": SENTIMENT_COLOURS["negative" if (mean or 0.0) < 0 else "positive"],
        "certain": row["certain_share"],
        "certain_text": format_percent(row["certain_share"]),
        "emotion": emotion,
        "colour": None if emotion is None else EMOTION_COLOURS[emotion],
        "shares": [
            {
                "name": name,
                "share": "" if share is None else share,
                "text": "–" if share is None else format_percent(share),
                "colour": EMOTION_COLOURS[name],
                "tint": f"{round(100 * (share or 0.0) * 0.45)}%",
            }
            for name, share in shares.items()
        ],
        "seconds": row["duration_seconds"],
        "clock": format_clock(row["duration_seconds"]),
    }


def _shares(ranked: Sequence[Row]) -> list[dict[str, str]]:
    """Each emotion's share of all certain time of the set, from the most down."""
    seconds = dict.fromkeys(EMOTIONS, 0.0)
    for row in ranked:
        for name in EMOTIONS:
            share = row.get(f"emotion_share_{name}") or 0.0
            seconds[name] += share * row["certain_share"] * row["duration_seconds"]
    whole = sum(seconds.values())
    return [
        {
            "name": name,
            "percent": format_percent(part / whole),
            "percent_width": f"{part / whole:.1%}",
            "colour": EMOTION_COLOURS[name],
        }
        for name, part in sorted(seconds.items(), key=lambda item: -item[1])
        if part > 0
    ]


def _chips(ranked: Sequence[Row], origin: Mapping[str, Any]) -> list[str]:
    whole = sum(row["duration_seconds"] for row in ranked)
    certain = sum(row["certain_share"] * row["duration_seconds"] for row in ranked)
    chips = [f"{format_clock(whole)} in all"]
    if whole:
        chips.append(f"certain for {format_percent(certain / whole)} of the time")
    if origin["settings"].get("viewing") == "watching":
        chips.append("faces of people who watch; their sound is not listened to")
    return chips


def _origin(origin: Mapping[str, Any]) -> list[tuple[str, str]]:
    known = (
        ("video-sentiment", origin["version"]),
        ("model", origin["checkpoint"]),
        ("model sha256", origin["checkpoint_sha256"]),
        ("speech recogniser", f"Whisper {Path(origin['whisper']).name}"),
        ("language", origin["settings"].get("language") or "detected in each file"),
    )
    return [(term, str(value)) for term, value in known]


def _short_names(summaries: Sequence[Row]) -> dict[str, str]:
    """Each path without the folders that all share, on one line."""
    paths = [Path(row["path"]) for row in summaries]
    folder = common_folder(paths)
    return {str(path): one_line(str(path.relative_to(folder))) for path in paths}


def _mean(row: Row) -> float | None:
    return row.get("mean_sentiment_score")
