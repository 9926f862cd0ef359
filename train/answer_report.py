"""What is reported of a checkpoint's answers: the figures of `train.metrics`, and how far it is sure of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sentiment.checkpoint import Calibration, subset_key
from sentiment.datatypes import Affect, ModalitySubset
from sentiment.labels import EMOTIONS, SENTIMENTS
from train.metrics import certain_report, classification_report, coverage_curve


def emotion_report(
    true: Sequence[str], answers: Sequence[Affect], calibration: Calibration, subset: ModalitySubset
) -> dict[str, Any]:
    """`classification_report` of the emotions; beside it "certain" and "coverage_curve" (see `train.metrics`).

    Args:
        true: the annotated emotion of each of the N examples.
        answers: the checkpoint's N answers, in the same order.
        calibration: the checkpoint's.
        subset: what the answers were read from.
    """
    return mixed_emotion_report(true, answers, calibration, [subset] * len(answers))


def mixed_emotion_report(
    true: Sequence[str], answers: Sequence[Affect], calibration: Calibration, subsets: Sequence[ModalitySubset]
) -> dict[str, Any]:
    """The same of answers that were read from differing `subsets`, one for each; there is no one threshold then."""
    correct = np.array([answer.top_emotion == emotion for answer, emotion in zip(answers, true, strict=True)])
    confidence = np.array([answer.confidence for answer in answers])
    certain = np.array([calibration.calls_certain(a, subset) for a, subset in zip(answers, subsets, strict=True)])
    decided = np.array([not answer.is_mixed for answer in answers])
    threshold = calibration.certain_above.get(subset_key(subsets[0])) if len(set(subsets)) == 1 else None
    return {
        **classification_report(true, np.array([answer.emotion for answer in answers]), EMOTIONS),
        "certain": certain_report(correct, certain, threshold),
        "coverage_curve": coverage_curve(confidence, correct, decided),
    }


def sentiment_report(true: Sequence[str], answers: Sequence[Affect]) -> dict[str, Any]:
    """`classification_report` of the sentiments of N answers."""
    return classification_report(true, np.array([answer.sentiment for answer in answers]), SENTIMENTS)
