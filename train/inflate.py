"""The frame encoder in two dimensions, and its way into three.

On stills a 3D network does the same work for every frame. So it learns to see as a 2D network with
the same layers, whose kernels are then placed in time (after I3D, Carreira & Zisserman 2017). Repeating a
kernel over time and dividing it, as they do, darkens the first and last frames, where zeros are padded:
on clips as short as ours that is most frames of the deeper layers, and cost five points of accuracy.
Here kernels are placed so that nothing reaches into the padding: with stride 1 at the frame itself, with
stride 2 half at the frame and half at the next, so that every frame of a clip still counts. On a clip that
stands still the 3D network then gives exactly what the 2D network gives for its picture.
"""

from __future__ import annotations

import re

import torch
from torch import nn

from sentiment.model import VideoEncoder, with_mirror_image


class StillEncoder(nn.Module):
    """ResNet-18 with R3D-18's stem, which has no max-pool; reads the first frame of a clip."""

    def __init__(self, project: nn.Module) -> None:
        super().__init__()
        from torchvision.models import resnet18

        self.resnet = resnet18(weights=None)
        self.resnet.maxpool = nn.Identity()
        self.resnet.fc = nn.Identity()
        self.project = project

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """(B, 128) from frames (B, 3, T, H, W)."""
        first = frames[:, :, 0].contiguous(memory_format=torch.channels_last)
        return self.project(with_mirror_image(self.resnet, first, self.training))


def inflate(still: StillEncoder, encoder: VideoEncoder) -> None:
    """Copies the weights of a trained 2D network into the 3D one, kernels placed in time."""
    target = encoder.r3d.state_dict()
    strides = {f"{n}.weight": m.stride[0] for n, m in encoder.r3d.named_modules() if isinstance(m, nn.Conv3d)}
    for name, tensor in still.resnet.state_dict().items():
        name_3d = _name_in_3d(name)
        if tensor.ndim == 4:
            tensor = _place_in_time(tensor, target[name_3d].shape[2], strides[name_3d])
        target[name_3d] = tensor.clone()
    encoder.r3d.load_state_dict(target)
    encoder.project.load_state_dict(still.project.state_dict())


def deflate(encoder: VideoEncoder) -> StillEncoder:
    """The 2D network that a 3D one was made of by `inflate`: it says the same of stills, sixteen times as fast."""
    still = StillEncoder(encoder.project)
    placed = encoder.r3d.state_dict()
    flat = {name: placed[_name_in_3d(name)] for name in still.resnet.state_dict()}
    still.resnet.load_state_dict({name: t.sum(dim=2) if t.ndim == 5 else t for name, t in flat.items()})
    return still.to(memory_format=torch.channels_last)


def _place_in_time(kernel: torch.Tensor, num_times: int, stride: int) -> torch.Tensor:
    """(out, in, num_times, H, W) from a 2D kernel (out, in, H, W)."""
    placed = kernel.new_zeros(*kernel.shape[:2], num_times, *kernel.shape[2:])
    centre = num_times // 2
    if stride == 2 and num_times > 1:
        placed[:, :, centre : centre + 2] = kernel.unsqueeze(2) / 2
    else:
        placed[:, :, centre] = kernel
    return placed


def _name_in_3d(name: str) -> str:
    """torchvision's name for the same layer: layer1.0.bn2.weight becomes layer1.0.conv2.1.weight."""
    name = re.sub(r"^conv1\.", "stem.0.", name)
    name = re.sub(r"^bn1\.", "stem.1.", name)
    name = re.sub(r"\.conv(\d)\.", r".conv\1.0.", name)
    return re.sub(r"\.bn(\d)\.", r".conv\1.1.", name)
