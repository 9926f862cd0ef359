"""Kernels in time without what they multiply by nothing.

A network that has learned from stills has three-dimensional kernels all the same, in which the frames before and after
weigh nothing (see `train.inflate`). In such a kernel two products of three are with zeros, and change no answer.
"""

from __future__ import annotations

from torch import nn


def leave_out_empty_taps(layers: nn.Module) -> int:
    """Cuts each Conv3d in `layers`, three frames deep, whose outer two are all zeros, down to its middle one.

    Returns how many were cut. What the layers make of a clip stays the same.
    """
    found = [layer for layer in layers.modules() if isinstance(layer, nn.Conv3d) and _only_middle_counts(layer)]
    for layer in found:
        _, height, width = layer.kernel_size
        _, above, beside = (int(pixels) for pixels in layer.padding)
        layer.weight = nn.Parameter(layer.weight[:, :, 1:2].clone(), layer.weight.requires_grad)
        layer.kernel_size, layer.padding = (1, height, width), (0, above, beside)
    return len(found)


def _only_middle_counts(layer: nn.Conv3d) -> bool:
    if (layer.weight.shape[2], layer.padding[0], layer.dilation[0], layer.padding_mode) != (3, 1, 1, "zeros"):
        return False
    return not layer.weight[:, :, [0, 2]].any()
