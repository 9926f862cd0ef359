"""How far a joint run is, and the folder from which it goes on as if nothing had happened.

RUN/state-004-000000/      after 4 whole epochs and 0 steps of the next; there whole or not at all
    progress.json          what is below
    model.safetensors, optimizer.bin, scheduler.bin, scaler.pt, random_states_0.pkl …   by Accelerate
RUN/best-003.safetensors   the weights of the best epoch so far
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from accelerate import Accelerator

from sentiment.errors import SettingsError
from train.errors import DataError
from train.joint_settings import JointRecipe

_PROGRESS: Final = "progress.json"

_WITHOUT_EFFECT: Final = ("workers", "save_every_steps", "micro_batch_size")
"""Settings that do not decide how a run comes out, but for the last digits: they may change in its middle."""


@dataclass(slots=True)
class Progress:
    """All that changes while a run goes on and is no tensor."""

    key: str
    """Stands for everything that decides how the run comes out."""
    num_processes: int
    micro_batch_size: int
    epoch: int = 0
    """Whole epochs done."""
    step: int = 0
    """Steps done of the epoch after those."""
    sums: list[float] = field(default_factory=list)
    """Of that epoch so far, over all processes; see `train.joint_steps.Sums`."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """One entry for each whole epoch."""
    best_epoch: int = 0
    """Counted from 1; 0 where there is none yet."""
    compute_seconds: float = 0.0
    """What it took, over all interruptions: of the processor's cores together, or of all GPUs together."""
    random: str = ""
    """SHA-256 of the main process's random state: Accelerate tells nobody when it cannot restore one."""

    @property
    def best_weighted_f1(self) -> float:
        """Of the emotions on validation clips; -1 where there is no epoch yet."""
        return self.history[self.best_epoch - 1]["validation"]["emotion_weighted_f1"] if self.best_epoch else -1.0


def run_key(recipe: JointRecipe, example_keys: list[str]) -> str:
    """Changes with everything that decides how a run comes out: its recipe and its examples."""
    table = asdict(recipe)
    for name in _WITHOUT_EFFECT:
        del table["joint"][name]
    return hashlib.sha256(json.dumps([table, example_keys], sort_keys=True).encode()).hexdigest()


def best_weights(run: Path, epoch: int) -> Path:
    """Where the weights of the best epoch, counted from 1, are kept."""
    return run / f"best-{epoch:03d}.safetensors"


def save_state(accelerator: Accelerator, run: Path, progress: Progress) -> None:
    """Writes everything that the next step depends on; called by all processes together."""
    folder = run / f"state-{progress.epoch:03d}-{progress.step:06d}"
    partial = folder.with_suffix(".partial")
    progress.random = _random_state()
    if accelerator.is_main_process:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(partial))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        (partial / _PROGRESS).write_text(json.dumps(asdict(progress), indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
        _remove_all_but(run, folder, progress)
    accelerator.wait_for_everyone()


def load_state(accelerator: Accelerator, run: Path, key: str) -> Progress | None:
    """Takes up the run's latest state, model, optimiser and random numbers included; None where there is none.

    Raises SettingsError where the run was begun with other settings, other clips or another number of processes,
    DataError where its state is damaged.
    """
    folder = _latest(run)
    if folder is None:
        return None
    progress = Progress(**json.loads((folder / _PROGRESS).read_text(encoding="utf-8")))
    if progress.key != key:
        raise SettingsError(
            f"{run} holds a run that was begun with other settings or on other clips; give this one a folder of its "
            "own with --run, or delete that one."
        )
    if progress.num_processes != accelerator.num_processes:
        raise SettingsError(
            f"{run} was begun with {progress.num_processes} processes and goes on with as many; there are "
            f"{accelerator.num_processes}."
        )
    accelerator.load_state(str(folder))
    if accelerator.is_main_process and _random_state() != progress.random:
        raise DataError(f"{folder} does not hold the random state it was written with; delete it to begin anew.")
    return progress


def _random_state() -> str:
    return hashlib.sha256(torch.get_rng_state().numpy().tobytes()).hexdigest()


def _latest(run: Path) -> Path | None:
    return max((p for p in run.glob("state-*") if p.suffix != ".partial"), default=None)


def _remove_all_but(run: Path, folder: Path, progress: Progress) -> None:
    for other in run.glob("state-*"):
        if other != folder:
            shutil.rmtree(other)
    for other in run.glob("best-*.safetensors"):
        if other != best_weights(run, progress.best_epoch):
            other.unlink()
