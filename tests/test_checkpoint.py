"""Checkpoints: what is saved comes back, and what was tampered with or made for something else is refused."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import torch
from small_parts import save_random_checkpoint

from sentiment import weight_files
from sentiment.checkpoint import load_checkpoint, round_network, subset_key, update_metrics
from sentiment.clips import collate
from sentiment.errors import CheckpointError
from sentiment.hub import CHECKPOINT_FILES, MANIFEST


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_random_checkpoint(tmp_path / "random")


def edit(folder: Path, **changes: object) -> None:
    path = folder / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_round_trip_keeps_settings_and_answers(folder: Path, tmp_path: Path) -> None:
    first = load_checkpoint(folder)
    again = load_checkpoint(save_random_checkpoint(tmp_path / "twin"))
    assert first.clip_settings.frame_size_px == 56
    assert first.clip_settings == again.clip_settings
    assert first.calibration == again.calibration
    assert first.sha256 == again.sha256 != ""
    batch = collate([first.preprocessor.make(text="so it goes")])
    with torch.inference_mode():
        assert torch.equal(first.network(batch), again.network(batch))


def test_a_checkpoint_of_words_alone_has_no_other_weights(tmp_path: Path) -> None:
    folder = save_random_checkpoint(tmp_path / "words", modalities=("text",))
    assert sorted(path.name for path in folder.glob("*.safetensors")) == ["fusion.safetensors", "text.safetensors"]
    checkpoint = load_checkpoint(folder)
    assert checkpoint.clip_settings.modalities == tuple(checkpoint.network.encoders) == ("text",)
    (folder / "text.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks text.safetensors"):
        load_checkpoint(folder)


def test_no_matrix_takes_more_than_16_bits_a_number_and_none_of_the_large_more_than_8(folder: Path) -> None:
    from safetensors.torch import load_file

    matrices = [t for t in load_file(folder / "video.safetensors").values() if t.ndim > 1]
    assert {t.dtype for t in matrices} == {torch.float16, torch.int8}
    assert all(t.dtype == torch.int8 for t in matrices if t.numel() >= 100_000)


@pytest.mark.parametrize("file", ["text.safetensors", "audio.safetensors", "fusion.safetensors", "tokenizer.json"])
def test_a_tampered_file_is_refused(folder: Path, file: str) -> None:
    content = bytearray((folder / file).read_bytes())
    content[-3] ^= 1
    (folder / file).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{file} is not the file that was saved"):
        load_checkpoint(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "audio.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks audio\.safetensors"):
        load_checkpoint(folder)


def test_another_label_order_is_refused(folder: Path) -> None:
    labels = json.loads((folder / MANIFEST).read_text())["labels"]
    edit(folder, labels={**labels, "emotions": labels["emotions"][::-1]})
    with pytest.raises(CheckpointError, match="other labels"):
        load_checkpoint(folder)


def test_another_format_is_refused(folder: Path) -> None:
    edit(folder, format_version=99)
    with pytest.raises(CheckpointError, match="99"):
        load_checkpoint(folder)


def test_other_network_sizes_than_the_weights_are_refused(folder: Path) -> None:
    network = json.loads((folder / MANIFEST).read_text())["network"]
    edit(folder, network={**network, "fusion_size": 64})
    with pytest.raises(CheckpointError, match="does not fit"):
        load_checkpoint(folder)


@pytest.mark.parametrize("content", ["", "[1, 2]", "{", '{"format_version": 3}'])
def test_a_broken_manifest_is_refused(folder: Path, content: str) -> None:
    (folder / MANIFEST).write_text(content)
    with pytest.raises(CheckpointError):
        load_checkpoint(folder)


def test_a_folder_without_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        load_checkpoint(tmp_path)


def test_a_manifest_cannot_reach_outside_its_folder(folder: Path) -> None:
    edit(folder, sha256={"../../secret": "0" * 64})
    with pytest.raises(CheckpointError, match="must list the sha256"):
        load_checkpoint(folder)


@pytest.mark.parametrize("modalities", [[".*|x"], ["("], ["../../secret"], [], ["text", 1], "text"])
def test_only_parts_that_there_are_can_be_named(folder: Path, modalities: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    edit(folder, clip={**manifest["clip"], "modalities": modalities}, sha256={"../../secret.safetensors": "0" * 64})
    with pytest.raises(CheckpointError, match="must list the sha256"):
        load_checkpoint(folder)


@pytest.mark.parametrize("listed", [[1], "text.safetensors", None])
def test_a_list_of_files_without_sums_is_refused(folder: Path, listed: object) -> None:
    edit(folder, sha256=listed)
    with pytest.raises(CheckpointError, match="must list the sha256"):
        load_checkpoint(folder)


def test_what_is_too_large_for_one_file_is_found_in_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_files, "LARGEST_FILE_BYTES", 5_000_000)
    folder = save_random_checkpoint(tmp_path / "split")
    split = load_checkpoint(folder)
    listed = set(json.loads((folder / MANIFEST).read_text())["sha256"])
    assert {"video.safetensors", "video-2.safetensors", "text.safetensors"} < listed
    assert all(any(fnmatchcase(name, pattern) for pattern in CHECKPOINT_FILES) for name in listed)
    monkeypatch.undo()
    whole = load_checkpoint(save_random_checkpoint(tmp_path / "whole"))
    pairs = zip(split.network.state_dict().values(), whole.network.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    (folder / "video-2.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks video-2\.safetensors"):
        load_checkpoint(folder)


def test_a_network_that_is_rounded_beforehand_comes_back_as_it_was(folder: Path, tmp_path: Path) -> None:
    network = load_checkpoint(folder).network
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    round_network(network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_metrics_can_be_added_later(folder: Path) -> None:
    before = load_checkpoint(folder)
    update_metrics(folder, {"text": {"emotion": {"accuracy": 0.5}}})
    after = load_checkpoint(folder)
    assert after.metrics["text"]["emotion"]["accuracy"] == 0.5
    assert after.sha256 != before.sha256


def test_subsets_are_named_in_the_order_of_the_modalities() -> None:
    assert subset_key(("text", "video")) == "text+video"
