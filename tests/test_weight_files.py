"""Weights on disk: nearly the same comes back from far fewer bytes."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from sentiment import weight_files
from sentiment.hub import files_of
from sentiment.model import VideoEncoder
from sentiment.weight_files import load_weights, read_weights, round_as_stored, save_weights
from train.inflate import StillEncoder, inflate


class Layers(nn.Module):
    """A large matrix, a small one, and what is no matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.large, self.small = nn.Linear(512, 128), nn.Linear(128, 8)
        self.norm = nn.BatchNorm1d(8)


def test_a_large_matrix_takes_a_byte_for_each_number_and_comes_back_to_half_a_step(tmp_path: Path) -> None:
    layers, again = Layers(), Layers()
    with torch.no_grad():
        layers.large.weight[3] *= 100  # does not spoil the other rows
        layers.large.weight[5] = 0
    assert save_weights(layers, tmp_path, "part") == ["part.safetensors"]
    stored = load_file(tmp_path / "part.safetensors")
    assert stored["large.weight"].dtype == torch.int8
    assert stored["small.weight"].dtype == torch.float16
    load_weights(again, [tmp_path / "part.safetensors"])
    step = layers.large.weight.abs().amax(dim=1, keepdim=True) / 127
    assert ((again.large.weight - layers.large.weight).abs() <= 0.501 * step).all()
    assert torch.allclose(again.small.weight, layers.small.weight, atol=1e-4)
    for name in ("large.bias", "norm.running_var", "norm.num_batches_tracked"):
        assert torch.equal(again.state_dict()[name], layers.state_dict()[name]), name


def test_what_was_stored_before_is_stored_the_same_again(tmp_path: Path) -> None:
    """A checkpoint that is loaded and saved does not wear out."""
    layers, again = Layers(), Layers()
    save_weights(layers, tmp_path, "first")
    load_weights(again, [tmp_path / "first.safetensors"])
    save_weights(again, tmp_path, "second")
    assert (tmp_path / "first.safetensors").read_bytes() == (tmp_path / "second.safetensors").read_bytes()


def test_files_with_every_matrix_in_sixteen_bits_are_read(tmp_path: Path) -> None:
    layers, again = Layers(), Layers()
    save_file({name: t.half() if t.ndim > 1 else t for name, t in layers.state_dict().items()}, tmp_path / "old")
    load_weights(again, [tmp_path / "old"])
    assert torch.allclose(again.large.weight, layers.large.weight, atol=1e-4)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    save_weights(nn.Linear(512, 128), tmp_path, "part")
    with pytest.raises(RuntimeError, match=r"large\.weight"):
        load_weights(Layers(), [tmp_path / "part.safetensors"])


def test_no_file_is_larger_than_can_be_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_files, "LARGEST_FILE_BYTES", 150_000)
    layers, again = nn.Sequential(*(nn.Linear(256, 256) for _ in range(5))), nn.Sequential()
    again.extend(nn.Linear(256, 256) for _ in range(5))
    names = save_weights(layers, tmp_path, "part")
    assert names == ["part.safetensors", "part-2.safetensors", "part-3.safetensors"]
    assert all((tmp_path / name).stat().st_size < 160_000 for name in names)
    assert files_of("part", ["part-3.safetensors", "party.safetensors", *names[:2], "part-2.txt"]) == [
        "part-2.safetensors", "part-3.safetensors", "part.safetensors",
    ]  # fmt: skip
    load_weights(again, [tmp_path / name for name in names])
    assert all(torch.allclose(a.weight, b.weight, atol=1e-3) for a, b in zip(layers, again, strict=True))
    assert save_weights(layers[0], tmp_path, "part") == ["part.safetensors"]
    assert not (tmp_path / "part-2.safetensors").exists()


def test_a_matrix_without_its_scale_is_no_matrix(tmp_path: Path) -> None:
    save_file({"large.weight": torch.zeros(128, 512, dtype=torch.int8)}, tmp_path / "part.safetensors")
    with pytest.raises(RuntimeError, match=r"large\.weight\.scale is missing"):
        read_weights([tmp_path / "part.safetensors"])


def test_more_files_than_would_be_found_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_files, "LARGEST_FILE_BYTES", 1000)
    with pytest.raises(ValueError, match="10 files"):
        save_weights(nn.Sequential(*(nn.Linear(256, 256, bias=False) for _ in range(5))), tmp_path, "part")
    assert list(tmp_path.iterdir()) == []


def test_rounding_gives_what_would_come_back(tmp_path: Path) -> None:
    layers, again = Layers(), Layers()
    save_weights(layers, tmp_path, "part")
    load_weights(again, [tmp_path / "part.safetensors"])
    round_as_stored(layers)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in layers.state_dict().items())


def test_the_zeros_of_a_network_that_learned_from_stills_are_not_stored(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = VideoEncoder().eval()
    inflate(StillEncoder(encoder.project).eval(), encoder)
    file = tmp_path / "video.safetensors"
    save_weights(encoder, tmp_path, "video")
    assert file.stat().st_size < 0.6 * sum(p.numel() for p in encoder.parameters())
    lean = VideoEncoder().eval()
    load_weights(lean, [file])
    clip = torch.randn(2, 3, 8, 32, 32)
    with torch.inference_mode():
        expected, answered = encoder(clip), lean(clip)
    assert (answered - expected).norm() < 0.05 * expected.norm()
    assert read_weights([file])["r3d.layer1.0.conv1.0.weight"].shape[2] == 1
    save_weights(copy.deepcopy(lean), tmp_path, "again")
    assert (tmp_path / "again.safetensors").read_bytes() == file.read_bytes()
