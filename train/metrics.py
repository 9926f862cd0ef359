"""How good the answers are: accuracy, F1, calibration error, and what a constant guess would have got.

Everything but what has to do with confidence follows from the confusion matrix, so that is what those functions
take: (K, K) int64, one row per true class, one column per predicted class. Figures agree with scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from train.calibration import NEVER_CERTAIN, wilson_lower_bound

CALIBRATION_BINS: Final = 15
"""Equal-width bins of the expected calibration error, as in Guo et al. 2017."""

BOOTSTRAP_RESAMPLES: Final = 2000
BOOTSTRAP_SEED: Final = 0

PERFECT_DRAWS: Final = 1000
"""How often a perfectly calibrated model is simulated to learn what calibration error chance alone gives it."""

CURVE_POINTS: Final = 20

JSON_DIGITS: Final = 6


def classification_report(true: Sequence[str], probabilities: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
    """Every figure for one task, ready for JSON.

    Args:
        true: the annotated class of each of the N examples, each one of `labels`.
        probabilities: (N, K) float, rows sum to 1, columns in the order of `labels`.
        labels: the K classes.

    Returns:
        n, accuracy, weighted_f1, macro_f1; ece, ece_if_perfect (what chance alone gives a perfectly calibrated
        model with these confidences), ece_excess (the first less the second; may be negative), reliability
        (mean confidence, accuracy and count of each bin that has any); per_class {label: precision, recall,
        f1, support};
        confusion (rows true, columns predicted); constant_guess {label, accuracy, weighted_f1}, which
        always names the most frequent class of these very examples and so is the best that any
        constant answer can do on them; interval_95 {accuracy, weighted_f1, macro_f1: [low, high]}.

    Raises ValueError where there are no examples, or lengths or classes do not match.
    """
    true_indices = _to_indices(true, labels)
    if probabilities.shape != (len(true), len(labels)):
        raise ValueError(f"probabilities must be ({len(true)}, {len(labels)}), got {probabilities.shape}")
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(true_indices, predicted, len(labels))
    confidence, correct = probabilities.max(axis=1), predicted == true_indices
    figures: dict[str, Callable[[np.ndarray], float]] = {
        "accuracy": accuracy,
        "weighted_f1": weighted_f1,
        "macro_f1": macro_f1,
    }
    return {
        "n": len(true),
        **{name: rounded(figure(confusion)) for name, figure in figures.items()},
        **_calibration_report(confidence, correct),
        "constant_guess": _constant_guess_report(confusion, labels),
        "interval_95": {
            name: [rounded(end) for end in bootstrap_interval(confusion, figure)] for name, figure in figures.items()
        },
        "per_class": _per_class_report(confusion, labels),
        "confusion": confusion.tolist(),
    }


def confusion_matrix(true: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """(K, K) int64 counts, rows true, columns predicted, from two (N,) arrays of class indices."""
    pairs = true * num_classes + predicted
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def accuracy(confusion: np.ndarray) -> float:
    """Share of the examples that were named rightly."""
    return float(np.trace(confusion) / confusion.sum())


def precision_recall_f1(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three (K,) arrays; 0 where a class was never predicted, never true, or neither."""
    hits = np.diag(confusion).astype(np.float64)
    predicted, support = confusion.sum(axis=0), confusion.sum(axis=1)
    precision = np.divide(hits, predicted, out=np.zeros_like(hits), where=predicted > 0)
    recall = np.divide(hits, support, out=np.zeros_like(hits), where=support > 0)
    either = predicted + support
    f1 = np.divide(2 * hits, either, out=np.zeros_like(hits), where=either > 0)
    return precision, recall, f1


def weighted_f1(confusion: np.ndarray) -> float:
    """Mean of the classes' F1, each weighted by how often the class is true."""
    return float(np.average(precision_recall_f1(confusion)[2], weights=confusion.sum(axis=1)))


def macro_f1(confusion: np.ndarray) -> float:
    """Mean of the F1 of those classes that are true or predicted at least once."""
    occurs = confusion.sum(axis=0) + confusion.sum(axis=1) > 0
    return float(precision_recall_f1(confusion)[2][occurs].mean())


