"""The frame encoder in two dimensions, and its way into three.

On stills a 3D network does the same work for every frame. So it learns to see as a 2D network with
the same layers, whose kernels are then repeated over time and divided by their temporal extent
(I3D, Carreira & Zisserman 2017): on a clip that stands still, each inner frame gives the same maps.
"""

from __future__ import annotations

import re

import torch
from torch import nn

from sentiment.model import VideoEncoder


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
        return self.project(self.resnet(frames[:, :, 0].contiguous(memory_format=torch.channels_last)))


def inflate(still: StillEncoder, encoder: VideoEncoder) -> None:
    """Copies the weights of a trained 2D network into the 3D one, kernels repeated over time."""
    target = encoder.r3d.state_dict()
    for name, tensor in still.resnet.state_dict().items():
        name_3d = _name_in_3d(name)
        if tensor.ndim == 4:
            num_times = target[name_3d].shape[2]
            tensor = tensor.unsqueeze(2).expand(-1, -1, num_times, -1, -1) / num_times
        target[name_3d] = tensor.clone()
    encoder.r3d.load_state_dict(target)
    encoder.project.load_state_dict(still.project.state_dict())


def _name_in_3d(name: str) -> str:
    """torchvision's name for the same layer: layer1.0.bn2.weight becomes layer1.0.conv2.1.weight."""
    name = re.sub(r"^conv1\.", "stem.0.", name)
    name = re.sub(r"^bn1\.", "stem.1.", name)
    name = re.sub(r"\.conv(\d)\.", r".conv\1.0.", name)
    return re.sub(r"\.bn(\d)\.", r".conv\1.1.", name)
