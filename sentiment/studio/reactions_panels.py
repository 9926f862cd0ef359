"""The parts of the Reactions page that are plain HTML. Words that come from a file are escaped here."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from sentiment.compare import format_score
from sentiment.compare_figures import MAX_VIEWER_LINES, VIEWERS_COLOUR
from sentiment.figure_style import TEXT_COLOUR
from sentiment.reactions import ReactionMoment, Reactions, coverage_notes, moments_standing_out, reactions_headline
from sentiment.studio.panels import details_in_words, emotion_name, heading, legend_of, sentiment_legend, table
from sentiment.timeline import format_clock, format_percent

UNSURE_COUNTS = "Unsure answers count in the mean; where a viewer has no answer, nothing does."


def verdict(reactions: Reactions, failed: Iterable[tuple[str, str]], note: str = "") -> str:
    """The sentence, the moments that stand out, and what was left out or covers only a part.

    `failed` has the name of each file that was left out, and why.
    """
    notes = [note, *coverage_notes(reactions), UNSURE_COUNTS]
    lines = "".join(f'<p class="note">{escape(line)}</p>' for line in notes if line)
    left_out = "".join(
        f'<p class="left-out"><b>{escape(name)}</b> was left out: {escape(why)}</p>' for name, why in failed
    )
    standing_out = moments_standing_out(reactions)
    items = "".join(_moment(name.capitalize(), moment, reactions) for name, moment in standing_out.items())
    peaks = f'<ul class="peaks">{items}</ul>' if items else ""
    headline = f'<p class="headline">{escape(reactions_headline(reactions))}</p>'
    return f"{headline}{left_out}{peaks}{lines}"


def _moment(name: str, moment: ReactionMoment, reactions: Reactions) -> str:
    spread = "" if moment.deviation is None else f" ± {moment.deviation:.2f}"
    emotions = ", ".join(f"{emotion_name(emotion)} {count}" for emotion, count in moment.emotions.items())
    return (
        f'<li><button type="button" data-stimulus-seconds="{moment.start_seconds:.3f}"><b>{name}</b> '
        f'<span class="number">{format_clock(moment.start_seconds)}</span></button> '
        f'<span class="number">{format_score(moment.mean)}{spread}</span> '
        f'<span class="small">{moment.viewers} of {len(reactions.recordings)} viewers'
        f"{f': {emotions}' if emotions else ''}</span></li>"
    )


def legend() -> str:
    """What the lines, the band and the bars of the plot mean."""
    limit = f", up to {MAX_VIEWER_LINES}"
    entries = (
        f'<i class="line-sample" style="color:{VIEWERS_COLOUR}"></i>mean',
        f'<i class="shade-sample" style="background:{VIEWERS_COLOUR}"></i>one standard deviation',
        f'<i class="line-sample thin" style="color:{TEXT_COLOUR}"></i>each viewer{limit}',
        f'<i class="shade-sample" style="background:{TEXT_COLOUR}"></i>below: viewers with an answer',
    )
    return legend_of(entries)


def stimulus_heading(reactions: Reactions) -> str:
    """The title above the stimulus's own plot; nothing where it is not known."""
    return heading("What they watched", "its own sentiment") + sentiment_legend() if reactions.stimulus else ""


def viewers(reactions: Reactions) -> str:
    """Each viewer's mean, and for how much of the stimulus there is an answer."""
    rows = [
        f'<tr><th scope="row" class="file">{escape(viewer.name)}</th><td>{format_score(viewer.mean)}</td>'
        f"<td>{format_percent(viewer.answered_share)}</td><td>{format_percent(viewer.certain_share)}</td></tr>"
        for viewer in reactions.viewer_means
    ]
    return table("Every viewer over the whole time", ("recording", "mean", "answered", "certain"), rows)


def in_words(reactions: Reactions) -> str:
    """What the plot shows, for those who cannot see it."""
    edges, count = reactions.cells.edges, len(reactions.recordings)
    items = []
    for column, viewers_there in enumerate(reactions.viewers.tolist()):
        span = f"{format_clock(edges[column])} to {format_clock(edges[column + 1])}"
        if not viewers_there:
            items.append(f"{span}: no viewer has an answer.")
            continue
        spread = f", spread {reactions.deviation[column]:.2f}" if viewers_there > 1 else ""
        mean = format_score(reactions.mean[column])
        items.append(f"{span}: mean {mean}{spread}; {viewers_there} of {count} viewers.")
    return details_in_words("The plot in words", items)
