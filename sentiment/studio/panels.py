"""The parts of the page that are plain HTML. Words that come from a file are escaped here."""

from __future__ import annotations

from html import escape

from sentiment.datatypes import SegmentPrediction, Timeline
from sentiment.disagreement import disagreement
from sentiment.doubt import doubt_about
from sentiment.labels import EMOTION_COLOURS, EMOTIONS, SENTIMENT_COLOURS, SENTIMENTS
from sentiment.pipeline import STAGES
from sentiment.studio.session import Session
from sentiment.timeline import format_clock, format_percent

STAGE_NAMES = {"listen": "Listening", "watch": "Watching", "feel": "Reading"}
"""What a person is shown for each of the pipeline's stages."""

HEADER = """
<header class="masthead">
  <h1>Video sentiment</h1>
  <p>Emotion and sentiment over the time of a video, from its words, its voices and its faces.</p>
</header>
"""


WAITING = '<div class="progress"><p class="progress-title">Waiting for its turn …</p></div>'


LOCAL = "Files stay on the machine that runs this page"
"""Where files go, unless whoever runs the app says otherwise."""


def footer(hours_kept: int, has_card: bool, where: str = LOCAL) -> str:
    """What the reader should know before trusting the page, in small print. `where` begins a sentence on files."""
    kept = "an hour" if hours_kept == 1 else f"{hours_kept} hours"
    card = '; the <a href="#model-card">model card</a> says what they learned from, and how well' if has_card else ""
    return f"""
<footer class="small-print">
  <p>It reads expressions, not what anyone feels: take it as a hint, never as a verdict on a person.</p>
  <p>{escape(where)} and are deleted after {kept}, or when the app ends. The bundled weights are for research
  and other non-commercial use{card}.</p>
</footer>"""


WHY = """
<h2>Why <span id="why-when"></span></h2>
<div id="why-body" aria-live="polite"></div>
"""
"""What the answer of the shown moment rests on; the script fills it in."""


# ---------------------------------------------------------------- while it runs


def progress(session: Session) -> str:
    """One bar per stage, and for how long it has run."""
    bars = "".join(_stage_bar(stage, session.done_seconds.get(stage, 0.0), session.total_seconds) for stage in STAGES)
    return (
        f'<div class="progress"><p class="progress-title">Analysing <b>{escape(session.name)}</b>'
        f'<span class="number">{format_clock(session.elapsed_seconds)}</span></p>{bars}</div>'
    )


def _stage_bar(stage: str, done_seconds: float, total_seconds: float) -> str:
    share = min(1.0, done_seconds / total_seconds) if total_seconds > 0 else 0.0
    clock = f"{format_clock(done_seconds)} / {format_clock(total_seconds)}" if total_seconds > 0 else "–"
    return (
        f'<div class="stage"><span>{STAGE_NAMES[stage]}</span>'
        f'<span class="bar" role="progressbar" aria-label="{STAGE_NAMES[stage]}" aria-valuemin="0" aria-valuemax="100"'
        f' aria-valuenow="{100 * share:.0f}"><i style="width:{share:.1%}"></i></span>'
        f'<span class="number">{clock}</span></div>'
    )


# ---------------------------------------------------------------- beside the plots


def emotion_legend() -> str:
    """Names beside colours, and what hatching and gaps mean."""
    entries = "".join(f"<li>{dot(EMOTION_COLOURS[name])}{name}</li>" for name in EMOTIONS)
    entries += '<li><i class="hatch"></i>unsure or mixed</li><li><i class="gap"></i>no answer</li>'
    return f'<ul class="legend">{entries}</ul>'


def sentiment_legend() -> str:
    """Names beside colours, in the order in which they lie in the plot."""
    entries = "".join(f"<li>{dot(SENTIMENT_COLOURS[name])}{name}</li>" for name in reversed(SENTIMENTS))
    return f'<ul class="legend">{entries}</ul>'


