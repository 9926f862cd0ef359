"""Weights on disk: large matrices in eight bits, small ones in sixteen, and no zeros that are known beforehand.

A large matrix NAME is stored as two tensors: NAME.scale, float32, the 127th part of each row's largest entry, and
NAME, int8, the rows divided by it and rounded: what is made of them differs from the matrix by at most half of that
part. Of kernels that are three frames deep and see one (see `sentiment.empty_taps`) the one is stored.

The weights of a part of the network, `text` say, are in text.safetensors; those that would make it too large are in
text-2.safetensors, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from sentiment.empty_taps import fit_kernels, without_empty_taps
from sentiment.hub import MOST_FILES, files_of

_LARGE: Final = 1 << 16
"""From so many numbers on a matrix is large. In smaller ones there is little to save."""

_SCALE: Final = ".scale"

LARGEST_FILE_BYTES: Final = 90_000_000
"""Where there is more than one matrix to a file. GitHub refuses files above 100 MiB."""


def save_weights(module: nn.Module, folder: Path, part: str) -> list[str]:
    """Writes all weights of a module, which is that part of the network; returns the files' names.

    What is left of a larger one that was there before is deleted. Raises ValueError where there is too much to store.
    """
    files: list[dict[str, torch.Tensor]] = [{}]
    for name, tensor in _stored(module).items():
        if files[-1] and sum(t.nbytes for t in (*files[-1].values(), tensor)) > LARGEST_FILE_BYTES:
            files.append({})
        files[-1][name] = tensor
    if len(files) > MOST_FILES:
        raise ValueError(f"{part} would take {len(files)} files; a checkpoint can have {MOST_FILES} of a part")
    for old in files_of(part, (path.name for path in folder.iterdir())):
        (folder / old).unlink()
    names = [f"{part}.safetensors", *(f"{part}-{number}.safetensors" for number in range(2, len(files) + 1))]
    for name, tensors in zip(names, files, strict=True):
        save_file(tensors, folder / name)
    return names


def _stored(module: nn.Module) -> dict[str, torch.Tensor]:
    stored = {}
    for name, tensor in without_empty_taps(module, module.state_dict()).items():
        if _is_large(tensor):
            stored[name], stored[name + _SCALE] = _to_8_bits(tensor)
        else:
            stored[name] = _to_16_bits(tensor)
    return stored


def load_weights(module: nn.Module, files: Sequence[Path]) -> None:
    """Reads them back, in place; Conv3d layers whose stored kernel is one frame deep are made one frame deep.

    Raises RuntimeError where the files hold another module's weights, SafetensorError where they hold none.
    """
    weights = without_empty_taps(module, read_weights(files))
    fit_kernels(module, weights)
    module.load_state_dict(weights)


def read_weights(files: Sequence[Path]) -> dict[str, torch.Tensor]:
    """All weights in safetensors files, those that were stored in eight bits as float32.

    Raises RuntimeError where a matrix lacks its scale, and what `load_file` raises.
    """
    stored = {name: tensor for file in files for name, tensor in load_file(file).items()}
    rounded = [name for name, tensor in stored.items() if tensor.dtype == torch.int8]
    without = [name for name in rounded if name + _SCALE not in stored]
    if without:
        raise RuntimeError(f"{without[0]} is stored in eight bits, and {without[0] + _SCALE} is missing")
    for name in rounded:
        stored[name] = _from_8_bits(stored[name], stored.pop(name + _SCALE))
    return stored


@torch.no_grad()
def round_as_stored(module: nn.Module) -> None:
    """Rounds all weights of a module, in place, to what would come back after storing them."""
    for tensor in without_empty_taps(module, module.state_dict()).values():
        if _is_large(tensor):
            tensor.copy_(_from_8_bits(*_to_8_bits(tensor)))
        else:
            tensor.copy_(_to_16_bits(tensor))


def _is_large(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() and tensor.ndim > 1 and tensor.numel() >= _LARGE


def _to_8_bits(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows in int8 and (rows,) what they are to be multiplied by; a kernel's rows are what makes one channel."""
    scale = matrix.flatten(1).abs().amax(dim=1).float() / 127
    rows = matrix.float() / _along_rows(scale.clamp(min=torch.finfo(torch.float32).tiny), matrix)
    return rows.round().to(torch.int8).contiguous(), scale


def _from_8_bits(rows: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return rows.float() * _along_rows(scale, rows)


def _along_rows(scale: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    return scale.view(-1, *[1] * (matrix.ndim - 1))


def _to_16_bits(tensor: torch.Tensor) -> torch.Tensor:
    """Matrices and kernels in float16; norms' statistics and biases, which are few, as they are."""
    return (tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor).contiguous()
