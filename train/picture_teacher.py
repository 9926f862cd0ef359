"""A network of another kind that teaches the frames' encoder.

The frames' encoder has to be R3D-18 and starts from random weights; 24,000 small faces with labels that people
agree on two times out of three are not much to learn to see from. A small network that knows a million photographs
already is fine-tuned on the same faces first, and what it says of each is half of the encoder's target: so some of
what photographs teach gets into it, and less of what annotators disagree about.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from sentiment.clip_datatypes import ClipSettings
from sentiment.model import projection, with_mirror_image
from train.errors import DataError
from train.installed import installed_folder

_ARCHITECTURE = "efficientnet-lite0"
_PIXEL_MEAN, _PIXEL_STD = 127 / 255, 128 / 255
"""What EfficientNet-Lite's pictures were normalised with:
https://github.com/tensorflow/tpu/blob/master/models/official/efficientnet/lite/efficientnet_lite_builder.py"""


class PictureTeacher(nn.Module):
    """EfficientNet-Lite0 (Tan and Le 2019), which knows ImageNet; reads the first frame of a clip."""

    def __init__(self, start: str, frame_size_px: int, clip: ClipSettings) -> None:
        """`start` is the installed package that carries the weights. Raises DataError where it does not."""
        super().__init__()
        weights = torch.load(_weights_file(start), weights_only=True)
        from efficientnet_lite_pytorch import EfficientNet  # after the weights, whose absence is told in a sentence

        self.efficientnet = EfficientNet.from_name(_ARCHITECTURE)
        self.efficientnet.load_state_dict(weights)
        self.project = projection(self.efficientnet._fc.in_features)
        self.efficientnet._fc = nn.Identity()
        self.frame_size_px = frame_size_px
        self.register_buffer("frame_mean", torch.tensor(clip.frame_mean).view(3, 1, 1), persistent=False)
        self.register_buffer("frame_std", torch.tensor(clip.frame_std).view(3, 1, 1), persistent=False)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """(B, 128) from frames (B, 3, T, H, W)."""
        pictures = (frames[:, :, 0] * self.frame_std + self.frame_mean - _PIXEL_MEAN) / _PIXEL_STD
        size = (self.frame_size_px, self.frame_size_px)
        pictures = F.interpolate(pictures, size, mode="bilinear").contiguous(memory_format=torch.channels_last)
        return self.project(with_mirror_image(self._pooled, pictures, self.training))

    def _pooled(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.efficientnet.extract_features(pictures).mean(dim=(2, 3))


def _weights_file(start: str) -> Path:
    package = installed_folder(start)
    files = [] if package is None else list(package.rglob("*.pth"))
    if len(files) != 1:
        raise DataError(
            f"The frames' teacher starts from {start!r}, which is no installed package with one .pth file in it; "
            "try: pip install -r requirements-train.txt"
        )
    return files[0]
