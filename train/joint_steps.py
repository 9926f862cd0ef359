"""One step of a joint run: several micro-batches, exactly the gradient of the whole batch, whoever computes it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import fields, replace

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size
from torch import nn

from sentiment.clip_datatypes import ClipBatch, ClipSettings
from sentiment.errors import SettingsError
from sentiment.labels import EMOTIONS, SENTIMENTS
from sentiment.model import log_marginals
from train.dataset import UNKNOWN, Batch
from train.joint_batches import shown_presence
from train.joint_figures import marginal_losses
from train.joint_settings import JointRecipe
from train.loop import example_weights, pair_losses

logger = logging.getLogger(__name__)


class Sums:
    """Losses and confusion matrices over the clips of an epoch so far, as one vector that processes can add up."""

    _NUM_LOSSES = 5  # weighted pair losses, their weights, emotion losses, sentiment losses, clips

    def __init__(self, values: Sequence[float] = ()) -> None:
        size = self._NUM_LOSSES + len(EMOTIONS) ** 2 + len(SENTIMENTS) ** 2
        self.values = torch.tensor(list(values) or [0.0] * size, dtype=torch.float64)

    @torch.no_grad()
    def add(self, pair_logits: torch.Tensor, batch: Batch, losses: torch.Tensor, weights: torch.Tensor) -> None:
        """Adds the clips of a batch on the CPU: their logits (B, 8), losses (B,) and the weights (B,) of those."""
        pair_logits, losses, weights = pair_logits.cpu(), losses.cpu(), weights.cpu()
        by_head = marginal_losses(pair_logits, batch.emotion, batch.sentiment)
        sums = torch.stack([(losses * weights).sum(), weights.sum(), *(head.sum() for head in by_head)])
        self.values[:4] += sums
        self.values[4] += len(losses)
        first = self._NUM_LOSSES
        for log_probabilities, true in zip(log_marginals(pair_logits), (batch.emotion, batch.sentiment), strict=True):
            classes, known = log_probabilities.shape[1], true != UNKNOWN
            cells = first + true * classes + log_probabilities.argmax(dim=1)
            self.values.index_add_(0, cells.masked_fill(~known, 0), known.double())
            # An unknown label adds nothing, to whichever place.
            first += classes**2

    @property
    def losses(self) -> dict[str, float]:
        """Means: loss as it is minimised, and each head's own."""
        weighted, weights, emotion, sentiment, count = self.values[: self._NUM_LOSSES].tolist()
        return {"loss": weighted / weights, "emotion_loss": emotion / count, "sentiment_loss": sentiment / count}

    @property
    def confusions(self) -> dict[str, torch.Tensor]:
        """Confusion matrices "emotion" (7, 7) and "sentiment" (3, 3), int64, rows true."""
        cells = self.values[self._NUM_LOSSES :].long()
        emotion, sentiment = cells.split([len(EMOTIONS) ** 2, len(SENTIMENTS) ** 2])
        return {"emotion": emotion.view(len(EMOTIONS), -1), "sentiment": sentiment.view(len(SENTIMENTS), -1)}


