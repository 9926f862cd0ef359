"""Where the signals contradict each other: one place, so that the page and the files say the same.

A signal takes a side where, alone, it gives positive or negative more than half of the probability; neutral is no side.
"""

from __future__ import annotations

from collections.abc import Sequence

from sentiment.datatypes import Affect, SegmentPrediction
from sentiment.labels import MODALITIES, MODALITY_NAMES

SIDE_SHARE = 0.5
"""Above this probability of positive or of negative, a signal takes that side."""


def disagreement(prediction: SegmentPrediction) -> str | None:
    """Which signals contradict each other: "words and face disagree", "face disagrees with words and voice".

    None where at most one side is taken.
    """
    sides: dict[str, list[str]] = {}
    for modality in MODALITIES:
        side = _side(prediction.alone(modality))
        if side is not None:
            sides.setdefault(side, []).append(MODALITY_NAMES[modality])
    if len(sides) < 2:
        return None
    few, many = sorted(sides.values(), key=len)
    if len(few) == len(many):
        together = [name for name in MODALITY_NAMES.values() if name in (*few, *many)]
        return f"{_and(together)} disagree"
    verb = "disagree" if few == [MODALITY_NAMES["text"]] else "disagrees"
    return f"{_and(few)} {verb} with {_and(many)}"


def _side(affect: Affect | None) -> str | None:
    if affect is None or affect.top_sentiment == "neutral":
        return None
    return affect.top_sentiment if max(affect.sentiment) > SIDE_SHARE else None


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)
