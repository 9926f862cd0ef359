"""Which clips each step of a joint run learns from, and what of them it is shown.

All of it follows from the seed, the epoch and the step, so that a run can go on in the middle of an epoch, and
takes the same steps in one process as in several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """The batches of every epoch, as one of the processes sees them."""

    rows: tuple[int, ...]
    """Of the data set: what there is to learn from."""
    batch_size: int
    """Over all processes together."""
    seed: int
    num_processes: int = 1
    process: int = 0

    @property
    def steps_per_epoch(self) -> int:
        """The last batch is as small as the rest of the clips; it is left out where a process would get none."""
        whole, rest = divmod(len(self.rows), self.batch_size)
        return whole + (rest >= self.num_processes)

    def order(self, epoch: int) -> np.ndarray:
        """(N,) all rows in the order of an epoch, counted from 0."""
        return np.random.default_rng([self.seed, epoch]).permutation(np.array(self.rows))

    def batch(self, epoch: int, step: int) -> list[int]:
        """The rows of a step, over all processes."""
        return self.order(epoch)[step * self.batch_size : (step + 1) * self.batch_size].tolist()

    def micro_batches(self, epoch: int, first_step: int, micro_batch_size: int) -> list[list[list[int]]]:
        """For each step of the epoch from `first_step` on, this process's share, cut into parts of about one size."""
        order = self.order(epoch)
        steps = []
        for step in range(first_step, self.steps_per_epoch):
            own = order[step * self.batch_size : (step + 1) * self.batch_size][self.process :: self.num_processes]
            parts = np.array_split(own, -(-len(own) // micro_batch_size))
            steps.append([part.tolist() for part in parts])
        return steps


def shown_presence(presence: torch.Tensor, rows: Sequence[int], share: float, seed: int, epoch: int) -> torch.Tensor:
    """(B, 3) bool: what the network is shown of clips that have `presence` (B, 3) bool; never nothing.

    A `share` of them shows one of the subsets of what it has, each as often as the others.
    """
    shown = presence.clone()
    for i, row in enumerate(rows):
        generator = np.random.default_rng([seed, epoch, row])
        if generator.random() < share:
            there = presence[i].nonzero().flatten().tolist()
            chosen = int(generator.integers(1, 2 ** len(there)))
            for bit, modality in enumerate(there):
                shown[i, modality] = bool(chosen >> bit & 1)
    return shown