class Stepper:
    """Takes steps of the optimiser."""

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        recipe: JointRecipe,
        emotion_weights: torch.Tensor,
    ) -> None:
        """`model` and `optimizer` as Accelerate prepared them; emotion_weights (7,)."""
        self._accelerator, self._model, self._optimizer = accelerator, model, optimizer
        self._recipe = recipe
        self._emotion_weights = emotion_weights.to(accelerator.device)
        self._trained = [p for p in model.parameters() if p.requires_grad]

    def take_step(
        self, parts: Sequence[Sequence[int]], batches: Iterator[Batch], batch_weight: float, epoch: int, sums: Sums
    ) -> float:
        """One step from this process's micro-batches, whose rows are `parts`; gives the gradient's norm.

        `batch_weight` is the sum of the weights of all clips of the step, of all processes: every clip counts the
        same however they are shared out. Raises FloatingPointError where the gradient is no number.
        """
        for number, rows in enumerate(parts, start=1):
            batch = next(batches)
            # Processes exchange gradients once a step, with the last part.
            with nullcontext() if number == len(parts) else self._accelerator.no_sync(self._model):
                self._backward(batch, rows, batch_weight, epoch, sums)
        norm = self._accelerator.clip_grad_norm_(self._trained, self._recipe.joint.gradient_norm_limit)
        # In fp16 a step that overflows is left out, and the next one is scaled down.
        if not torch.isfinite(norm) and self._accelerator.mixed_precision != "fp16":
            raise FloatingPointError(f"the gradient's norm is {norm.item()} in epoch {epoch + 1}")
        self._optimizer.step()
        self._optimizer.zero_grad()
        return float(norm)

    def _backward(self, batch: Batch, rows: Sequence[int], batch_weight: float, epoch: int, sums: Sums) -> None:
        joint, device = self._recipe.joint, self._accelerator.device
        shown = shown_presence(batch.clips.presence, rows, joint.modality_dropout, self._recipe.seed, epoch)
        emotion, sentiment = batch.emotion.to(device), batch.sentiment.to(device)
        pair_logits = self._model(replace(batch.clips, presence=shown).to(device))
        losses = pair_losses(pair_logits, emotion, sentiment, joint.label_smoothing)
        weights = example_weights(emotion, self._emotion_weights)
        # Gradients of processes are averaged, and shall be added up.
        self._accelerator.backward((losses * weights).sum() / batch_weight * self._accelerator.num_processes)
        sums.add(pair_logits.detach(), batch, losses.detach(), weights)

    def rehearse(self, micro_batch_size: int, batch: Batch, clip: ClipSettings) -> int:
        """The largest micro-batch that fits into memory: that size, or a half of it, a quarter, …

        Runs the network forwards and backwards on clips as long as any can be, with room for the optimiser's
        state, and leaves no trace. All processes try the same, and take what fits for each.

        Raises SettingsError where not even a single clip fits.
        """
        size = micro_batch_size
        while not self._fits(size, batch, clip):
            if size == 1:
                raise SettingsError("not even one clip fits into memory; choose smaller frames or shorter texts")
            halved = -(-size // 2)
            logger.warning(
                "out of memory with %d clips at a time: going on with %d, and %d clips a step as before",
                size, halved, self._recipe.joint.batch_size,
            )  # fmt: skip
            size = halved
        return size

    def _fits(self, size: int, batch: Batch, clip: ClipSettings) -> bool:
        network = self._accelerator.unwrap_model(self._model)
        norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training]
        failed = torch.zeros(1, device=self._accelerator.device)
        for norm in norms:  # they would gather statistics, and in several processes exchange them
            norm.eval()
        try:
            with torch.random.fork_rng():
                self._try_out(network, _largest(batch.clips, size, clip))
        except RuntimeError as error:
            if not should_reduce_batch_size(error):
                raise
            failed += 1
        for norm in norms:
            norm.train()
        self._optimizer.zero_grad()
        clear_device_cache(garbage_collection=True)
        return not self._accelerator.reduce(failed, "sum").any()

    def _try_out(self, network: nn.Module, clips: ClipBatch) -> None:
        reserved = [torch.empty_like(p) for p in self._trained for _ in range(2)]  # AdamW's two moments
        with self._accelerator.autocast():
            pair_logits = network(clips.to(self._accelerator.device))
        self._accelerator.backward(pair_logits.float().sum())
        del reserved


def _largest(clips: ClipBatch, size: int, settings: ClipSettings) -> ClipBatch:
    """`size` clips that have everything that any of `clips` has, each as long as the settings let it be."""
    rows = torch.arange(size) % len(clips)
    longest = {
        "log_mel": 1 + round(settings.max_audio_seconds * settings.sample_rate_hz) // settings.hop_length,
        **dict.fromkeys(("token_ids", "token_type_ids", "attention_mask", "utterance_mask"), settings.max_tokens),
    }
    tensors = {}
    for field in fields(clips):
        tensor = getattr(clips, field.name)
        if tensor is not None:
            missing = longest.get(field.name, 0) - tensor.shape[-1]
            tensors[field.name] = F.pad(tensor[rows], (0, missing)) if missing > 0 else tensor[rows]
    return ClipBatch(**{**tensors, "presence": clips.presence.any(dim=0).expand(size, -1)})
