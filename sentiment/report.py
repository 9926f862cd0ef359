"""A timeline as one HTML page that needs nothing else: plots, every segment, and where it comes from.

The template is assets/report.html. The page holds plotly.js, about 5 MB, so that it works offline and for good.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from sentiment.captions import answer_in_short
from sentiment.datatypes import Affect, Moment, Segment, SegmentPrediction, Timeline
from sentiment.disagreement import disagreement
from sentiment.figures import emotion_figure, sentiment_figure
from sentiment.labels import EMOTION_COLOURS, MODALITIES, MODALITY_NAMES, SENTIMENT_COLOURS
from sentiment.languages import language_name, language_note
from sentiment.page import plot_html, render_page
from sentiment.plain_text import one_line, video_name
from sentiment.repeat import repeat_command
from sentiment.timeline import (
    certain_seconds,
    certain_share_so_far,
    edits_in_short,
    format_clock,
    format_percent,
    headline,
    heard_words,
    share_so_far,
)


def html_report(timeline: Timeline) -> str:
    """The whole page as text. It holds no picture of the video."""
    timeline = _presentable(timeline)
    return render_page(
        "report.html",
        name=video_name(timeline) or "Video",
        headline=headline(timeline),
        chips=_chips(timeline),
        language=timeline.language,
        language_note=language_note(timeline),
        emotion_plot=plot_html(emotion_figure(timeline, show_legend=False), "emotions"),
        sentiment_plot=plot_html(sentiment_figure(timeline, show_legend=False), "sentiments"),
        emotion_colours=EMOTION_COLOURS.items(),
        sentiment_colours=reversed(SENTIMENT_COLOURS.items()),
        shares=_shares(timeline),
        shares_note=_shares_note(timeline),
        moments=_moments(timeline),
        modalities=[MODALITY_NAMES[modality] for modality in MODALITIES],
        rows=[_row(prediction) for prediction in timeline.segments],
        origin=_origin(timeline),
        command=repeat_command(timeline),
        provenance=json.dumps(dict(timeline.provenance), indent=1, ensure_ascii=False),
    )


def _presentable(timeline: Timeline) -> Timeline:
    """The timeline with words on one line each, and without characters that a page may not hold."""
    return replace(timeline, segments=tuple(replace(p, segment=_on_one_line(p.segment)) for p in timeline.segments))


def _on_one_line(segment: Segment) -> Segment:
    return replace(segment, text=one_line(segment.text), translation=one_line(segment.translation))


def _chips(timeline: Timeline) -> list[str]:
    summary = timeline.summary
    chips = [
        format_clock(timeline.duration_seconds),
        f"certain for {format_percent(certain_share_so_far(timeline))} of the time",
        f"speech {format_percent(share_so_far(timeline, summary.speech_share))}",
        f"face {format_percent(share_so_far(timeline, summary.face_share))}",
    ]
    if timeline.language:
        chips.append(f"language {language_name(timeline.language)}")
    return chips + edits_in_short(timeline)


def _shares(timeline: Timeline) -> list[dict[str, str]]:
    """Each emotion that leads some of the certain time, from the most down."""
    ordered = sorted(timeline.summary.emotion_share.items(), key=lambda item: -item[1])
    return [
        {
            "name": name,
            "percent": format_percent(share),
            "percent_width": f"{share:.1%}",
            "colour": EMOTION_COLOURS[name],
        }
        for name, share in ordered
        if share > 0
    ]


def _shares_note(timeline: Timeline) -> str:
    whole = format_clock(timeline.analysed_seconds)
    if not timeline.summary.emotion_share:
        return f"No answer is certain, so none of {whole} is counted."
    return f"{format_clock(certain_seconds(timeline))} of {whole} have a certain answer."


def _moments(timeline: Timeline) -> list[dict[str, str]]:
    summary = timeline.summary
    return [_moment(timeline, moment) for moment in (summary.strongest_positive, summary.strongest_negative) if moment]


def _moment(timeline: Timeline, moment: Moment) -> dict[str, str]:
    prediction = timeline.segments[moment.segment_index]
    assert prediction.affect is not None  # a moment is an answer
    return {
        "clock": format_clock(moment.time_seconds),
        "colour": EMOTION_COLOURS[prediction.affect.top_emotion],
        "answer": f"{answer_in_short(prediction)}, {prediction.affect.top_sentiment}",
        "words": prediction.segment.text,
    }


def _row(prediction: SegmentPrediction) -> dict[str, Any]:
    segment, affect = prediction.segment, prediction.affect
    return {
        "time": f"{format_clock(segment.start_seconds)} – {format_clock(segment.end_seconds)}",
        "certain": prediction.certain or affect is None,
        "colour": _colour(affect),
        "answer": answer_in_short(prediction) or "no answer",
        "sentiment": affect.top_sentiment if affect else "–",
        "words": segment.text,
        "translation": segment.translation,
        "heard": one_line(" · ".join(filter(None, heard_words(prediction)))),
        "disagreement": disagreement(prediction),
        "alone": [_alone(prediction, modality) for modality in MODALITIES],
    }


def _alone(prediction: SegmentPrediction, modality: str) -> dict[str, str | None]:
    affect = prediction.alone(modality)
    answer = f"{affect.top_emotion} {format_percent(affect.confidence)}" if affect else "–"
    return {"modality": MODALITY_NAMES[modality], "answer": answer, "colour": _colour(affect)}


def _colour(affect: Affect | None) -> str | None:
    return EMOTION_COLOURS[affect.top_emotion] if affect else None


def _origin(timeline: Timeline) -> list[tuple[str, str]]:
    """What a citation needs, in words; what is not known is left out."""
    provenance = timeline.provenance
    checkpoint, transcriber = provenance.get("checkpoint", {}), provenance.get("transcriber", {})
    known = (
        ("analysed", provenance.get("created_at")),
        ("video-sentiment", provenance.get("version")),
        ("model", checkpoint.get("name")),
        ("model sha256", checkpoint.get("sha256")),
        ("speech recogniser", f"Whisper {transcriber['model']}" if transcriber else None),
        ("file sha256", provenance.get("file_sha256")),
    )
    return [(term, str(value)) for term, value in known if value]
