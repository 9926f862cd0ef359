"""What one encoder is trained for: its loss, and its score on examples it does not learn from.

Each encoder first learns by itself, with a small head of its own on its 128 numbers. The fusion
comes after, on features of encoders that no longer change (see `train.fusion`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from sentiment.clip_datatypes import ClipBatch
from sentiment.labels import EMOTIONS
from sentiment.model import FEATURE_SIZE, PAIR_EMOTION, PAIR_SENTIMENT, JointHead, encoder_inputs, log_marginals
from sentiment.precision import hardware_bfloat16
from train.dataset import UNKNOWN, ExampleDataset
from train.metrics import accuracy, confusion_matrix, weighted_f1


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


def pair_losses(
    pair_logits: torch.Tensor,
    emotion: torch.Tensor,
    sentiment: torch.Tensor,
    smoothing: float = 0.0,
    taught: torch.Tensor | None = None,
) -> torch.Tensor:
    """(B,) negative log-probability of everything an example's labels allow.

    pair_logits (B, 8); emotion and sentiment (B,) with UNKNOWN where a corpus does not say: an
    example with an emotion only is scored by that emotion's whole probability.
    With smoothing, that share of each example's weight asks for all pairs alike (Szegedy et al. 2016); where it is
    taught, half of the weight asks for these probabilities (B, 8).
    """
    log_joint = pair_logits.float().log_softmax(dim=1)
    pair_emotion, pair_sentiment = PAIR_EMOTION.to(emotion.device), PAIR_SENTIMENT.to(emotion.device)
    fits_emotion = (emotion.unsqueeze(1) == pair_emotion) | (emotion == UNKNOWN).unsqueeze(1)
    fits_sentiment = (sentiment.unsqueeze(1) == pair_sentiment) | (sentiment == UNKNOWN).unsqueeze(1)
    losses = -log_joint.masked_fill(~(fits_emotion & fits_sentiment), -torch.inf).logsumexp(dim=1)
    losses = (1 - smoothing) * losses - smoothing * log_joint.mean(dim=1)
    if taught is None:
        return losses
    return (losses - (taught * log_joint).sum(dim=1)) / 2


def pair_loss(
    pair_logits: torch.Tensor,
    emotion: torch.Tensor,
    sentiment: torch.Tensor,
    emotion_weights: torch.Tensor,
    smoothing: float = 0.0,
    taught: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean of `pair_losses`, weighted by `example_weights`."""
    losses = pair_losses(pair_logits, emotion, sentiment, smoothing, taught)
    weights = example_weights(emotion, emotion_weights)
    return (losses * weights).sum() / weights.sum()


def example_weights(emotion: torch.Tensor, emotion_weights: torch.Tensor) -> torch.Tensor:
    """(B,) how much each example counts, by its emotion (B,) and emotion_weights (7,); 1 where that is UNKNOWN."""
    return torch.where(emotion == UNKNOWN, 1.0, emotion_weights[emotion.clamp(min=0)])


def class_weights(emotion: torch.Tensor, power: float) -> torch.Tensor:
    """(7,) weights (frequency) ** -power, scaled so that the mean over the examples (N,) is 1."""
    counts = torch.bincount(emotion[emotion != UNKNOWN], minlength=len(EMOTIONS)).float()
    weights = torch.where(counts > 0, (counts / counts.sum()).clamp(min=1e-6) ** -power, 0.0)
    return weights * counts.sum() / (weights * counts).sum()


def mixed_precision(wanted: bool = True) -> torch.autocast:
    """bfloat16 for what layers compute, where it is wanted and the processor has it: emulated, it is slower."""
    return torch.autocast("cpu", torch.bfloat16, enabled=wanted and bool(hardware_bfloat16()))


@torch.inference_mode()
def pair_logits_of(
    model: nn.Module,
    dataset: ExampleDataset,
    frame_count: int | None = None,
    frame_size_px: int | None = None,
    batch_size: int = 64,
) -> torch.Tensor:
    """(N, 8) logits of all examples, without augmentation."""
    model.eval()
    order = by_length(dataset, range(len(dataset)))
    logits = torch.empty(len(dataset), len(PAIR_EMOTION))
    batches = dataset.batches(batch_size, order, frame_count=frame_count, frame_size_px=frame_size_px)
    for start, batch in zip(range(0, len(order), batch_size), batches, strict=True):
        with mixed_precision():
            logits[order[start : start + batch_size]] = model(batch.clips).float()
    return logits


@dataclass(frozen=True, slots=True)
class Score:
    """How good a model is on selection data."""

    weighted_f1: float
    accuracy: float


def score(model: nn.Module, dataset: ExampleDataset, frame_count: int | None = None) -> Score:
    """Emotion scores on all examples of a data set."""
    confusion = emotion_confusion(model, dataset, frame_count)
    return Score(weighted_f1(confusion), accuracy(confusion))


def emotion_confusion(model: nn.Module, dataset: ExampleDataset, frame_count: int | None = None) -> np.ndarray:
    """(7, 7) int64 confusion matrix, rows true, of the emotions on all examples of a data set."""
    emotion_log_probabilities, _ = log_marginals(pair_logits_of(model, dataset, frame_count))
    predicted = emotion_log_probabilities.argmax(dim=1).numpy()
    return confusion_matrix(dataset.emotion.numpy(), predicted, len(EMOTIONS))


def by_length(dataset: ExampleDataset, rows: Sequence[int], seed: int | None = None) -> list[int]:
    """The rows, shortest text first, as they are or as they are augmented with that seed."""
    return sorted(rows, key=lambda i: dataset.text_length(i, seed))
