"""What is said of an answer that is not certain: one place, so that the page and the files say the same.

unsure: joy or surprise     it does not stand out clearly enough; these two are the likeliest emotions
mixed: joy, but negative    its likeliest emotion and its likeliest sentiment do not go together
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sentiment.datatypes import SegmentPrediction


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why an answer is not certain."""

    kind: Literal["unsure", "mixed"]
    likeliest: str
    """The top emotion."""
    objection: str
    """What stands against it: "or surprise", "but negative"."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.likeliest}{',' if self.kind == 'mixed' else ''} {self.objection}"


def doubt_about(prediction: SegmentPrediction) -> Doubt | None:
    """The doubt about an answer; None where it is certain, and where there is no answer to doubt."""
    affect = prediction.affect
    if affect is None or prediction.certain:
        return None
    if affect.is_mixed:
        return Doubt("mixed", affect.top_emotion, f"but {affect.top_sentiment}")
    (first, _), (second, _) = affect.ranked_emotions[:2]
    return Doubt("unsure", first, f"or {second}")
