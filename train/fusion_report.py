"""The fusion's figures on combinations that are made up from held-out features of separate corpora.

No corpus here carries all three signals, so words, voices and faces of the same label are put together, and
some of them are replaced by ones of another label. How well the fusion does on them follows from how often
that is done: these figures show whether it weighs its witnesses sensibly, and are no headline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from sentiment.checkpoint import Calibration, subset_key
from sentiment.datatypes import Affect, ModalitySubset
from sentiment.labels import EMOTIONS, MODALITIES
from sentiment.model import Fusion
from sentiment.prediction import ask_fusion
from train.answer_report import emotion_report
from train.fusion import JOINT_SUBSETS, FeatureBank, Mix, Mixer
from train.metrics import rounded

COMBINATIONS: Final = 4000
"""For each subset of the modalities."""

RESAMPLES: Final = 1000
SEED: Final = 0
MEASURED_ON: Final = "made-up combinations of held-out examples; no headline"


def fusion_report(
    fusion: Fusion, calibration: Calibration, banks: Mapping[str, FeatureBank], conflict: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    """Figures for every pair and the triplet of modalities, by names such as "text+video", ready for JSON.

    Args:
        fusion: which is asked.
        calibration: of that fusion.
        banks: for each modality, features of held-out examples, made by the encoders that the fusion was fitted to.
        conflict: for each modality, how often it shows another emotion than the label.

    Returns for each subset what `emotion_report` gives, of the fused answers, and
        measured_on: that these are made-up combinations;
        alone: modality -> accuracy of that modality by itself on the very same combinations;
        best_alone: the modality with the highest of them;
        gain: how much more of the combinations are named rightly by the fused answer than by that one, and
        its interval_95;
        doubt: how sure the fusion is where all signals show the label ("agreeing"), and where one of them
        always shows another emotion ({modality: ...}): mean_confidence and coverage, the share called certain.

    Raises DataError where the banks share fewer than two emotions.
    """
    mixer = Mixer(banks, conflict, SEED)
    return {
        subset_key(subset): {
            **_measure(fusion, calibration, subset, mixer.joint(subset, COMBINATIONS)),
            "doubt": _doubt(fusion, calibration, subset, banks),
        }
        for subset in JOINT_SUBSETS
    }


def paired_interval(gain: np.ndarray, sources: Sequence[np.ndarray]) -> tuple[float, float]:
    """The bootstrap 95% interval (low, high) of the mean of `gain` (B,) over combinations of shared examples.

    One recording stands in many combinations, so it is the recordings that are drawn anew, and a combination
    counts as often as its parts were drawn together (the pigeonhole bootstrap, Owen 2007). To draw the
    combinations themselves would call far too narrow what rests on a hundred recordings.

    Args:
        gain: (B,) float.
        sources: for each modality, (B,) int, which of its examples a combination holds, counted from 0.
    """
    random = np.random.default_rng(SEED)
    means = []
    for _ in range(RESAMPLES):
        weight = np.ones(len(gain))
        for source in sources:
            number = int(source.max()) + 1
            weight *= np.bincount(random.integers(0, number, number), minlength=number)[source]
        if weight.any():  # of very few examples, it may happen that no combination is drawn whole
            means.append(float(np.average(gain, weights=weight)))
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def _measure(fusion: Fusion, calibration: Calibration, subset: ModalitySubset, mix: Mix) -> dict[str, Any]:
    true = _emotions(mix)
    fused = ask_fusion(fusion, calibration, mix.features, subset)
    right = {m: _is_right(ask_fusion(fusion, calibration, mix.features, (m,)), true) for m in subset}
    best = max(subset, key=lambda m: right[m].mean())
    gain = _is_right(fused, true).astype(float) - right[best]
    low, high = paired_interval(gain, [_sources(mix, m) for m in subset])
    return {
        **emotion_report(true, fused, calibration, subset),
        "measured_on": MEASURED_ON,
        "alone": {m: rounded(of_one.mean()) for m, of_one in right.items()},
        "best_alone": best,
        "gain": {"mean": rounded(gain.mean()), "interval_95": [rounded(low), rounded(high)]},
    }


def _doubt(
    fusion: Fusion, calibration: Calibration, subset: ModalitySubset, banks: Mapping[str, FeatureBank]
) -> dict[str, Any]:
    """How sure the fusion is where all signals show one emotion, and where one of them shows another."""

    def sureness(conflicting: str | None) -> dict[str, float]:
        mixer = Mixer(banks, {m: float(m == conflicting) for m in banks}, SEED)
        found = ask_fusion(fusion, calibration, mixer.joint(subset, COMBINATIONS).features, subset)
        certain = [calibration.calls_certain(answer, subset) for answer in found]
        confidence = np.mean([answer.confidence for answer in found])
        return {"mean_confidence": rounded(confidence), "coverage": rounded(np.mean(certain))}

    return {"agreeing": sureness(None), **{m: sureness(m) for m in subset}}


def _emotions(mix: Mix) -> list[str]:
    return [EMOTIONS[i] for i in mix.emotion.tolist()]


def _is_right(found: Sequence[Affect], true: Sequence[str]) -> np.ndarray:
    """(B,) bool."""
    return np.array([answer.top_emotion == emotion for answer, emotion in zip(found, true, strict=True)])


def _sources(mix: Mix, modality: str) -> np.ndarray:
    """(B,) int, which example each combination has of that modality: two of the same features are the same."""
    features = mix.features[:, MODALITIES.index(modality)].numpy()
    return np.unique(features, axis=0, return_inverse=True)[1].reshape(-1)
