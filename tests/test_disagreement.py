from __future__ import annotations

import pytest
from timelines import affect

from sentiment.datatypes import Segment, SegmentPrediction
from sentiment.disagreement import disagreement
from sentiment.labels import MODALITIES

ANSWERS = {
    "+": affect("joy", "positive", 0.8),
    "-": affect("anger", "negative", 0.8),
    "0": affect("neutral", "neutral", 0.8),
    "?": affect("anger", "negative", 0.45),
}


def said(signs: str) -> SegmentPrediction:
    """What words, voice and face say alone, a sign each; a blank where there is none."""
    alone = {(m,): ANSWERS[sign] for m, sign in zip(MODALITIES, signs, strict=True) if sign != " "}
    presence = tuple((m,) in alone for m in MODALITIES)
    answer = next(iter(alone.values()), None)
    return SegmentPrediction(Segment(0, 1, "speech", "oh"), answer, alone, presence=presence)


@pytest.mark.parametrize(
    ("signs", "words"),
    [
        ("+++", None),
        ("+0 ", None),
        ("+?+", None),
        ("  -", None),
        ("   ", None),
        ("-0+", "words and face disagree"),
        (" +-", "voice and face disagree"),
        ("-++", "words disagree with voice and face"),
        ("++-", "face disagrees with words and voice"),
    ],
)
def test_opposite_sides_are_a_disagreement_and_neutral_is_no_side(signs, words):
    assert disagreement(said(signs)) == words
