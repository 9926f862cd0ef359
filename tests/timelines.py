"""Timelines made by hand, for the tests of what draws and writes them."""

from __future__ import annotations

import math

from sentiment.datatypes import Affect, FaceBox, Segment, SegmentPrediction, Timeline
from sentiment.labels import EMOTIONS, SENTIMENTS
from sentiment.timeline import summarize

FACE = (FaceBox(0.3, 0.2, 0.6, 0.7, 0.9, 1.0),)


def affect(emotion: str, sentiment: str, confidence: float = 0.7, second: str = "") -> Affect:
    """An answer whose top emotion and sentiment have this probability; of the rest, `second` gets half of the
    emotions' and everything else is shared evenly.
    """

    def peaked(labels: tuple[str, ...], top: str) -> tuple[float, ...]:
        rest = 1.0 - confidence
        if second not in labels:
            return tuple(confidence if label == top else rest / (len(labels) - 1) for label in labels)
        shares = {top: confidence, second: rest / 2}
        return tuple(shares.get(label, rest / 2 / (len(labels) - 2)) for label in labels)

    return Affect(peaked(EMOTIONS, emotion), peaked(SENTIMENTS, sentiment))


UNSURE = affect("disgust", "negative", 0.48, second="surprise")
MIXED = affect("joy", "negative", 0.55)


def prediction(start, end, text="", answer: Affect | None = None, certain=True, face=FACE) -> SegmentPrediction:
    """A segment with its answer; no text means silence, no answer means that nothing was present."""
    segment = Segment(start, end, "speech" if text else "silent", text)
    if answer is None:
        return SegmentPrediction(segment, None)
    presence = (bool(text), bool(text), bool(face))
    present = tuple(m for m, here in zip(("text", "audio", "video"), presence, strict=True) if here)
    return SegmentPrediction(segment, answer, {present: answer}, certain, face, None, presence)


def timeline_of(*segments: SegmentPrediction, duration_seconds: float, analysed_seconds: float = math.inf) -> Timeline:
    """A timeline of those of the segments that are analysed by then."""
    done = tuple(p for p in segments if p.segment.end_seconds <= analysed_seconds)
    return Timeline(
        duration_seconds=duration_seconds,
        video={"name": "party.mp4", "width": 640, "height": 360, "has_audio": True},
        segments=done,
        summary=summarize(done, duration_seconds),
        provenance={"model": "made by hand"},
        language="en",
        analysed_seconds=min(analysed_seconds, duration_seconds),
    )


def sample_timeline(analysed_seconds: float = math.inf) -> Timeline:
    """Half a minute: utterances, an unsure and a mixed one, a stretch with no answer, a silent face; and a pause."""
    return timeline_of(
        prediction(0.0, 4.0, "I am so happy that you came to the party tonight.", affect("joy", "positive", 0.82)),
        prediction(4.5, 9.0, "No, I will not do that again, you <b>ruined</b> it.", affect("anger", "negative")),
        prediction(9.0, 13.6, "The meeting starts at nine in the conference room.", affect("neutral", "neutral", 0.69)),
        prediction(14.0, 18.0, "Oh my god, I can't believe you actually won!", affect("surprise", "positive", 0.71)),
        prediction(18.0, 21.0),
        prediction(21.0, 25.5, "She passed away last week, and I miss her.", affect("sadness", "negative", 0.74)),
        prediction(26.0, 29.0, "There is mold all over the bread.", UNSURE, certain=False),
        prediction(29.0, 33.0, "", affect("fear", "negative", 0.6)),
        prediction(33.5, 38.0, "How lovely, it rains again.", MIXED, certain=False),
        duration_seconds=38.5,
        analysed_seconds=analysed_seconds,
    )


def doubtful_timeline() -> Timeline:
    """Two answers and a gap, and none of it certain."""
    return timeline_of(
        prediction(0.0, 4.0, "There is mold all over the bread.", UNSURE, certain=False),
        prediction(4.0, 8.0, "How lovely, it rains again.", MIXED, certain=False),
        prediction(8.0, 10.0),
        duration_seconds=10.0,
    )