def constant_guess(confusion: np.ndarray) -> np.ndarray:
    """The confusion matrix of always naming the most frequent true class; the first of them in a tie."""
    support = confusion.sum(axis=1)
    guess = np.zeros_like(confusion)
    guess[:, support.argmax()] = support
    return guess


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = CALIBRATION_BINS) -> float:
    """Mean gap between confidence and accuracy over equal-width bins of confidence, weighted by their size.

    Args:
        confidence: (N,) probability of the named class, in [0, 1].
        correct: (N,) bool.
        bins: how many; a confidence on an edge belongs to the bin below it.
    """
    gaps = np.bincount(_bin_of(confidence, bins), weights=confidence - correct, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def perfect_calibration_error(
    confidence: np.ndarray, bins: int = CALIBRATION_BINS, draws: int = PERFECT_DRAWS, seed: int = BOOTSTRAP_SEED
) -> float:
    """Mean calibration error of a model that is right exactly as often as its `confidence` (N,) says.

    It is not zero: in a bin of few examples the share of right answers strays from their mean confidence
    by chance. Only what a measured error has beyond this speaks against a model.
    """
    random = np.random.default_rng(seed)
    gaps = np.zeros((draws, bins))
    bin_of = _bin_of(confidence, bins)
    # Bin by bin, so that memory stays at `draws` times the fullest bin.
    for number in np.unique(bin_of):
        inside = confidence[bin_of == number]
        hits = (random.random((draws, len(inside)), dtype=np.float32) < inside).sum(axis=1)
        gaps[:, number] = inside.sum() - hits
    return float(np.abs(gaps).sum(axis=1).mean() / len(confidence))


def reliability(confidence: np.ndarray, correct: np.ndarray, bins: int = CALIBRATION_BINS) -> list[list[float]]:
    """[mean confidence, accuracy, count] of each bin that holds any of the N answers, from the least confident on."""
    bin_of = _bin_of(confidence, bins)
    count = np.bincount(bin_of, minlength=bins)
    mean_confidence, accuracies = (
        np.bincount(bin_of, weights=values, minlength=bins) / np.maximum(count, 1) for values in (confidence, correct)
    )
    return [[rounded(mean_confidence[i]), rounded(accuracies[i]), int(count[i])] for i in range(bins) if count[i] > 0]


def certain_report(correct: np.ndarray, certain: np.ndarray, threshold: float | None) -> dict[str, Any]:
    """How many answers were called certain, and how many of those were right.

    Args:
        correct: (N,) bool.
        certain: (N,) bool, by the checkpoint's own rule.
        threshold: that rule's confidence; None where the checkpoint has none, hence is never certain.

    Returns coverage (share of certain answers), n (their number), accuracy (of them) and its interval_95
    (Wilson's), both None where none is certain, and the threshold.
    """
    number, hits = int(certain.sum()), int((correct & certain).sum())
    interval = None
    if number:
        # The upper end for the hits is what the lower end for the misses leaves.
        low, miss_low = (float(wilson_lower_bound(np.array(k), np.array(number))) for k in (hits, number - hits))
        interval = [rounded(low), rounded(1 - miss_low)]
    return {
        "coverage": rounded(number / len(correct)),
        "accuracy": rounded(hits / number) if number else None,
        "n": number,
        "interval_95": interval,
        "threshold": None if threshold is None or threshold >= NEVER_CERTAIN else rounded(threshold),
    }


def coverage_curve(confidence: np.ndarray, correct: np.ndarray, eligible: np.ndarray) -> list[list[float]]:
    """[threshold, coverage, accuracy] for thresholds from which ever fewer answers would be called certain.

    Args:
        confidence: (N,) probability of the named class, in [0, 1].
        correct: (N,) bool.
        eligible: (N,) bool; an answer that is not is never certain, so it lowers coverage at every threshold.

    Returns at most CURVE_POINTS points, about equal steps of coverage apart; none where nothing is eligible.
    """
    if not eligible.any():
        return []
    shares = np.arange(CURVE_POINTS) / CURVE_POINTS
    points = []
    for threshold in np.unique(np.quantile(confidence[eligible], shares, method="higher")):
        kept = eligible & (confidence >= threshold)
        points.append([rounded(threshold), rounded(kept.mean()), rounded(correct[kept].mean())])
    return points


def bootstrap_interval(
    confusion: np.ndarray,
    figure: Callable[[np.ndarray], float],
    resamples: int | None = None,
    seed: int = BOOTSTRAP_SEED,
    num_examples: int | None = None,
) -> tuple[float, float]:
    """The percentile-bootstrap 95% interval (low, high) of a figure of the confusion matrix.

    `resamples` are BOOTSTRAP_RESAMPLES where left out. A matrix in which each of `num_examples` was counted several
    times, as of several networks, tells no more of other examples than one of them once.

    To draw N examples with replacement is to draw the matrix from a multinomial, which is quick. It takes
    examples as independent: how much another dialogue or another actor would change is not in it.
    """
    total = int(confusion.sum())
    random = np.random.default_rng(seed)
    drawn = random.multinomial(num_examples or total, confusion.ravel() / total, size=resamples or BOOTSTRAP_RESAMPLES)
    low, high = np.quantile([figure(resample.reshape(confusion.shape)) for resample in drawn], (0.025, 0.975))
    return float(low), float(high)


def _bin_of(confidence: np.ndarray, bins: int) -> np.ndarray:
    """(N,) the bin of each confidence, left-open intervals from (0, 1/bins] on; 0 itself joins the first."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def _calibration_report(confidence: np.ndarray, correct: np.ndarray) -> dict[str, Any]:
    error, by_chance = expected_calibration_error(confidence, correct), perfect_calibration_error(confidence)
    return {
        "ece": rounded(error),
        "ece_if_perfect": rounded(by_chance),
        "ece_excess": rounded(error - by_chance),
        "reliability": reliability(confidence, correct),
    }


def _constant_guess_report(confusion: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
    guess = constant_guess(confusion)
    return {
        "label": labels[int(confusion.sum(axis=1).argmax())],
        "accuracy": rounded(accuracy(guess)),
        "weighted_f1": rounded(weighted_f1(guess)),
    }


def _per_class_report(confusion: np.ndarray, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    precision, recall, f1 = precision_recall_f1(confusion)
    return {
        label: {
            "precision": rounded(precision[index]),
            "recall": rounded(recall[index]),
            "f1": rounded(f1[index]),
            "support": int(confusion[index].sum()),
        }
        for index, label in enumerate(labels)
    }


def _to_indices(true: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    if not true:
        raise ValueError("there is nothing to measure: no examples were given")
    unknown = sorted(set(true) - set(labels))
    if unknown:
        raise ValueError(f"true classes must be of {', '.join(labels)}, got {', '.join(unknown)}")
    index_of = {label: index for index, label in enumerate(labels)}
    return np.array([index_of[label] for label in true], dtype=np.int64)


def rounded(figure: float) -> float:
    """A figure as it stands in JSON."""
    return round(float(figure), JSON_DIGITS)
