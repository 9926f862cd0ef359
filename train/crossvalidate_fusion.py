"""The fusion judged with the voices of all actors, each left out in turn, beside held-out words and faces.

What `train.fusion_report` measures rests on voices of two people. Here a fusion is fitted around the voice's encoder
of every fold of `train.crossvalidate`; words and faces are read by a checkpoint's encoders, which are the same in all
folds. A fold's confidence is calibrated on the voices that the other folds left out, with words and faces of the
selection data, and judged on those that it left out itself, with words and faces of the test data.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from sentiment.checkpoint import Checkpoint
from sentiment.model import Fusion, FusionNetwork
from train.dataset import ExampleDataset
from train.errors import DataError
from train.fit import make_banks
from train.fusion import (
    FeatureBank,
    Trial,
    calibrate,
    conflict_to_add,
    fit_fusion,
    make_bank,
    make_junk_bank,
    whole_bank,
)
from train.fusion_report import fusion_report
from train.inflate import deflate
from train.loop import EncoderWithHead
from train.metrics import rounded
from train.settings import Recipe

logger = logging.getLogger(__name__)

AVERAGED: Final = ("accuracy", "ece", "ece_if_perfect", "ece_excess")
"""Of the figures of `train.fusion_report`, those that are given as the mean of all folds."""


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What a checkpoint's encoders make of words and faces, the other two signals."""

    learned: Mapping[str, FeatureBank]
    """What it learned from, with what the checkpoint's own fusion says of it."""
    junk: Mapping[str, FeatureBank]
    selection: Mapping[str, FeatureBank]
    held_out: Mapping[str, FeatureBank]
    """Of the corpora's test parts."""


@dataclass(frozen=True, slots=True)
class FusedFold:
    """A fusion that was fitted around the voice's encoder of one fold."""

    fusion: Fusion
    voices: FeatureBank
    """Of the people whom it has not heard."""


def read_witnesses(checkpoint: Checkpoint, recipe: Recipe, data: Path) -> Witnesses:
    """Raises DataError where the checkpoint does not read words and faces, or a corpus is absent."""
    encoders = checkpoint.network.encoders
    if not {"text", "video"} <= set(encoders) or recipe.video is None:
        raise DataError(
            f"{checkpoint.name} reads {', '.join(encoders)}; to fuse around voices takes all three signals."
        )
    is_still = recipe.video.phases[-1].dimensions == 2
    models = {
        "text": EncoderWithHead("text", encoders["text"]),
        "video": EncoderWithHead("video", deflate(encoders["video"]) if is_still else encoders["video"]),
    }
    learned, junk = make_banks("train", models, checkpoint.preprocessor, recipe, data)
    learned = {modality: replace(bank, said=_say(checkpoint, modality, bank)) for modality, bank in learned.items()}
    selection, _ = make_banks("selection", models, checkpoint.preprocessor, recipe, data)
    held_out, _ = make_banks("test", models, checkpoint.preprocessor, recipe, data)
    return Witnesses(learned, junk, selection, held_out)


def fuse_fold(
    network: FusionNetwork,
    model: EncoderWithHead,
    heard: ExampleDataset,
    unheard: ExampleDataset,
    witnesses: Witnesses,
    recipe: Recipe,
    seed: int,
) -> FusedFold:
    """Fits the network's fusion, in place, around the voice's encoder, which is trained and has its head in `model`."""
    voices = make_bank(model, heard, seed=seed, augmented=True)
    noises = make_junk_bank(model, heard, recipe.fusion.junk_per_modality, seed)
    fit_fusion(network.fusion, _around(voices, witnesses.learned), _around(noises, witnesses.junk), recipe.fusion, seed)
    return FusedFold(network.fusion, make_bank(model, unheard))


def judge_fused(
    folds: Sequence[FusedFold], witnesses: Witnesses, recipe: Recipe, seed: int
) -> list[dict[str, dict[str, Any]]]:
    """The figures of each fold, as `fusion_report` gives them, by "text+audio" and the like."""
    expected_error, reports = recipe.fusion.conflict, []
    trials = [Trial(fold.fusion, _around(fold.voices, witnesses.selection)) for fold in folds]
    for number, fold in enumerate(folds):
        calibration = calibrate(trials[:number] + trials[number + 1 :], expected_error, seed)
        banks = _around(fold.voices, witnesses.held_out)
        conflict = conflict_to_add(fold.fusion, banks, expected_error)
        reports.append(fusion_report(fold.fusion, calibration, banks, conflict))
        logger.info("fused, fold %d of %d: %s", number + 1, len(folds), _excesses(reports[-1]))
    return reports


def summarize(reports: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """For each combination with a voice, the mean of all folds of AVERAGED and of what is certain; ready for JSON.

    Also "certain", with coverage and accuracy (None where no fold was ever certain), and "folds", the excess of each.
    """
    summary = {}
    for signals in (signals for signals in reports[0] if "audio" in signals.split("+")):
        of_folds = [report[signals] for report in reports]
        certain = [report["certain"] for report in of_folds]
        number = sum(report["n"] for report in certain)
        hits = sum(report["n"] * report["accuracy"] for report in certain if report["n"])
        summary[signals] = {
            **{name: rounded(np.mean([report[name] for report in of_folds])) for name in AVERAGED},
            "certain": {
                "coverage": rounded(np.mean([report["coverage"] for report in certain])),
                "accuracy": rounded(hits / number) if number else None,
            },
            "folds": [report["ece_excess"] for report in of_folds],
        }
    return summary


def _around(voices: FeatureBank, others: Mapping[str, FeatureBank]) -> dict[str, FeatureBank]:
    """Words, voices and faces, in the order of MODALITIES."""
    return {"text": others["text"], "audio": voices, "video": others["video"]}


@torch.inference_mode()
def _say(checkpoint: Checkpoint, modality: str, bank: FeatureBank) -> torch.Tensor:
    """(N, 8) what the checkpoint's fusion says of a single signal, in place of a head that is not kept with it."""
    alone = whole_bank(bank, modality)
    return checkpoint.network.fusion(alone.features, alone.presence).softmax(dim=1)


def _excesses(report: Mapping[str, Mapping[str, Any]]) -> str:
    return ", ".join(f"{signals} {figures['ece_excess']:+.3f}" for signals, figures in report.items())
