"""A checkpoint's figures on whatever held-out parts a data folder has, exactly as it answers in use."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from sentiment.checkpoint import Checkpoint
from sentiment.datatypes import Affect
from sentiment.labels import EMOTIONS, SENTIMENTS
from sentiment.prediction import ask_fusion
from train.corpora import Split
from train.corpora.catalog import CORPORA
from train.dataset import ExampleDataset
from train.errors import DataError
from train.metrics import classification_report

logger = logging.getLogger(__name__)

HELD_OUT: Final = {"text": "meld", "audio": "ravdess", "video": "fer2013"}
"""The corpus that each modality is measured on."""


def evaluate(checkpoint: Checkpoint, data: Path, split: Split = "test") -> dict[str, Any]:
    """{"text": {"emotion": figures, "sentiment": figures}, "audio": {...}, "video": {...}}, ready for JSON.

    Each modality is asked by itself. Corpora that are absent are left out, and so is the sentiment of
    corpora that have none. For the figures see `train.metrics.classification_report`.

    Raises DataError where the folder has none of the corpora.
    """
    figures = {}
    for modality, name in HELD_OUT.items():
        corpus = CORPORA[name]
        if not corpus.is_present(data, split):
            continue
        dataset = ExampleDataset(corpus.load(data, split), checkpoint.preprocessor)
        logger.info("evaluate: %s on %d examples of %s", modality, len(dataset), name)
        figures[modality] = _report(dataset, answers(checkpoint, modality, dataset))
    if not figures:
        raise DataError(f"{data} has no {split} part of any of {', '.join(HELD_OUT.values())}.")
    return figures


@torch.inference_mode()
def answers(checkpoint: Checkpoint, modality: str, dataset: ExampleDataset, batch_size: int = 32) -> list[Affect]:
    """The calibrated answer for each example, from this modality alone."""
    found: list[Affect] = []
    for batch in dataset.batches(batch_size):
        features = checkpoint.network.encode(batch.clips.to(checkpoint.device))
        found += ask_fusion(checkpoint, features, (modality,))
    return found


def _report(dataset: ExampleDataset, found: list[Affect]) -> dict[str, Any]:
    report = {}
    for task, labels in (("emotion", EMOTIONS), ("sentiment", SENTIMENTS)):
        known = [i for i, example in enumerate(dataset.examples) if getattr(example, task) is not None]
        if known:
            true = [getattr(dataset.examples[i], task) for i in known]
            report[task] = classification_report(true, np.array([getattr(found[i], task) for i in known]), labels)
    return report
