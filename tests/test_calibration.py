"""Temperatures that are known are found again, and a threshold keeps its promise."""

from __future__ import annotations

import numpy as np
import pytest

from sentiment.labels import EMOTIONS, PERMITTED_PAIRS, SENTIMENTS
from train.calibration import (
    NEVER_CERTAIN,
    TEMPERATURE_RANGE,
    certainty_threshold,
    fit_temperature,
    wilson_lower_bound,
)

PAIR_EMOTION = np.array([EMOTIONS.index(emotion) for emotion, _ in PERMITTED_PAIRS])
PAIR_SENTIMENT = np.array([SENTIMENTS.index(sentiment) for _, sentiment in PERMITTED_PAIRS])


def labelled_logits(count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits (count, 8), and pairs (count,) drawn from their softmax: perfectly calibrated at temperature 1."""
    random = np.random.default_rng(5)
    logits = 2 * random.normal(size=(count, len(PERMITTED_PAIRS)))
    # The largest of logits with Gumbel noise is a draw from their softmax.
    return logits, (logits + random.gumbel(size=logits.shape)).argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("has_sentiment", [True, False])
def test_a_known_temperature_is_found_again(temperature, has_sentiment):
    logits, pair = labelled_logits()
    sentiment = PAIR_SENTIMENT[pair] if has_sentiment else np.full(len(pair), -1)
    assert fit_temperature(temperature * logits, PAIR_EMOTION[pair], sentiment) == pytest.approx(temperature, rel=0.06)


def test_unlabelled_examples_do_not_count():
    logits, pair = labelled_logits(1000)
    emotion, sentiment = PAIR_EMOTION[pair], PAIR_SENTIMENT[pair]
    nothing = np.full(500, -1)
    with_others = fit_temperature(
        np.concatenate([logits, 50 * logits[:500]]),
        np.concatenate([emotion, nothing]),
        np.concatenate([sentiment, nothing]),
    )
    assert with_others == pytest.approx(fit_temperature(logits, emotion, sentiment), rel=1e-3)


def test_answers_that_are_all_right_stop_at_the_limit():
    pair = np.arange(8)
    temperature = fit_temperature(10 * np.eye(8), PAIR_EMOTION[pair], PAIR_SENTIMENT[pair])
    assert TEMPERATURE_RANGE[0] <= temperature < 0.5


def test_a_temperature_needs_labels_and_matching_shapes():
    nothing = np.full(3, -1)
    with pytest.raises(ValueError, match="to calibrate by"):
        fit_temperature(np.zeros((3, 8)), nothing, nothing)
    with pytest.raises(ValueError, match=r"\(3, 7\)"):
        fit_temperature(np.zeros((3, 7)), nothing, nothing)


def test_wilson_by_the_published_example():
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662; 15 of 148 gives 0.0624 to 0.1605.
    bound = wilson_lower_bound(np.array([81, 15]), np.array([263, 148]))
    assert bound == pytest.approx([0.2553, 0.0624], abs=5e-5)


def test_the_threshold_keeps_its_promise_and_is_the_smallest_that_does():
    random = np.random.default_rng(3)
    confidence = random.uniform(0.3, 1.0, size=3000)
    correct = random.uniform(size=3000) < confidence
    threshold = certainty_threshold(confidence, correct)

    def bound_from(lowest: float) -> float:
        answered = correct[confidence >= lowest]
        return wilson_lower_bound(np.array([answered.sum()]), np.array([len(answered)]))[0]

    assert bound_from(threshold) >= 0.8
    assert all(bound_from(lower) < 0.8 for lower in confidence[confidence < threshold])
    assert 0.55 < threshold < 0.75  # the mean of [threshold, 1] is then a little above 0.8


def test_equal_confidences_stand_or_fall_together():
    confidence = np.full(100, 0.9)
    assert certainty_threshold(confidence, np.arange(100) < 90) == 0.9
    assert certainty_threshold(confidence, np.arange(100) < 80) == NEVER_CERTAIN


def test_too_few_answers_are_never_certain():
    assert certainty_threshold(np.full(15, 0.99), np.ones(15, dtype=bool)) == NEVER_CERTAIN
    assert certainty_threshold(np.full(16, 0.99), np.ones(16, dtype=bool)) == 0.99
    assert certainty_threshold(np.empty(0), np.empty(0, dtype=bool)) == NEVER_CERTAIN
