"""One phase of an encoder's training: epochs over batches, a one-cycle schedule; the best epoch is kept.

What a phase needs to go on after an interruption is written after every epoch.
"""

from __future__ import annotations

import copy
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.tensorboard import SummaryWriter

from train.dataset import Batch, ExampleDataset
from train.loop import EncoderWithHead, Score, by_length, mixed_precision, pair_loss, score
from train.settings import PhaseSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunFiles:
    """Where a phase keeps what it needs to go on after an interruption, and its curves."""

    state: Path
    """Rewritten after every epoch."""
    curves: Path
    """TensorBoard's folder."""
    key: str
    """Stands for everything that decides how the phase comes out: a state with another key is not taken up."""


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """How a phase came out."""

    best: Score
    cpu_seconds: float
    """Time that the processor's cores worked on it together, over all interruptions."""


def run_phase(
    model: EncoderWithHead,
    training: ExampleDataset,
    selection: ExampleDataset,
    phase: PhaseSettings,
    emotion_weights: torch.Tensor,
    seed: int,
    log_name: str,
    files: RunFiles | None = None,
    taught: torch.Tensor | None = None,
) -> PhaseResult:
    """Trains the model in place and leaves it at its best epoch by weighted F1 on selection data.

    `taught` (N, 8) is what teachers say of the training examples: probabilities of the permitted pairs.
    With `files`, a phase that was interrupted goes on after its last whole epoch, and ends up with the same
    weights, on the CPU, as if nothing had happened.
    """
    run = _PhaseRun(model, training, phase, emotion_weights, seed, taught)
    if files is not None and files.state.is_file():
        run.take_up(files)
    curves = None if files is None else SummaryWriter(str(files.curves))
    started, first_epoch = time.monotonic(), run.epoch
    while run.epoch < phase.epochs:
        loss = run.train_one_epoch()
        now = run.judge(selection)
        if files is not None and curves is not None:
            run.store(files)
            _draw(curves, run.epoch, {"loss": loss, "learning_rate": run.learning_rate, **asdict(now)})
        elapsed = time.monotonic() - started
        logger.info(
            "%s epoch %d/%d  loss %.3f  selection: weighted F1 %.3f, accuracy %.3f  %.0f s, %.0f s left",
            log_name, run.epoch, phase.epochs, loss, now.weighted_f1, now.accuracy,
            elapsed, elapsed / (run.epoch - first_epoch) * (phase.epochs - run.epoch),
        )  # fmt: skip
    model.load_state_dict(run.best_state)
    return PhaseResult(run.best, run.cpu_seconds)


def run_to_the_end(
    model: EncoderWithHead, training: ExampleDataset, phase: PhaseSettings, emotion_weights: torch.Tensor, seed: int
) -> None:
    """Trains the model in place for all epochs of the phase; for where there is nothing to select by."""
    run = _PhaseRun(model, training, phase, emotion_weights, seed)
    while run.epoch < phase.epochs:
        run.train_one_epoch()
    model.load_state_dict(run.judged.state_dict())


