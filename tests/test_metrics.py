"""Figures of merit against scikit-learn's and against arithmetic done by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from train import metrics

LABELS = ("anger", "disgust", "joy", "neutral")


@pytest.fixture
def answers():
    """400 examples of unequal classes, of which "disgust" is true but never predicted."""
    random = np.random.default_rng(1)
    true = random.choice(LABELS, size=400, p=[0.2, 0.05, 0.25, 0.5])
    logits = random.normal(size=(400, 4)) + 1.2 * (true[:, None] == np.array(LABELS))
    logits[:, 1] = -5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return list(true), probabilities


def test_the_figures_are_those_of_scikit_learn(answers):
    true, probabilities = answers
    predicted = np.array(LABELS)[probabilities.argmax(axis=1)]
    report = metrics.classification_report(true, probabilities, LABELS)
    assert report["n"] == 400
    assert report["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(true, predicted), abs=1e-6)
    for average in ("weighted", "macro"):
        expected = sklearn_metrics.f1_score(true, predicted, average=average)
        assert report[f"{average}_f1"] == pytest.approx(expected, abs=1e-6)
    theirs = sklearn_metrics.classification_report(true, predicted, output_dict=True, zero_division=0)
    for label in LABELS:
        ours, expected = report["per_class"][label], theirs[label]
        expected = [expected["precision"], expected["recall"], expected["f1-score"], expected["support"]]
        assert list(ours.values()) == pytest.approx(expected, abs=1e-6)
    assert report["confusion"] == sklearn_metrics.confusion_matrix(true, predicted, labels=LABELS).tolist()


def test_a_constant_guess_names_the_most_frequent_class_of_the_measured_examples(answers):
    true, probabilities = answers
    guess = metrics.classification_report(true, probabilities, LABELS)["constant_guess"]
    constant = ["neutral"] * len(true)
    assert guess["label"] == "neutral"
    assert guess["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(true, constant), abs=1e-6)
    expected = sklearn_metrics.f1_score(true, constant, average="weighted")
    assert guess["weighted_f1"] == pytest.approx(expected, abs=1e-6)


def test_macro_f1_leaves_out_classes_that_do_not_occur():
    confusion = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    true, predicted = [0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1, 1]
    assert metrics.macro_f1(confusion) == pytest.approx(sklearn_metrics.f1_score(true, predicted, average="macro"))


def test_calibration_error_by_hand():
    # Two bins: (0, 0.5] holds 0.5 (right): gap 0.5; (0.5, 1] holds 0.9 (right) and 0.7 (wrong): gap 0.3.
    confidence, correct = np.array([0.5, 0.9, 0.7]), np.array([True, True, False])
    assert metrics.expected_calibration_error(confidence, correct, bins=2) == pytest.approx((0.5 + 2 * 0.3) / 3)


def test_calibration_error_is_nothing_where_confidence_is_kept_and_all_of_it_where_it_is_not():
    correct = np.arange(1000) % 4 != 0
    assert metrics.expected_calibration_error(np.full(1000, 0.75), correct) == pytest.approx(0)
    assert metrics.expected_calibration_error(np.ones(1000), correct) == pytest.approx(0.25)
    assert metrics.expected_calibration_error(np.zeros(1000), correct) == pytest.approx(0.75)


def test_the_interval_is_that_of_a_binomial_and_repeats():
    confusion = np.array([[80, 20], [20, 80]])
    low, high = metrics.bootstrap_interval(confusion, metrics.accuracy)
    expected = 1.96 * np.sqrt(0.8 * 0.2 / 200)
    assert (low, high) == pytest.approx((0.8 - expected, 0.8 + expected), abs=0.01)
    assert (low, high) == metrics.bootstrap_interval(confusion, metrics.accuracy)
    # Four networks' answers about the same examples are no more examples.
    assert (low, high) == metrics.bootstrap_interval(4 * confusion, metrics.accuracy, num_examples=confusion.sum())


def test_the_interval_holds_its_figure_and_the_report_is_plain_json(answers):
    report = metrics.classification_report(*answers, LABELS)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    for name, (low, high) in report["interval_95"].items():
        assert low < report[name] < high


def test_what_cannot_be_measured_is_refused(answers):
    true, probabilities = answers
    with pytest.raises(ValueError, match="no examples"):
        metrics.classification_report([], np.empty((0, 4)), LABELS)
    with pytest.raises(ValueError, match=r"\(400, 4\), got \(400, 3\)"):
        metrics.classification_report(true, probabilities[:, :3], LABELS)
    with pytest.raises(ValueError, match="got boredom"):
        metrics.classification_report(["boredom"], probabilities[:1], LABELS)


def test_a_perfectly_calibrated_model_has_the_error_that_chance_gives_it():
    random = np.random.default_rng(5)
    confidence = random.uniform(0.3, 1, 500)
    measured = [metrics.expected_calibration_error(confidence, random.random(500) < confidence) for _ in range(300)]
    assert metrics.perfect_calibration_error(confidence) == pytest.approx(np.mean(measured), rel=0.05)
    # Of one confidence the mean deviation of a binomial, by hand: sqrt(2 p (1 - p) / (pi n)).
    expected = np.sqrt(2 * 0.6 * 0.4 / (np.pi * 1000))
    assert metrics.perfect_calibration_error(np.full(1000, 0.6)) == pytest.approx(expected, rel=0.05)


def test_reliability_is_all_that_the_calibration_error_needs(answers):
    report = metrics.classification_report(*answers, LABELS)
    confidence, accuracy, count = np.array(report["reliability"]).T
    assert count.sum() == 400 and (count > 0).all() and (np.diff(confidence) > 0).all()
    assert (np.abs(confidence - accuracy) * count).sum() / 400 == pytest.approx(report["ece"], abs=1e-5)
    assert report["ece_excess"] == pytest.approx(report["ece"] - report["ece_if_perfect"], abs=2e-6)


def test_certain_answers_by_hand():
    correct = np.array([True] * 8 + [False] * 12)
    certain = np.array([True] * 10 + [False] * 10)
    report = metrics.certain_report(correct, certain, 0.7)
    assert (report["coverage"], report["accuracy"], report["n"], report["threshold"]) == (0.5, 0.8, 10, 0.7)
    assert report["interval_95"] == pytest.approx([0.4902, 0.9433], abs=1e-4)  # Wilson's, of 8 in 10
    never = metrics.certain_report(correct, np.zeros(20, dtype=bool), None)
    assert never == {"coverage": 0, "accuracy": None, "n": 0, "interval_95": None, "threshold": None}


def test_the_curve_gives_up_coverage_from_the_least_confident_on():
    confidence = np.linspace(0.2, 0.99, 200)
    eligible = np.arange(200) % 10 != 0  # one in ten is mixed, and so never certain
    curve = metrics.coverage_curve(confidence, confidence > 0.5, eligible)
    threshold, coverage, accuracy = np.array(curve).T
    assert len(curve) == 20 and coverage[0] == 0.9 and accuracy[-1] == 1
    assert (np.diff(threshold) > 0).all() and (np.diff(coverage) < 0).all() and (np.diff(accuracy) >= 0).all()
    for t, share, right in curve:
        kept = eligible & (confidence >= t - 1e-6)
        assert (share, right) == pytest.approx((kept.mean(), (confidence[kept] > 0.5).mean()), abs=1e-6)
    assert metrics.coverage_curve(confidence, eligible, np.zeros(200, dtype=bool)) == []
