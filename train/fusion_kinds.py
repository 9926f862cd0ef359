"""Three ways to make one answer of words, sound and frames, behind one interface, small enough to compare on a CPU.

    late          each sequence becomes 128 numbers by itself; only these meet: the network that the app uses
    early         the three sequences are laid end to end, and one transformer reads them as one
    intermediate  each sequence is read by itself, part-way looks at the two others, and is read on

All three read frozen encoders' sequences (`train.sequences`), answer with logits of the permitted pairs through the
same head, and cope with any modality missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, get_args

import torch
from torch import nn

from sentiment.errors import SettingsError
from sentiment.labels import MODALITIES
from sentiment.model import FEATURE_SIZE, Fusion, JointHead, masked_mean, projection, within_lengths
from train.joint_settings import FusionKind
from train.sequences import SequenceBatch

KINDS: Final[tuple[FusionKind, ...]] = get_args(FusionKind)

HEADS: Final = 4
"""Attention heads of every layer."""

EARLY_LAYERS: Final = 2


class SequenceFusion(nn.Module):
    """A way of fusing."""

    def forward(self, batch: SequenceBatch) -> torch.Tensor:
        """(B, 8) logits of the permitted pairs."""
        raise NotImplementedError


def make_fusion(kind: FusionKind, sizes: Mapping[str, int], fusion_size: int, dropout: float) -> SequenceFusion:
    """The untrained network of that kind, for modalities whose steps have these sizes.

    `fusion_size` is that of the layer after the features (late, intermediate). Raises SettingsError for an
    unknown kind.
    """
    if kind == "late":
        return LateFusion(sizes, fusion_size, dropout)
    if kind == "early":
        return EarlyFusion(sizes, dropout)
    if kind == "intermediate":
        return IntermediateFusion(sizes, fusion_size, dropout)
    raise SettingsError(f"fusion must be one of {', '.join(KINDS)}, got {kind!r}")


class LateFusion(SequenceFusion):
    """The mean of each sequence, projected to 128 numbers; then the app's own fusion layer."""

    def __init__(self, sizes: Mapping[str, int], fusion_size: int, dropout: float) -> None:
        super().__init__()
        self.project = nn.ModuleDict({m: projection(size) for m, size in sizes.items()})
        self.fusion = Fusion(fusion_size, dropout)

    def forward(self, batch: SequenceBatch) -> torch.Tensor:
        features = {
            m: layer(masked_mean(batch.steps[m], within_lengths(batch.lengths[m], batch.steps[m].shape[1])))
            for m, layer in self.project.items()
        }
        return self.fusion(_in_order(features), batch.presence)


class EarlyFusion(SequenceFusion):
    """One transformer over the steps of all modalities, one after the other; it answers from a step of its own."""

    def __init__(self, sizes: Mapping[str, int], dropout: float) -> None:
        super().__init__()
        self.branches = nn.ModuleDict({m: StepsIn(size) for m, size in sizes.items()})
        self.answer = nn.Parameter(0.02 * torch.randn(1, 1, FEATURE_SIZE))
        self.layers = nn.ModuleList(_layer(dropout) for _ in range(EARLY_LAYERS))
        self.head = JointHead(FEATURE_SIZE)

    def forward(self, batch: SequenceBatch) -> torch.Tensor:
        size = len(batch.presence)
        steps, padding = [self.answer.expand(size, -1, -1)], [torch.zeros_like(batch.presence[:, :1])]
        for modality, branch in self.branches.items():
            read, beyond = branch(batch.steps[modality], batch.lengths[modality])
            steps.append(read)
            padding.append(beyond)
        joined, beyond = torch.cat(steps, dim=1), torch.cat(padding, dim=1)
        for layer in self.layers:
            joined = layer(joined, src_key_padding_mask=beyond)
        return self.head(joined[:, 0])


