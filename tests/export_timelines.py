"""Timelines for the tests of the files that leave: one in which every signal speaks, and one that means harm."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from timelines import FACE, affect, prediction, timeline_of

from sentiment.datatypes import Affect, Segment, SegmentPrediction, Timeline
from sentiment.labels import MODALITIES

PROVENANCE = {
    "created_at": "2026-05-04T10:20:30+00:00",
    "version": "0.1.0",
    "libraries": {"torch": "2.0", "av": None},
    "file_sha256": "ab" * 32,
    "checkpoint": {"name": "starter", "sha256": "cd" * 32},
    "transcriber": {"model": "base", "source": "package", "device": "cpu", "compute_type": "int8"},
    "device": "cpu",
    "settings": {"language": "en", "window_seconds": 60.0},
}

WORDS, VOICE, FACES = (
    affect("anger", "negative", 0.6),
    affect("neutral", "neutral", 0.5),
    affect("joy", "positive", 0.9),
)

HARM = (
    '=HYPERLINK("http://example.org","x")',
    "</script><script>window.harmed = true</script><img src=x onerror='window.harmed = true'>",
    "a --> b\n\nNOTE injected\n\n00:00.000 --> 00:09.000\nnext & <b>bold</b> ]]> | |M:marker |D:9",
    "bell \x07, null \x00, escape \x1b, mark \ufeff, half \ud83d, whole \U0001f600, שלום",
)
"""Words that would break out of each format that did not escape them."""


def full_prediction(start: float, end: float, text: str, answer: Affect, certain: bool = True) -> SegmentPrediction:
    """All three signals are there: words are angry, the voice is neutral, the face is glad."""
    alone = dict(zip(((m,) for m in MODALITIES), (WORDS, VOICE, FACES), strict=True))
    pairs = {pair: affect("surprise", "positive", 0.4 + 0.1 * i) for i, pair in enumerate(combinations(MODALITIES, 2))}
    evidence = {**alone, **pairs, MODALITIES: answer}
    return SegmentPrediction(
        Segment(start, end, "speech", text), answer, evidence, certain, FACE, None, (True, True, True)
    )


def full_timeline() -> Timeline:
    """Ten seconds: every signal, a doubt, a silent face, and nothing."""
    timeline = timeline_of(
        full_prediction(0.0, 2.5, "Look at that!", affect("joy", "positive", 0.82)),
        full_prediction(2.5, 4.0, "Oh no.", affect("disgust", "negative", 0.48, second="surprise"), certain=False),
        prediction(4.0, 6.0, "", affect("fear", "negative", 0.6)),
        prediction(6.0, 10.0),
        duration_seconds=10.0,
    )
    return replace(timeline, video={**timeline.video, "name": "talk.mp4", "has_video": True}, provenance=PROVENANCE)


def hostile_timeline() -> Timeline:
    """Words and a file name out of HARM."""
    timeline = timeline_of(
        *(full_prediction(3.0 * i, 3.0 * i + 3, text, affect("joy", "positive", 0.8)) for i, text in enumerate(HARM)),
        duration_seconds=12.0,
    )
    video = {**timeline.video, "name": '=cmd|\'<script>window.harmed = true</script>\x07\udcff & "x".mp4'}
    return replace(timeline, video=video, provenance=PROVENANCE)
