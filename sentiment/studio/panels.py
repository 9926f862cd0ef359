"""The parts of the page that are plain HTML. Words that come from a file are escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from sentiment.datatypes import SegmentPrediction, Timeline
from sentiment.disagreement import disagreement
from sentiment.doubt import doubt_about
from sentiment.labels import EMOTION_COLOURS, EMOTIONS, SENTIMENT_COLOURS, SENTIMENTS
from sentiment.studio.session import LOADING, Session
from sentiment.studio.time_left import expected_stages, time_left_in_words
from sentiment.timeline import format_clock, format_percent

STAGE_NAMES = {
    "listen": "Listening",
    "translate": "Translating",
    "watch": "Watching",
    "feel": "Reading",
    "copy": "Copying",
}
"""What a person is shown for each of the pipeline's stages, and for the copy that the player needs, in their order."""

STAGE_TASKS = {
    LOADING: "Loading the models, once",
    "listen": "Listening for words",
    "translate": "Translating the words into English",
    "watch": "Looking for faces",
    "feel": "Reading emotions from words, voice and face",
    "copy": "Making a copy that the player can play",
}

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


CORRECTED_STATUS = '<p id="corrected-status" class="unseen" role="status"></p>'
"""Says what a correction has changed, to those who do not see it."""


WHY = """
<h2>Why <span id="why-when"></span></h2>
<div id="why-body" aria-live="polite"></div>
"""
"""What the answer of the shown moment rests on; the script fills it in."""


# ---------------------------------------------------------------- while it runs


def progress(session: Session) -> str:
    """What it is at and for how much longer, for how long it has run, and a bar per stage."""
    done_seconds = session.done_seconds
    expected = expected_stages(done_seconds)
    stages = [stage for stage in STAGE_NAMES if stage in expected]
    bars = "".join(_stage_bar(stage, done_seconds.get(stage, 0.0), session.total_seconds) for stage in stages)
    left = session.seconds_left
    task = STAGE_TASKS[session.stage] if session.stage else "Opening the file"
    now = f'<p class="progress-now">{task}{"" if left is None else f" · <b>{time_left_in_words(left)}</b>"}</p>'
    return (
        f'<div class="progress"><p class="progress-title">Analysing <b>{escape(session.name)}</b>'
        f'<span class="number">{format_clock(session.elapsed_seconds)}</span></p>{now}{bars}</div>'
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
    names = (f"{dot(EMOTION_COLOURS[name])}{name}" for name in EMOTIONS)
    return legend_of([*names, '<i class="hatch"></i>unsure or mixed', '<i class="gap"></i>no answer'])


def sentiment_legend() -> str:
    """Names beside colours, in the order in which they lie in the plot."""
    return legend_of(f"{dot(SENTIMENT_COLOURS[name])}{name}" for name in reversed(SENTIMENTS))


def legend_of(entries: Iterable[str]) -> str:
    """A list of entries, each a sample before its name."""
    return f'<ul class="legend">{"".join(f"<li>{entry}</li>" for entry in entries)}</ul>'


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


def transcript(timeline: Timeline, is_settled: bool = False) -> str:
    """The table of segments: times, top emotion, top sentiment, words and confidence; of a settled timeline, which
    grows no more, with a way to correct each line of speech.

    Roles are spelled out because the phone's layout takes the table's display away.
    """
    has_words = any(p.segment.kind == "speech" for p in timeline.segments)
    hint = "click a line to go there" + (", double-click to correct it" if has_words and is_settled else "")
    title = heading("Moments" if is_watched(timeline) else "Transcript", hint)
    columns = ("time", "emotion", "sentiment", "words", "confidence")
    header = "".join(f'<th role="columnheader" scope="col" class="{name}">{name}</th>' for name in columns)
    rows = "".join(_row(p, index, is_settled, timeline.language) for index, p in enumerate(timeline.segments))
    return (
        f"{title}"
        '<div class="scroll"><table class="transcript" role="table"><caption>Every segment with its answer</caption>'
        f'<thead role="rowgroup"><tr role="row">{header}</tr></thead><tbody role="rowgroup">{rows}</tbody>'
        "</table></div>"
    )


def _row(prediction: SegmentPrediction, index: int = 0, is_settled: bool = False, language: str | None = None) -> str:
    segment, affect = prediction.segment, prediction.affect
    start = format_clock(segment.start_seconds)
    if affect is None:
        emotion, sentiment, confidence = '<span class="absent">no answer</span>', "–", "–"
    else:
        doubt = doubt_about(prediction)
        emotion = _doubt(affect.top_emotion, str(doubt)) if doubt else emotion_name(affect.top_emotion)
        sentiment = f"{affect.top_sentiment} ?" if doubt else affect.top_sentiment
        confidence = format_percent(affect.confidence)
    said = (
        f"<span{_lang(language)}>{escape(segment.text)}</span>" if segment.text else f"<em>{_silence(prediction)}</em>"
    )
    words = f'<span class="said">{said}</span>'
    if is_settled and segment.kind == "speech":
        words += _pencil(start)
    if segment.translation:
        words += f'<em class="translation" lang="en">{escape(segment.translation)}</em>'
    words += _correction(prediction, start)
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
        f' data-end="{segment.end_seconds:.3f}" data-segment="{index}">'
        + "".join(f'<td role="cell" class="{name}">{content}</td>' for name, content in cells.items())
        + "</tr>"
    )


