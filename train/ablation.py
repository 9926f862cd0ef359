"""What each choice is worth on MELD's clips: the way of fusing, and where the encoders start and how much they learn.

The three ways of fusing are trained here, with the same budget, on what one checkpoint's frozen encoders make of the
clips. Rows about encoders come from runs of other recipes: each is a checkpoint that was evaluated and stored.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sentiment.checkpoint import Checkpoint, read_manifest
from sentiment.labels import EMOTIONS, SENTIMENTS
from sentiment.model import log_marginals
from train.corpora.meld import OFFICIAL_SPLITS
from train.errors import DataError
from train.fusion_kinds import KINDS, SequenceFusion, make_fusion
from train.joint_batches import shown_presence
from train.loop import class_weights, pair_loss
from train.metrics import accuracy, bootstrap_interval, confusion_matrix, macro_f1, rounded, weighted_f1
from train.sequences import SequenceBank, load_sequences

if TYPE_CHECKING:
    from train.joint_settings import FusionKind

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Budget:
    """What every way of fusing is given alike."""

    epochs: int = 15
    """The best of them by dev weighted F1 is kept."""
    batch_size: int = 64
    learning_rate: float = 3e-4
    """Highest value of a one-cycle schedule."""
    weight_decay: float = 0.01
    modality_dropout: float = 0.5
    """How often a clip shows only a part of what it has."""
    fusion_size: int = 256
    dropout: float = 0.2
    seed: int = 0


def compare_fusions(checkpoint: Checkpoint, data: Path, budget: Budget, workers: int = 0) -> dict[str, Any]:
    """{"budget": ..., "fusion": {kind: {"parameters", "epoch", "seconds", "dev": figures, "test": figures}}} for JSON.

    Figures are for each task {"n", "accuracy", "weighted_f1", "macro_f1", "interval_95": {...}}. All of them are of
    one seed: differences smaller than the intervals mean nothing.

    Raises DataError where a part has not been prepared.
    """
    banks = {split: load_sequences(checkpoint, data, split, workers) for split in OFFICIAL_SPLITS}
    device = checkpoint.device
    found = {}
    for kind in KINDS:
        started = time.monotonic()
        model, best_epoch = train_fusion(kind, banks["train"], banks["selection"], budget, device)
        found[kind] = {
            "parameters": sum(p.numel() for p in model.parameters()),
            "epoch": best_epoch,
            "seconds": round(time.monotonic() - started, 1),
            "dev": judge(model, banks["selection"], device),
            "test": judge(model, banks["test"], device),
        }
        logger.info("%s fusion: dev weighted F1 %.3f", kind, found[kind]["dev"]["emotion"]["weighted_f1"])
    return {"budget": asdict(budget), "fusion": found}


def train_fusion(
    kind: FusionKind, training: SequenceBank, selection: SequenceBank, budget: Budget, device: torch.device
) -> tuple[SequenceFusion, int]:
    """The trained network of the epoch that was best on `selection`, and which one that was, counted from 1."""
    with_something = training.presence.any(dim=1).nonzero().flatten()
    if not len(with_something):
        raise DataError("There are no clips to train a fusion on.")
    torch.manual_seed(budget.seed)
    model = make_fusion(kind, training.sizes, budget.fusion_size, budget.dropout).to(device)
    steps = budget.epochs * -(-len(with_something) // budget.batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), budget.learning_rate, weight_decay=budget.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, budget.learning_rate, total_steps=steps)
    # Its own source of chance, so that every kind is shown the same clips in the same order, with the same parts.
    generator = torch.Generator().manual_seed(budget.seed)
    weights = class_weights(training.emotion, 0.0)
    best, best_score, best_epoch = model, -1.0, 0
    for epoch in range(1, budget.epochs + 1):
        model.train()
        order = with_something[torch.randperm(len(with_something), generator=generator)]
        for rows in order.split(budget.batch_size):
            batch = training.batch(rows)
            shown = shown_presence(batch.presence, rows.tolist(), budget.modality_dropout, budget.seed, epoch)
            logits = model(batch.keeping(shown).to(device)).cpu()
            loss = pair_loss(logits, training.emotion[rows], training.sentiment[rows], weights)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        score = weighted_f1(_confusions(model, selection, device)["emotion"])
        logger.info("%s fusion, epoch %d of %d: dev weighted F1 %.3f", kind, epoch, budget.epochs, score)
        if score > best_score:
            best, best_score, best_epoch = copy.deepcopy(model), score, epoch
    return best, best_epoch


def judge(model: SequenceFusion, bank: SequenceBank, device: torch.device) -> dict[str, dict[str, Any]]:
    """Figures of both tasks on all clips of a part, each asked with all that it has."""
    return {task: _figures(confusion) for task, confusion in _confusions(model, bank, device).items()}


@torch.inference_mode()
def _confusions(model: SequenceFusion, bank: SequenceBank, device: torch.device) -> dict[str, np.ndarray]:
    model.eval()
    rows = torch.arange(len(bank)).split(256)
    logits = torch.cat([model(bank.batch(some).to(device)).cpu() for some in rows])
    tasks = zip(("emotion", "sentiment"), (EMOTIONS, SENTIMENTS), (bank.emotion, bank.sentiment), strict=True)
    return {
        task: confusion_matrix(true.numpy(), answers.argmax(dim=1).numpy(), len(labels))
        for (task, labels, true), answers in zip(tasks, log_marginals(logits), strict=True)
    }


def encoder_row(folder: Path) -> dict[str, Any] | None:
    """How a checkpoint's encoders were started and trained, and what it reached; None where that is not known.

    {"name", "encoders": {modality: {"start", "trained"}}, "measured_on", "emotion": figures, "sentiment": figures},
    of a recipe with a [joint] table and of what `evaluate --store` keeps. "start" is None for one from scratch.
    """
    manifest = read_manifest(folder)
    joint, clips = manifest["training"].get("joint"), manifest["metrics"].get("clips")
    if joint is None or clips is None:
        logger.warning("%s: no row, for it was not trained on clips, or not evaluated with --store", folder)
        return None
    trained = {m: joint[m] for m in ("text", "audio", "video") if joint.get(m) is not None}
    fused = clips["all"]
    return {
        "name": manifest["name"],
        "encoders": {
            m: {"start": None if s["from_scratch"] else s["start"], "trained": s["trained"]} for m, s in trained.items()
        },
        "measured_on": clips["measured_on"],
        **{task: _kept(fused[task]) for task in ("emotion", "sentiment")},
    }


def _figures(confusion: np.ndarray) -> dict[str, Any]:
    figures = {"accuracy": accuracy, "weighted_f1": weighted_f1, "macro_f1": macro_f1}
    return {
        "n": int(confusion.sum()),
        **{name: rounded(figure(confusion)) for name, figure in figures.items()},
        "interval_95": {
            name: [rounded(end) for end in bootstrap_interval(confusion, figure)] for name, figure in figures.items()
        },
    }


def _kept(report: dict[str, Any]) -> dict[str, Any]:
    names: Sequence[str] = ("n", "accuracy", "weighted_f1", "macro_f1", "interval_95")
    return {name: report[name] for name in names}
