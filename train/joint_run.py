"""A joint run: epochs over real clips, judged on validation clips after each, stored so that it can go on."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, broadcast_object_list
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter
from transformers import get_linear_schedule_with_warmup

from sentiment.clip_datatypes import ClipInputs
from sentiment.clips import ClipPreprocessor
from sentiment.errors import SettingsError
from sentiment.labels import MODALITIES
from sentiment.model import FEATURE_SIZE, FusionNetwork
from train.clip_cache import collate_examples
from train.corpora import Example
from train.dataset import Batch
from train.errors import DataError
from train.joint_batches import BatchPlan
from train.joint_figures import Encoded, draw_curves, validation_figures, write_epoch
from train.joint_freezing import freeze, parameter_groups, to_training_mode
from train.joint_settings import JointRecipe
from train.joint_state import Progress, best_weights, load_state, run_key, save_state
from train.joint_steps import Stepper, Sums
from train.loop import class_weights, example_weights
from train.metrics import weighted_f1

logger = logging.getLogger(__name__)

_LOG_EVERY_STEPS = 10
"""How often TensorBoard gets learning rates, the gradient's norm and the loss so far."""

_REHEARSAL_CLIPS = 8


class Clips(Protocol):
    """What `train.clip_cache.PreparedClips` offers."""

    preprocessor: ClipPreprocessor
    examples: list[Example]
    emotion: torch.Tensor
    sentiment: torch.Tensor
    presence: torch.Tensor

    def __len__(self) -> int: ...

    def __getitem__(self, i: int) -> tuple[ClipInputs, int, int]: ...

    def set_epoch(self, epoch: int) -> None: ...


