"""The training of one encoder: epochs over batches, one-cycle schedule, the best epoch is kept.

Each encoder first learns by itself, with a small head of its own on its 128 numbers. The fusion
comes after, on features of encoders that no longer change (see `train.fusion`).
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from sentiment.clip_datatypes import ClipBatch
from sentiment.labels import EMOTIONS
from sentiment.model import FEATURE_SIZE, PAIR_EMOTION, PAIR_SENTIMENT, JointHead, encoder_inputs, log_marginals
from train.dataset import UNKNOWN, Batch, ExampleDataset
from train.metrics import accuracy, confusion_matrix, weighted_f1
from train.settings import PhaseSettings

logger = logging.getLogger(__name__)

GRADIENT_NORM_LIMIT = 1.0


class EncoderWithHead(nn.Module):
    """One encoder and a head that reads nothing else."""

    def __init__(self, modality: str, encoder: nn.Module, head: JointHead | None = None) -> None:
        super().__init__()
        self.modality = modality
        self.encoder = encoder
        self.head = head or JointHead(FEATURE_SIZE)

    def forward(self, batch: ClipBatch) -> torch.Tensor:
        """(B, 8) logits of the permitted pairs; every clip of the batch must have the modality."""
        return self.head(self.encoder(*encoder_inputs(self.modality, batch)))


def pair_loss(
    pair_logits: torch.Tensor, emotion: torch.Tensor, sentiment: torch.Tensor, emotion_weights: torch.Tensor
) -> torch.Tensor:
    """Mean negative log-probability of everything an example's labels allow.

    pair_logits (B, 8); emotion and sentiment (B,) with UNKNOWN where a corpus does not say: an
    example with an emotion only is scored by that emotion's whole probability. emotion_weights (7,).
    """
    log_joint = pair_logits.float().log_softmax(dim=1)
    fits_emotion = (emotion.unsqueeze(1) == PAIR_EMOTION) | (emotion == UNKNOWN).unsqueeze(1)
    fits_sentiment = (sentiment.unsqueeze(1) == PAIR_SENTIMENT) | (sentiment == UNKNOWN).unsqueeze(1)
    losses = -log_joint.masked_fill(~(fits_emotion & fits_sentiment), -torch.inf).logsumexp(dim=1)
    weights = torch.where(emotion == UNKNOWN, 1.0, emotion_weights[emotion.clamp(min=0)])
    return (losses * weights).sum() / weights.sum()


def class_weights(emotion: torch.Tensor, power: float) -> torch.Tensor:
    """(7,) weights (frequency) ** -power, scaled so that the mean over the examples (N,) is 1."""
    counts = torch.bincount(emotion[emotion != UNKNOWN], minlength=len(EMOTIONS)).float()
    weights = torch.where(counts > 0, (counts / counts.sum()).clamp(min=1e-6) ** -power, 0.0)
    return weights * counts.sum() / (weights * counts).sum()


@torch.inference_mode()
def pair_logits_of(
    model: nn.Module, dataset: ExampleDataset, frame_count: int | None = None, batch_size: int = 64
) -> torch.Tensor:
    """(N, 8) logits of all examples, without augmentation."""
    model.eval()
    order = by_length(dataset, range(len(dataset)))
    logits = torch.empty(len(dataset), len(PAIR_EMOTION))
    batches = dataset.batches(batch_size, order, frame_count=frame_count)
    for start, batch in zip(range(0, len(order), batch_size), batches, strict=True):
        with torch.autocast("cpu", torch.bfloat16):
            logits[order[start : start + batch_size]] = model(batch.clips).float()
    return logits


@dataclass(frozen=True, slots=True)
class Score:
    """How good a model is on selection data."""

    weighted_f1: float
    accuracy: float


def score(model: nn.Module, dataset: ExampleDataset, frame_count: int | None = None) -> Score:
    """Emotion scores on all examples of a data set."""
    emotion_log_probabilities, _ = log_marginals(pair_logits_of(model, dataset, frame_count))
    predicted = emotion_log_probabilities.argmax(dim=1).numpy()
    confusion = confusion_matrix(dataset.emotion.numpy(), predicted, len(EMOTIONS))
    return Score(weighted_f1(confusion), accuracy(confusion))


def run_phase(
    model: EncoderWithHead,
    training: ExampleDataset,
    selection: ExampleDataset,
    phase: PhaseSettings,
    emotion_weights: torch.Tensor,
    seed: int,
    log_name: str,
) -> Score:
    """Trains the model in place and leaves it at its best epoch by weighted F1 on selection data."""
    per_epoch = min(phase.examples_per_epoch or len(training), len(training))
    num_steps = phase.epochs * -(-per_epoch // phase.batch_size)
    optimizer = torch.optim.AdamW(_parameter_groups(model, phase.weight_decay), lr=phase.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, phase.learning_rate, total_steps=num_steps, pct_start=0.1, cycle_momentum=False
    )
    best_score, best_state = Score(-1, -1), copy.deepcopy(model.state_dict())
    started = time.monotonic()
    for epoch in range(phase.epochs):
        epoch_seed = seed * 1000 + epoch
        order = _shuffle(training, per_epoch, phase.batch_size, epoch_seed)
        model.train()
        losses = []
        for batch in training.batches(phase.batch_size, order, epoch_seed, phase.frame_count):
            losses.append(_step(model, batch, optimizer, emotion_weights, phase.precision))
            schedule.step()
        now = score(model, selection, phase.frame_count)
        if now.weighted_f1 > best_score.weighted_f1:
            best_score, best_state = now, copy.deepcopy(model.state_dict())
        elapsed = time.monotonic() - started
        logger.info(
            "%s epoch %d/%d  loss %.3f  selection: weighted F1 %.3f, accuracy %.3f  %.0f s, %.0f s left",
            log_name, epoch + 1, phase.epochs, np.mean(losses), now.weighted_f1, now.accuracy,
            elapsed, elapsed / (epoch + 1) * (phase.epochs - epoch - 1),
        )  # fmt: skip
    model.load_state_dict(best_state)
    return best_score


def _step(
    model: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer, emotion_weights: torch.Tensor, precision: str
) -> float:
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        pair_logits = model(batch.clips)
    loss = pair_loss(pair_logits, batch.emotion, batch.sentiment, emotion_weights)
    optimizer.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_NORM_LIMIT)
    if not torch.isfinite(norm):
        # Going on would only turn every weight into NaN, hours before anybody looks.
        raise FloatingPointError(f"the gradient's norm is {norm.item()} at a loss of {loss.item()}")
    optimizer.step()
    return loss.item()


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Norms and biases are not pulled towards zero."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def by_length(dataset: ExampleDataset, rows: Sequence[int]) -> list[int]:
    """The rows, shortest text first."""
    return sorted(rows, key=lambda i: len(dataset.examples[i].text or ""))


def _shuffle(dataset: ExampleDataset, count: int, batch_size: int, seed: int) -> list[int]:
    """A random order of `count` rows in which neighbours are of similar length: little padding, still random."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(dataset))[:count].tolist()
    pool = batch_size * 50
    order = [i for start in range(0, count, pool) for i in by_length(dataset, rows[start : start + pool])]
    batches = [order[start : start + batch_size] for start in range(0, count, batch_size)]
    last = batches.pop() if len(batches[-1]) < batch_size else []
    rng.shuffle(batches)
    return [i for batch in batches for i in batch] + last