def dot(colour: str) -> str:
    """A small disc, which never stands without a name."""
    return f'<i class="dot" style="background:{colour}"></i>'


def emotion_name(emotion: str) -> str:
    """A name behind its dot."""
    return f'<b class="emotion">{dot(EMOTION_COLOURS[emotion])}{emotion}</b>'


def heading(title: str, hint: str = "") -> str:
    """A card's title in small capitals, with a quiet word of use beside it."""
    return f"<h2>{title}{f' <span>· {hint}</span>' if hint else ''}</h2>"


# ---------------------------------------------------------------- segment by segment


def transcript(timeline: Timeline) -> str:
    """The table of segments: times, top emotion, top sentiment, words and confidence.

    Roles are spelled out because the phone's layout takes the table's display away.
    """
    columns = ("time", "emotion", "sentiment", "words", "confidence")
    header = "".join(f'<th role="columnheader" scope="col" class="{name}">{name}</th>' for name in columns)
    rows = "".join(_row(prediction) for prediction in timeline.segments)
    return (
        '<div class="scroll"><table class="transcript" role="table"><caption>Every segment with its answer</caption>'
        f'<thead role="rowgroup"><tr role="row">{header}</tr></thead><tbody role="rowgroup">{rows}</tbody>'
        "</table></div>"
    )


def _row(prediction: SegmentPrediction) -> str:
    segment, affect = prediction.segment, prediction.affect
    start = format_clock(segment.start_seconds)
    if affect is None:
        emotion, sentiment, confidence = '<span class="absent">no answer</span>', "–", "–"
    else:
        doubt = doubt_about(prediction)
        emotion = _doubt(affect.top_emotion, str(doubt)) if doubt else emotion_name(affect.top_emotion)
        sentiment = f"{affect.top_sentiment} ?" if doubt else affect.top_sentiment
        confidence = format_percent(affect.confidence)
    words = escape(segment.text) if segment.text else f"<em>{_silence(prediction)}</em>"
    flag = disagreement(prediction)
    if flag:
        words += f' <span class="flag">{flag}</span>'
    cells = {
        "time": f'<button type="button" aria-label="Go to {start}">{start}</button>',
        "emotion": emotion,
        "sentiment": sentiment,
        "words": words,
        "confidence": confidence,
    }
    certainty = "certain" if prediction.certain else "unsure"
    return (
        f'<tr role="row" class="{certainty}" data-start="{segment.start_seconds:.3f}"'
        f' data-end="{segment.end_seconds:.3f}">'
        + "".join(f'<td role="cell" class="{name}">{content}</td>' for name, content in cells.items())
        + "</tr>"
    )


def _doubt(top_emotion: str, words: str) -> str:
    """The words of a doubt, behind a ring where a certain answer has a dot."""
    return f'<span class="doubt"><i class="dot ring" style="color:{EMOTION_COLOURS[top_emotion]}"></i>{words}</span>'


def _silence(prediction: SegmentPrediction) -> str:
    return "no speech · face only" if prediction.affect is not None else "no speech, no face"


def in_words(timeline: Timeline) -> str:
    """What the plots show, for those who cannot see them."""
    items = "".join(f"<li>{_sentence(prediction)}</li>" for prediction in timeline.segments)
    return f'<details class="in-words"><summary>The plots in words</summary><ol>{items}</ol></details>'


def _sentence(prediction: SegmentPrediction) -> str:
    segment, affect = prediction.segment, prediction.affect
    when = f"{format_clock(segment.start_seconds)} to {format_clock(segment.end_seconds)}"
    if affect is None:
        return f"{when}: no answer."
    doubt = doubt_about(prediction)
    emotions = ", then ".join(f"{name} {format_percent(share)}" for name, share in affect.ranked_emotions[:2])
    sentiments = ", ".join(f"{n} {format_percent(p)}" for n, p in zip(SENTIMENTS, affect.sentiment, strict=True))
    return f"{when}{f', {doubt}; ' if doubt else ': '}{emotions}; {sentiments}."
