"""Publishing pushes a whole checkpoint and nothing else, and what was pushed is loaded from its address."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hub_server import COMMIT, Hub, serve_hub
from small_parts import save_random_checkpoint

from sentiment.checkpoint import load_checkpoint, read_manifest
from sentiment.clips import collate
from sentiment.errors import CheckpointError, SettingsError
from sentiment.hub import MANIFEST, find_checkpoint, find_own_checkpoint
from train.__main__ import main
from train.fit import write_model_card
from train.settings import load_recipe

FILES = {"checkpoint.json", "text.safetensors", "fusion.safetensors", "tokenizer.json", "MODEL_CARD.md"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with serve_hub() as server:
        point_to(server.address, monkeypatch, tmp_path)
        yield server


def point_to(address: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    from huggingface_hub import constants

    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + template)
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_test")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder whose checkpoint has a card and, beside its own files, one of somebody else's."""
    checkpoint = save_random_checkpoint(tmp_path / "run" / "checkpoint", modalities=("text",))
    manifest = {**read_manifest(checkpoint), "training": dataclasses.asdict(load_recipe("words"))}
    (checkpoint / MANIFEST).write_text(json.dumps(manifest))
    write_model_card(checkpoint)
    (checkpoint / "diary.txt").write_text("private")
    return tmp_path / "run"


def test_what_is_published_is_loaded_from_its_address(run: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", "--checkpoint", str(run), "--repo", "somebody/reader", "--private"]) == 0
    assert f"{hub.address}/somebody/reader/commit/{COMMIT}" in capsys.readouterr().out
    pushed = hub.repositories["somebody/reader"]
    assert set(pushed) == {*FILES, "README.md"} and hub.private["somebody/reader"]
    assert pushed["README.md"].startswith(b"---\nlicense: other")

    pushed["malware.py"] = b"import os"
    pushed["nested/fusion.safetensors"] = b"of another"
    fetched = load_checkpoint(find_checkpoint("hf://somebody/reader"))
    assert set(hub.fetched) == FILES
    own = load_checkpoint(find_checkpoint(run))
    assert fetched.sha256 == own.sha256 and fetched.folder != own.folder
    batch = collate([own.preprocessor.make(text="so it goes")])
    with torch.inference_mode():
        assert torch.equal(fetched.network(batch), own.network(batch))

    hub.fetched.clear()
    find_checkpoint(f"hf://somebody/reader@{COMMIT}")
    assert not hub.fetched  # it is on this machine already


def test_what_was_changed_on_the_hub_is_refused(run: Path, hub: Hub) -> None:
    assert main(["publish", "--checkpoint", str(run), "--repo", "somebody/reader"]) == 0
    assert not hub.private["somebody/reader"]
    hub.repositories["somebody/reader"]["fusion.safetensors"] += b"more"
    with pytest.raises(CheckpointError, match="sha256 differs"):
        load_checkpoint(find_checkpoint("hf://somebody/reader"))


def test_a_dry_run_lists_and_pushes_nothing(run: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", "--checkpoint", str(run), "--repo", "somebody/reader", "--dry-run"]) == 0
    told = capsys.readouterr().err
    size_bytes = (run / "checkpoint" / "text.safetensors").stat().st_size
    assert f"{size_bytes:,} bytes  text.safetensors" in told and "diary" not in told
    assert not hub.repositories


def test_the_drawings_of_a_card_go_with_it(run: Path, hub: Hub) -> None:
    from train.model_card import FIGURES_FOLDER

    checkpoint = run / "checkpoint"
    folder = checkpoint / FIGURES_FOLDER
    folder.mkdir()
    (folder / "coverage.svg").write_text("<svg/>")
    write_model_card(checkpoint)
    assert main(["publish", "--checkpoint", str(run), "--repo", "somebody/reader"]) == 0
    pushed = hub.repositories["somebody/reader"]
    assert pushed["figures/coverage.svg"] == b"<svg/>"
    assert b"](figures/coverage.svg)" in pushed["README.md"] and b"../" not in pushed["README.md"]


def test_a_checkpoint_that_is_not_whole_is_not_published(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["publish", "--checkpoint", str(run), "--repo", "somebody/reader", "--dry-run"]
    (run / "checkpoint" / "MODEL_CARD.md").unlink()
    assert main(command) == 2 and "train card" in capsys.readouterr().err
    (run / "checkpoint" / "text.safetensors").write_bytes(b"cut off")
    assert main(command) == 2 and "text.safetensors" in capsys.readouterr().err


def test_without_a_token_or_a_network_there_is_one_sentence(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["publish", "--checkpoint", str(run), "--repo"]
    point_to("http://127.0.0.1:1", monkeypatch, tmp_path)  # nobody listens there
    assert main([*command, "somebody/reader"]) == 2
    assert one_line(capsys).startswith("error: somebody/reader could not be pushed to the hub:")
    assert main([*command, "no name at all"]) == 2
    assert "no name of a repository" in one_line(capsys)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert main([*command, "somebody/reader"]) == 2
    assert "hf auth login" in one_line(capsys)


def test_what_is_not_on_the_hub_is_one_sentence(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="hf://nobody/nothing could not be fetched"):
        find_checkpoint("hf://nobody/nothing")
    hub.repositories["somebody/notes"] = {"notes.txt": b"x"}
    with pytest.raises(CheckpointError, match=r"has no checkpoint\.json"):
        find_checkpoint("hf://somebody/notes")
    for wrong in ("hf://reader", "hf://a/b/c", "hf://a/b@", "hf://"):
        with pytest.raises(CheckpointError, match="OWNER/NAME"):
            find_checkpoint(wrong)
    point_to("http://127.0.0.1:1", monkeypatch, tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match="could not be fetched") as caught:
        find_checkpoint("hf://somebody/reader")
    assert "\n" not in str(caught.value)


def test_folders_are_found_as_they_are_named(run: Path, tmp_path: Path) -> None:
    assert find_checkpoint(run) == find_checkpoint(run / "checkpoint") == find_own_checkpoint(run) == run / "checkpoint"
    assert find_checkpoint(tmp_path / "nowhere") == tmp_path / "nowhere"  # loading says what is missing
    with pytest.raises(SettingsError, match="not written to"):
        find_own_checkpoint("hf://somebody/reader")


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(told) == 1
    return told[0]