def _lang(language: str | None) -> str:
    """The attribute by which a screen reader chooses its voice."""
    return f' lang="{escape(language)}"' if language else ""


def _doubt(top_emotion: str, words: str) -> str:
    """The words of a doubt, behind a ring where a certain answer has a dot."""
    return f'<span class="doubt"><i class="dot ring" style="color:{EMOTION_COLOURS[top_emotion]}"></i>{words}</span>'


def _pencil(start: str) -> str:
    """What turns the words into a field; double-clicking them does the same."""
    return (
        f'<button type="button" class="pencil" aria-label="Correct the words at {start}" title="Correct the words">'
        '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M2.5 13.5l.8-3.2 7.6-7.6 2.4 2.4-7.6 7.6z'
        'M9.4 4.2l2.4 2.4"/></svg></button>'
    )


def _correction(prediction: SegmentPrediction, start: str) -> str:
    """That these are not the words that were recognised, what those were, and the way back to them."""
    heard, segment = prediction.as_heard, prediction.segment
    if heard is None:
        return ""
    before = heard.text if heard.text != segment.text else heard.translation
    return (
        f'<span class="corrected"><b>corrected</b> · heard “{escape(before)}” '
        f'<button type="button" class="plain undo" aria-label="Undo the correction at {start}">undo</button></span>'
    )


def is_watched(timeline: Timeline) -> bool:
    """Whether it is of somebody who watches, whose sound was not listened to."""
    return any(p.segment.kind == "watched" for p in timeline.segments)


def _silence(prediction: SegmentPrediction) -> str:
    """What stands in place of words."""
    is_answered = prediction.affect is not None
    if prediction.segment.kind == "speech":
        return "no words" if is_answered else "no words, no voice, no face"
    if prediction.segment.kind == "watched":
        return "face only" if is_answered else "no face"
    return "no speech · face only" if is_answered else "no speech, no face"


def in_words(timeline: Timeline) -> str:
    """What the plots show, for those who cannot see them."""
    return details_in_words("The plots in words", map(_sentence, timeline.segments))


def details_in_words(title: str, sentences: Iterable[str]) -> str:
    """A list of sentences, folded away behind its title."""
    items = "".join(f"<li>{sentence}</li>" for sentence in sentences)
    return f'<details class="in-words"><summary>{title}</summary><ol>{items}</ol></details>'


def table(caption: str, columns: Sequence[str], rows: Iterable[str]) -> str:
    """Figures under the names of their columns; each row is a whole `<tr>`."""
    header = "".join(f'<th scope="col">{column}</th>' if column else "<td></td>" for column in columns)
    return (
        f'<table class="figures"><caption>{caption}</caption><thead><tr>{header}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _sentence(prediction: SegmentPrediction) -> str:
    segment, affect = prediction.segment, prediction.affect
    when = f"{format_clock(segment.start_seconds)} to {format_clock(segment.end_seconds)}"
    if affect is None:
        return f"{when}: no answer."
    doubt = doubt_about(prediction)
    emotions = ", then ".join(f"{name} {format_percent(share)}" for name, share in affect.ranked_emotions[:2])
    sentiments = ", ".join(f"{n} {format_percent(p)}" for n, p in zip(SENTIMENTS, affect.sentiment, strict=True))
    return f"{when}{f', {doubt}; ' if doubt else ': '}{emotions}; {sentiments}."