class IntermediateFusion(SequenceFusion):
    """A branch for each modality: a layer of its own, a look at the others' steps, another layer of its own."""

    def __init__(self, sizes: Mapping[str, int], fusion_size: int, dropout: float) -> None:
        super().__init__()
        self.branches = nn.ModuleDict({m: StepsIn(size) for m, size in sizes.items()})
        # The first step of each branch is nobody's: there is always something to attend to, also where a clip
        # lacks the modality, and it becomes the branch's answer.
        self.first = nn.ParameterDict({m: nn.Parameter(0.02 * torch.randn(1, 1, FEATURE_SIZE)) for m in sizes})
        self.before, self.after = (nn.ModuleDict({m: _layer(dropout) for m in sizes}) for _ in range(2))
        self.exchange = nn.ModuleDict({m: Exchange(dropout) for m in sizes})
        self.norm = nn.ModuleDict({m: nn.LayerNorm(FEATURE_SIZE) for m in sizes})
        self.fusion = Fusion(fusion_size, dropout)

    def forward(self, batch: SequenceBatch) -> torch.Tensor:
        steps, padding = {}, {}
        for modality, branch in self.branches.items():
            read, beyond = branch(batch.steps[modality], batch.lengths[modality])
            read = torch.cat([self.first[modality].expand(len(read), -1, -1), read], dim=1)
            padding[modality] = torch.cat([torch.zeros_like(beyond[:, :1]), beyond], dim=1)
            steps[modality] = self.before[modality](read, src_key_padding_mask=padding[modality])
        features = {}
        for modality, own in steps.items():
            others = [m for m in steps if m != modality]
            if others:
                theirs = torch.cat([steps[m] for m in others], dim=1)
                own = self.exchange[modality](own, theirs, torch.cat([padding[m] for m in others], dim=1))
            read = self.after[modality](own, src_key_padding_mask=padding[modality])
            features[modality] = self.norm[modality](read[:, 0])
        return self.fusion(_in_order(features), batch.presence)


class StepsIn(nn.Module):
    """The steps of one modality at the common size, marked by modality and place."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.project = projection(size)
        self.modality = nn.Parameter(torch.zeros(FEATURE_SIZE))

    def forward(self, steps: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, S, 128) from (B, S, size), and (B, S) bool: which steps are padding, all where it is absent."""
        places = sinusoidal_places(steps.shape[1], steps.device)
        return self.project(steps) + self.modality + places, ~within_lengths(lengths, steps.shape[1])


class Exchange(nn.Module):
    """Cross-attention: the steps of one branch ask those of the others."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(FEATURE_SIZE)
        self.attention = nn.MultiheadAttention(FEATURE_SIZE, HEADS, dropout, batch_first=True)

    def forward(self, own: torch.Tensor, others: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        """(B, S, 128) own steps after they have read the others' (B, R, 128), except where padding (B, R) is True."""
        read, _ = self.attention(self.norm(own), others, others, key_padding_mask=padding, need_weights=False)
        return own + read


def sinusoidal_places(num_steps: int, device: torch.device) -> torch.Tensor:
    """(num_steps, 128) float32: sines and cosines of each place (Vaswani et al. 2017, section 3.5)."""
    place = torch.arange(num_steps, device=device, dtype=torch.float32).unsqueeze(1)
    rate = torch.exp(torch.arange(0, FEATURE_SIZE, 2, device=device) * (-math.log(10_000.0) / FEATURE_SIZE))
    return torch.stack([(place * rate).sin(), (place * rate).cos()], dim=2).flatten(1)


def _layer(dropout: float) -> nn.TransformerEncoderLayer:
    # Norms come first: such layers learn without a warm-up (Xiong et al. 2020).
    return nn.TransformerEncoderLayer(
        FEATURE_SIZE, HEADS, 2 * FEATURE_SIZE, dropout, "gelu", batch_first=True, norm_first=True
    )


def _in_order(features: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """(B, 3, 128) from modality → (B, 128); zeros for modalities that the network does not read."""
    zeros = torch.zeros_like(next(iter(features.values())))
    return torch.stack([features.get(m, zeros) for m in MODALITIES], dim=1)
