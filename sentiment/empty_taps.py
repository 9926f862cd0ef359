"""Kernels in time without what they multiply by nothing.

A network that has learned from stills has three-dimensional kernels all the same, in which the frames before and after
weigh nothing (see `train.inflate`). In such a kernel two products of three are with zeros, and change no answer: the
zeros are neither stored nor computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import nn


def without_empty_taps(layers: nn.Module, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of `layers`; of kernels, three frames deep, whose outer two frames are all zeros, the middle one."""
    kept = dict(weights)
    for name, _, kernel in _kernels(layers, weights):
        if kernel.shape[2] == 3 and not kernel[:, :, [0, 2]].any():
            kept[name] = kernel[:, :, 1:2]
    return kept


def with_empty_taps(layers: nn.Module, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights, zeros around each kernel of which they hold the middle one only: it can learn movement again."""
    padded = dict(weights)
    for name, _, kernel in _kernels(layers, weights):
        if kernel.shape[2] == 1:
            padded[name] = F.pad(kernel, (0, 0, 0, 0, 1, 1))
    return padded


def fit_kernels(layers: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Makes each kernel in `layers`, three frames deep, of which `weights` hold the middle one only, one frame deep.

    What the layers make of a clip, once these weights are loaded, is what three frames with zeros would make of it.
    """
    for _, layer, kernel in _kernels(layers, weights):
        if kernel.shape[2] == 1:
            _, height, width = layer.kernel_size
            _, above, beside = (int(pixels) for pixels in layer.padding)
            layer.weight = nn.Parameter(layer.weight[:, :, 1:2].clone(), layer.weight.requires_grad)
            layer.kernel_size, layer.padding = (1, height, width), (0, above, beside)


def _kernels(layers: nn.Module, weights: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, nn.Conv3d, torch.Tensor]]:
    """The convolutions that see a frame, the one before and the one after: the kernel's name, the layer, the kernel."""
    for layer_name, layer in layers.named_modules():
        if not isinstance(layer, nn.Conv3d) or layer.padding_mode != "zeros":
            continue
        name = f"{layer_name}.weight"
        looks_around = (layer.kernel_size[0], layer.padding[0], layer.dilation[0]) == (3, 1, 1)
        if looks_around and name in weights and weights[name].ndim == 5:
            yield name, layer, weights[name]
