"""What makes probabilities mean what they say: one temperature, and the confidence from which to be certain.

Both are fitted on validation data, never on what a model is measured on.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

TEMPERATURE_RANGE: Final = (0.05, 20.0)
"""Where the temperature is looked for; without a limit, answers that are all right would drive it to 0."""

Z_95: Final = 1.959964
"""Standard normal quantile of a two-sided 95% interval."""

NEVER_CERTAIN: Final = 1.01
"""A threshold that no probability reaches; a plain number, so that it can stand in JSON."""


def fit_temperature(pair_logits: np.ndarray, emotion: np.ndarray, sentiment: np.ndarray) -> float:
    """The temperature T for which softmax(pair_logits / T) makes the annotations likeliest (Guo et al. 2017).

    Minimises the negative log-likelihood of the two marginals, summed over every label that is there, so
    that a corpus without sentiments calibrates by its emotions alone.

    Args:
        pair_logits: (N, 8) float, in the order of PERMITTED_PAIRS.
        emotion: (N,) int, indices into EMOTIONS; -1 where an example has none.
        sentiment: (N,) int, indices into SENTIMENTS; -1 where an example has none.

    Returns the temperature, within TEMPERATURE_RANGE: above 1 where the network is too sure of itself.

    Raises ValueError where shapes do not match or no example has a label.
    """
    import torch
    from scipy.optimize import minimize_scalar

    from sentiment.labels import PERMITTED_PAIRS
    from sentiment.model import log_marginals

    if pair_logits.shape != (len(emotion), len(PERMITTED_PAIRS)) or len(sentiment) != len(emotion):
        raise ValueError(
            f"expected ({len(emotion)}, {len(PERMITTED_PAIRS)}) logits and as many sentiments as emotions, "
            f"got {pair_logits.shape} and {len(sentiment)}"
        )
    if not ((emotion >= 0).any() or (sentiment >= 0).any()):
        raise ValueError("no example has an emotion or a sentiment to calibrate by")
    logits = torch.as_tensor(pair_logits, dtype=torch.float64)

    def negative_log_likelihood(log_temperature: float) -> float:
        # The very marginals that predictions are made of, so that fitting and use cannot differ.
        log_emotion, log_sentiment = log_marginals(logits / math.exp(log_temperature))
        return -(_log_likelihood(log_emotion.numpy(), emotion) + _log_likelihood(log_sentiment.numpy(), sentiment))

    # In the logarithm 2 and 1/2 are equally far from 1, and the temperature stays positive.
    low, high = (math.log(limit) for limit in TEMPERATURE_RANGE)
    return math.exp(minimize_scalar(negative_log_likelihood, bounds=(low, high), method="bounded").x)


def calibrate_answers(pair_logits: np.ndarray, emotion: np.ndarray, sentiment: np.ndarray) -> tuple[float, float]:
    """The temperature of these answers, as `fit_temperature`, and from which confidence on they are certain."""
    import torch

    from sentiment.model import log_marginals

    temperature = fit_temperature(pair_logits, emotion, sentiment)
    confidence, predicted = log_marginals(torch.as_tensor(pair_logits) / temperature)[0].exp().max(dim=1)
    return round(temperature, 4), certainty_threshold(confidence.numpy(), predicted.numpy() == emotion)


def certainty_threshold(confidence: np.ndarray, correct: np.ndarray, min_accuracy: float = 0.8) -> float:
    """The smallest confidence from which on answers are right at least `min_accuracy` of the time.

    "At least" is meant with the caution that few examples ask for: the lower end of the two-sided 95%
    Wilson interval of the accuracy of all answers with confidence >= threshold must reach it.

    Args:
        confidence: (N,) calibrated probability of the top emotion, in [0, 1].
        correct: (N,) bool, whether the top emotion is the annotated one.
        min_accuracy: in (0, 1).

    Returns one of the confidences, to be compared with >=; NEVER_CERTAIN where none is good enough.
    """
    if confidence.shape != correct.shape or confidence.ndim != 1:
        raise ValueError(f"confidence and correct must be (N,) alike, got {confidence.shape} and {correct.shape}")
    order = np.argsort(-confidence, kind="stable")
    descending = confidence[order]
    hits = np.cumsum(correct[order])
    answers = np.arange(1, len(descending) + 1)
    # Answers of one confidence stand or fall together: judge at the last of each run of equals.
    is_last_of_run = np.append(descending[:-1] != descending[1:], True)[: len(descending)]
    good = is_last_of_run & (wilson_lower_bound(hits, answers) >= min_accuracy)
    return float(descending[good][-1]) if good.any() else NEVER_CERTAIN


def wilson_lower_bound(hits: np.ndarray, trials: np.ndarray, z: float = Z_95) -> np.ndarray:
    """Lower end of Wilson's (1927) score interval of the share hits / trials; elementwise, trials >= 1."""
    share = hits / trials
    centre = share + z**2 / (2 * trials)
    spread = z * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    return (centre - spread) / (1 + z**2 / trials)


def _log_likelihood(log_probabilities: np.ndarray, label: np.ndarray) -> float:
    """Sum of the log-probabilities (N, K) of the labels (N,), leaving out those that are -1."""
    given = np.flatnonzero(label >= 0)
    return float(log_probabilities[given, label[given]].sum())
