"""A network that learned from stills is computed without its zeros, and answers the same."""

from __future__ import annotations

import copy

import torch
from torch import nn

from sentiment.empty_taps import fit_kernels, with_empty_taps, without_empty_taps
from sentiment.model import VideoEncoder
from train.inflate import StillEncoder, inflate


def leave_out_empty_taps(layers: nn.Module) -> int:
    """Does so in place; returns in how many kernels."""
    before = layers.state_dict()
    lean = without_empty_taps(layers, before)
    fit_kernels(layers, lean)
    layers.load_state_dict(lean)
    return sum(lean[name].shape != before[name].shape for name in before)


def test_an_inflated_network_answers_the_same_with_fewer_weights() -> None:
    torch.manual_seed(0)
    encoder = VideoEncoder().eval()
    inflate(StillEncoder(encoder.project).eval(), encoder)
    lean = copy.deepcopy(encoder)
    # All of R3D-18's 17 kernels that are three frames deep, but the three that halve time: these look at two frames.
    assert leave_out_empty_taps(lean) == 14
    moving = torch.randn(2, 3, 8, 32, 32)
    with torch.inference_mode():
        assert torch.allclose(lean(moving), encoder(moving), atol=1e-4)
    weights, lean_weights = (sum(p.numel() for p in e.parameters()) for e in (encoder, lean))
    assert lean_weights < 0.55 * weights


def test_a_kernel_that_sees_movement_stays() -> None:
    layers = nn.Sequential(nn.Conv3d(1, 1, 3, padding=1), nn.Conv3d(1, 1, (1, 3, 3)))
    with torch.no_grad():
        layers[0].weight[:, :, 0] = 0
    before = list(layers)
    assert leave_out_empty_taps(layers) == 0
    assert list(layers) == before


def test_at_the_border_and_with_a_stride_in_time_nothing_changes() -> None:
    layers = nn.Sequential(nn.Conv3d(2, 4, 3, padding=1, stride=(2, 1, 1)))
    with torch.no_grad():
        layers[0].weight[:, :, [0, 2]] = 0
    clip = torch.randn(1, 2, 5, 6, 6)
    expected = layers(clip)
    assert leave_out_empty_taps(layers) == 1
    assert layers(clip).shape == expected.shape
    assert torch.allclose(layers(clip), expected, atol=1e-6)


def test_zeros_come_back_where_movement_is_to_be_learned() -> None:
    layers = nn.Sequential(nn.Conv3d(2, 4, 3, padding=1), nn.Conv3d(4, 4, 3, padding=1))
    with torch.no_grad():
        layers[0].weight[:, :, [0, 2]] = 0
    whole = layers.state_dict()
    padded = with_empty_taps(layers, without_empty_taps(layers, whole))
    assert all(torch.equal(padded[name], whole[name]) for name in whole)