class _PhaseRun:
    """What changes while a phase runs, and can be stored between two epochs."""

    def __init__(
        self,
        model: EncoderWithHead,
        training: ExampleDataset,
        phase: PhaseSettings,
        emotion_weights: torch.Tensor,
        seed: int,
        taught: torch.Tensor | None = None,
    ) -> None:
        self._model, self._training, self._phase = model, training, phase
        self._emotion_weights, self._seed, self._taught = emotion_weights, seed, taught
        self._per_epoch = min(phase.examples_per_epoch or len(training), len(training))
        self._optimizer = _make_optimizer(model, phase)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer,
            phase.learning_rate,
            total_steps=phase.epochs * -(-self._per_epoch // phase.batch_size),
            pct_start=0.1,
            cycle_momentum=False,
        )
        self._average = None
        if phase.average_decay:
            averaging = get_ema_multi_avg_fn(phase.average_decay)
            self._average = AveragedModel(model, multi_avg_fn=averaging, use_buffers=True)
        self.epoch = 0
        self.cpu_seconds = 0.0
        self.best = Score(-1, -1)
        self.best_state = copy.deepcopy(model.state_dict())

    @property
    def learning_rate(self) -> float:
        return self._optimizer.param_groups[0]["lr"]

    @property
    def judged(self) -> nn.Module:
        """What is scored and kept: the averaged weights, or the latest where none are averaged."""
        return self._model if self._average is None else self._average.module

    def train_one_epoch(self) -> float:
        """Takes the steps of the next epoch; gives their mean loss."""
        started_cpu_seconds = time.process_time()
        epoch_seed = self._seed * 1000 + self.epoch
        order = _shuffle(self._training, self._per_epoch, self._phase.batch_size, epoch_seed)
        size = _frame_size_px(self._phase, self.epoch)
        self._model.train()
        losses = []
        batches = self._training.batches(self._phase.batch_size, order, epoch_seed, self._phase.frame_count, size)
        for start, batch in zip(range(0, len(order), self._phase.batch_size), batches, strict=True):
            rows = order[start : start + self._phase.batch_size]
            taught = None if self._taught is None else self._taught[rows]
            losses.append(_step(self._model, batch, self._optimizer, self._emotion_weights, self._phase, taught))
            self._schedule.step()
            if self._average is not None:
                self._average.update_parameters(self._model)
        self.epoch += 1
        self.cpu_seconds += time.process_time() - started_cpu_seconds
        return float(np.mean(losses))

    def judge(self, selection: ExampleDataset) -> Score:
        """Scores what the epoch left, and keeps it where it is the best so far."""
        now = score(self.judged, selection, self._phase.frame_count)
        if now.weighted_f1 > self.best.weighted_f1:
            self.best, self.best_state = now, copy.deepcopy(self.judged.state_dict())
        return now

    def store(self, files: RunFiles) -> None:
        """Writes everything that the next epoch depends on; a file is there whole or not at all."""
        files.state.parent.mkdir(parents=True, exist_ok=True)
        partial = files.state.with_suffix(".partial")
        progress = {
            "epoch": self.epoch,
            "cpu_seconds": self.cpu_seconds,
            "best": asdict(self.best),
            "best_state": self.best_state,
        }
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        torch.save({"key": files.key, "random": torch.get_rng_state(), **progress, **parts}, partial)
        partial.replace(files.state)

    def take_up(self, files: RunFiles) -> None:
        """Goes on where a state left off, if it was made with the same settings."""
        state = torch.load(files.state, weights_only=True)
        if state["key"] != files.key:
            return
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.epoch = state["epoch"]
        self.cpu_seconds = state["cpu_seconds"]
        self.best, self.best_state = Score(**state["best"]), state["best_state"]
        torch.set_rng_state(state["random"])
        logger.info("goes on after epoch %d, from %s", self.epoch, files.state)

    def _parts(self) -> dict[str, Any]:
        parts = {"model": self._model, "optimizer": self._optimizer, "schedule": self._schedule}
        return parts if self._average is None else {**parts, "average": self._average}


def _frame_size_px(phase: PhaseSettings, epoch: int) -> int | None:
    """How large pictures are in this epoch, counted from 0; None where they do not grow."""
    sizes = phase.frame_sizes_px
    return sizes[epoch * len(sizes) // phase.epochs] if sizes else None


def _draw(curves: SummaryWriter, epoch: int, values: dict[str, float]) -> None:
    for name, value in values.items():
        curves.add_scalar(name, value, epoch)
    curves.flush()


def _step(
    model: nn.Module,
    batch: Batch,
    optimizer: torch.optim.Optimizer,
    emotion_weights: torch.Tensor,
    phase: PhaseSettings,
    taught: torch.Tensor | None,
) -> float:
    with mixed_precision(phase.precision == "bfloat16"):
        pair_logits = model(batch.clips)
    loss = pair_loss(pair_logits, batch.emotion, batch.sentiment, emotion_weights, phase.label_smoothing, taught)
    optimizer.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), phase.gradient_norm_limit)
    if not torch.isfinite(norm):
        # Going on would only turn every weight into NaN, hours before anybody looks.
        raise FloatingPointError(f"the gradient's norm is {norm.item()} at a loss of {loss.item()}")
    optimizer.step()
    return loss.item()


def _make_optimizer(model: nn.Module, phase: PhaseSettings) -> torch.optim.Optimizer:
    """Norms and biases are not pulled towards zero."""
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": phase.weight_decay},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if phase.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=phase.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=phase.learning_rate)


def _shuffle(dataset: ExampleDataset, count: int, batch_size: int, seed: int) -> list[int]:
    """A random order of `count` rows in which neighbours are of similar length: little padding, still random."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(dataset))[:count].tolist()
    pool = batch_size * 50
    order = [i for start in range(0, count, pool) for i in by_length(dataset, rows[start : start + pool], seed)]
    batches = [order[start : start + batch_size] for start in range(0, count, batch_size)]
    last = batches.pop() if len(batches[-1]) < batch_size else []
    rng.shuffle(batches)
    return [i for batch in batches for i in batch] + last
