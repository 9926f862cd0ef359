"""A bias in attention for how far one token stands from another."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import nn

_NEVER: Final = -1e4
"""Low enough for softmax to give 0, and still within float16, whose lowest number is -65504."""


class RelativePositions(nn.Module):
    """What the attention of every layer adds for how far one token stands from another (Raffel et al. 2020).

    BERT has none. MPNet (Song et al. 2020), which has BERT's layers and its vocabulary, cannot do without.
    """

    FARTHEST: Final = 128
    """From so many tokens on all distances are alike; that of Raffel et al. and of MPNet."""

    def __init__(self, buckets: int, num_heads: int) -> None:
        """Half of the buckets are for each direction, and half of these for single distances, the others for ranges."""
        super().__init__()
        self.bias = nn.Embedding(buckets, num_heads)

    def forward(self, attention_mask: torch.Tensor) -> torch.Tensor:
        """(B, heads, L, L) float32, to be added to attention's logits; attention_mask (B, L) is 0 where no token is."""
        place = torch.arange(attention_mask.shape[1])  # on the CPU: a GPU may round a logarithm into the bucket before
        buckets = self._bucket(place[None, :] - place[:, None]).to(attention_mask.device)
        bias = self.bias(buckets).permute(2, 0, 1)
        absent = attention_mask[:, None, None, :] == 0
        return bias.float().masked_fill(absent, _NEVER)

    def _bucket(self, distance: torch.Tensor) -> torch.Tensor:
        """(L, L) int64: the bucket of each distance (L, L) in tokens; positive ones are ahead."""
        one_way = self.bias.num_embeddings // 2
        single = one_way // 2
        far = distance.abs().clamp(min=1)
        ranged = single + ((far / single).log() / math.log(self.FARTHEST / single) * (one_way - single)).long().clamp(
            max=one_way - single - 1
        )
        return torch.where(distance.abs() < single, distance.abs(), ranged) + (distance > 0) * one_way