class JointRun:
    """What changes while the network is trained, and can be stored between two steps."""

    def __init__(
        self,
        recipe: JointRecipe,
        network: FusionNetwork,
        training: Clips,
        validation: Clips,
        folder: Path,
        accelerator: Accelerator,
    ) -> None:
        """Takes up what `folder` holds of this run. Raises SettingsError where it holds another one.

        Also raises SettingsError where the batch is smaller than the number of processes, or a single clip is too
        large for the memory, and DataError where there is nothing to learn from.
        """
        self._recipe, self._folder, self._accelerator = recipe, folder, accelerator
        self._training, self._validation = training, validation
        self._plan = _make_plan(recipe, training, accelerator)
        self._validation_rows = _rows_with_something(validation)
        if not self._validation_rows:
            raise DataError("There are no validation clips to choose the best epoch by.")
        freeze(network, recipe)
        if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        optimizer = torch.optim.AdamW(parameter_groups(network, recipe))
        steps = recipe.joint.epochs * self._plan.steps_per_epoch
        self._schedule = get_linear_schedule_with_warmup(optimizer, round(recipe.joint.warmup_share * steps), steps)
        self._model, self._optimizer = accelerator.prepare(network, optimizer)
        self.network: FusionNetwork = accelerator.unwrap_model(self._model)
        accelerator.register_for_checkpointing(self._schedule)
        emotions = training.emotion[list(self._plan.rows)]
        self._emotion_weights = class_weights(emotions, recipe.joint.class_weight_power)
        self._stepper = Stepper(accelerator, self._model, self._optimizer, recipe, self._emotion_weights)
        torch.manual_seed(recipe.seed * 1000 + accelerator.process_index)  # what dropout drops
        self.progress = self._take_up()

    def _take_up(self) -> Progress:
        share = -(-self._recipe.joint.batch_size // self._accelerator.num_processes)
        key = run_key(self._recipe, [e.key for clips in (self._training, self._validation) for e in clips.examples])
        progress = load_state(self._accelerator, self._folder, key)
        if progress is None:
            largest = min(share, self._recipe.joint.micro_batch_size or share)
            progress = Progress(key, self._accelerator.num_processes, largest)
        else:
            logger.info("goes on after epoch %d, step %d, from %s", progress.epoch, progress.step, self._folder)
        if not self._is_over(progress):
            to_training_mode(self.network, self._recipe)
            progress.micro_batch_size = self._stepper.rehearse(
                progress.micro_batch_size, self._sample_batch(), self._training.preprocessor.settings
            )
        return progress

    def _sample_batch(self) -> Batch:
        """A few clips, those that have the most first."""
        rows = sorted(self._plan.rows, key=lambda row: -int(self._training.presence[row].sum()))[:_REHEARSAL_CLIPS]
        return collate_examples([self._training[row] for row in rows])

    def run_to_the_end(self) -> None:
        """Trains until the recipe's epochs are over, or so many have brought nothing as it is patient for."""
        steps_taken = self.progress.epoch * self._plan.steps_per_epoch + self.progress.step
        curves = None
        if self._accelerator.is_main_process:
            # What was written after the state that the run goes on from is written again.
            curves = SummaryWriter(str(self._folder / "curves"), purge_step=steps_taken + 1)
        clock = _Clock(steps_taken, self._recipe.joint.epochs * self._plan.steps_per_epoch)
        while not self._is_over(self.progress):
            sums = self._train_epoch(curves)
            encoded = self.encode_validation()
            self._close_epoch(sums, encoded)
            if curves is not None:
                steps_taken = self.progress.epoch * self._plan.steps_per_epoch
                write_epoch(curves, self.progress.history[-1], self.network.fusion, encoded, steps_taken)
                draw_curves(self.progress.history, self._folder)
                self._say(clock, steps_taken)

    def _is_over(self, progress: Progress) -> bool:
        joint = self._recipe.joint
        is_stuck = joint.patience is not None and progress.epoch - progress.best_epoch >= joint.patience
        return progress.epoch >= joint.epochs or is_stuck

    def _train_epoch(self, curves: SummaryWriter | None) -> Sums:
        progress, joint = self.progress, self._recipe.joint
        to_training_mode(self.network, self._recipe)
        self._training.set_epoch(progress.epoch)
        steps = self._plan.micro_batches(progress.epoch, progress.step, progress.micro_batch_size)
        batches = iter(self._loader(self._training, [rows for parts in steps for rows in parts]))
        sums = Sums(progress.sums if self._accelerator.is_main_process else ())
        started = self._compute_clock()
        for parts in steps:
            emotion = self._training.emotion[self._plan.batch(progress.epoch, progress.step)]
            batch_weight = example_weights(emotion, self._emotion_weights).sum().item()
            norm = self._stepper.take_step(parts, batches, batch_weight, progress.epoch, sums)
            if not self._accelerator.optimizer_step_was_skipped:
                self._schedule.step()
            progress.step += 1
            if curves is not None and progress.step % _LOG_EVERY_STEPS == 0:
                self._write_step(curves, sums, norm)
            is_last = progress.step == self._plan.steps_per_epoch
            if joint.save_every_steps and progress.step % joint.save_every_steps == 0 and not is_last:
                progress.compute_seconds += self._compute_clock() - started
                started = self._compute_clock()
                sums = self._add_up(sums)
                progress.sums = sums.values.tolist()
                save_state(self._accelerator, self._folder, progress)
                sums = Sums(progress.sums if self._accelerator.is_main_process else ())
        progress.compute_seconds += self._compute_clock() - started
        return self._add_up(sums)

    def _close_epoch(self, sums: Sums, encoded: Encoded) -> None:
        """Judges what the epoch left, keeps it where it is the best so far, and stores the state."""
        progress = self.progress
        train = {f"{task}_weighted_f1": weighted_f1(c.numpy()) for task, c in sums.confusions.items()}
        figures = [validation_figures(self.network.fusion, encoded)]
        broadcast_object_list(figures)  # one process's word: they must not disagree in the last digit about the best
        progress.epoch, progress.step, progress.sums = progress.epoch + 1, 0, []
        best_so_far = progress.best_weighted_f1
        progress.history.append({"epoch": progress.epoch, "train": {**sums.losses, **train}, "validation": figures[0]})
        if figures[0]["emotion_weighted_f1"] > best_so_far:
            progress.best_epoch = progress.epoch
            if self._accelerator.is_main_process:
                self._folder.mkdir(parents=True, exist_ok=True)
                tensors = {name: tensor.contiguous() for name, tensor in self.network.state_dict().items()}
                save_file(tensors, best_weights(self._folder, progress.epoch))
        save_state(self._accelerator, self._folder, progress)

    @torch.no_grad()
    def encode_validation(self) -> Encoded:
        """What the encoders make of all validation clips, each process reading its share."""
        accelerator, rows = self._accelerator, self._validation_rows
        self.network.eval()
        for buffer in self.network.buffers():  # norms that learn have seen other clips in each process
            broadcast(buffer)
        count = -(-len(rows) // accelerator.num_processes)
        shares = [
            [(process + i * accelerator.num_processes) % len(rows) for i in range(count)]
            for process in range(accelerator.num_processes)
        ]
        own = [rows[i] for i in shares[accelerator.process_index]]
        size = self.progress.micro_batch_size
        features = []
        for batch in self._loader(self._validation, [own[i : i + size] for i in range(0, count, size)]):
            with accelerator.autocast():
                features.append(self.network.encode(batch.clips.to(accelerator.device)).float())
        everyones = accelerator.gather(torch.cat(features)).cpu()
        in_order = torch.zeros(len(rows), len(MODALITIES), FEATURE_SIZE)
        in_order[[i for share in shares for i in share]] = everyones
        clips = self._validation
        return Encoded(
            in_order,
            clips.presence[rows],
            clips.emotion[rows],
            clips.sentiment[rows],
            [clips.examples[i] for i in rows],
        )

    def load_best(self) -> None:
        """Puts the weights of the best epoch into the network."""
        self.network.load_state_dict(load_file(best_weights(self._folder, self.progress.best_epoch)))

    def _loader(self, clips: Clips, batches: list[list[int]]) -> DataLoader[Batch]:
        return DataLoader(
            clips,  # type: ignore[arg-type]
            batch_sampler=batches,
            num_workers=min(self._recipe.joint.workers, len(batches)),
            collate_fn=collate_examples,
            # One of its own: from the common one it would take a number that a run which goes on takes again.
            generator=torch.Generator(),
        )

    def _add_up(self, sums: Sums) -> Sums:
        """The sums of all processes."""
        if self._accelerator.num_processes == 1:
            return sums
        return Sums(self._accelerator.reduce(sums.values.to(self._accelerator.device), "sum").tolist())

    def _compute_clock(self) -> float:
        """Seconds of the processor's cores, or of all GPUs together."""
        clock = time.process_time if self._accelerator.device.type == "cpu" else time.monotonic
        return clock() * self._accelerator.num_processes

    def _write_step(self, curves: SummaryWriter, sums: Sums, norm: float) -> None:
        step = self.progress.epoch * self._plan.steps_per_epoch + self.progress.step
        curves.add_scalar("steps/loss_so_far_in_epoch", sums.losses["loss"], step)
        curves.add_scalar("steps/gradient_norm", norm, step)
        for group in self._optimizer.param_groups:
            curves.add_scalar(f"learning_rate/{group['name']}", group["lr"], step)

    def _say(self, clock: _Clock, steps_taken: int) -> None:
        entry: dict[str, Any] = self.progress.history[-1]
        train, validation = entry["train"], entry["validation"]
        logger.info(
            "epoch %d/%d  loss %.3f  validation: loss %.3f (emotion %.3f, sentiment %.3f), "
            "weighted F1 %.3f and %.3f%s  %s",
            entry["epoch"], self._recipe.joint.epochs, train["loss"],
            validation["loss"], validation["emotion_loss"], validation["sentiment_loss"],
            validation["emotion_weighted_f1"], validation["sentiment_weighted_f1"],
            " (best)" if self.progress.best_epoch == entry["epoch"] else "", clock.say(steps_taken),
        )  # fmt: skip


class _Clock:
    """How long the rest takes, if it goes on as since the start of this process."""

    def __init__(self, steps_taken: int, steps: int) -> None:
        self._started, self._first_step, self._steps = time.monotonic(), steps_taken, steps

    def say(self, steps_taken: int) -> str:
        elapsed = time.monotonic() - self._started
        left = elapsed / (steps_taken - self._first_step) * (self._steps - steps_taken)
        return f"{elapsed / 60:.1f} min, at most {left / 60:.1f} min left"


def _rows_with_something(clips: Clips) -> list[int]:
    return clips.presence.any(dim=1).nonzero().flatten().tolist()


def _make_plan(recipe: JointRecipe, training: Clips, accelerator: Accelerator) -> BatchPlan:
    rows, joint = _rows_with_something(training), recipe.joint
    if joint.batch_size < accelerator.num_processes:
        raise SettingsError(
            f"joint.batch_size is {joint.batch_size}, too few clips for {accelerator.num_processes} processes"
        )
    plan = BatchPlan(tuple(rows), joint.batch_size, recipe.seed, accelerator.num_processes, accelerator.process_index)
    if plan.steps_per_epoch == 0:
        raise DataError(
            f"There are {len(rows)} clips to learn from, too few for {accelerator.num_processes} processes."
        )
    return plan
