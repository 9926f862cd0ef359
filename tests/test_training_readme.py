"""train/README.md names functions, commands and files: all of them exist."""

from __future__ import annotations

import importlib
import re
import shlex
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from sentiment.model import FusionNetwork, NetworkSettings
from train.__main__ import _parser
from train.joint_freezing import freeze
from train.settings import load_recipe

README = Path(__file__).resolve().parents[1] / "train" / "README.md"
TEXT = README.read_text(encoding="utf-8")
NAMES = sorted(
    {named or run for named, run in re.findall(r"`((?:train|sentiment)(?:\.\w+)+)`|python -m (train\.\w+)", TEXT)}
)
COMMANDS = re.findall(r"^(?:accelerate launch|python) -m train (.+?)(?: {2,}#.*)?$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_named_exists(name: str) -> None:
    parts = name.split(".")
    found = importlib.import_module(".".join(parts[:2]))
    for part in parts[2:]:
        found = getattr(found, part) if hasattr(found, part) else importlib.import_module(f"{found.__name__}.{part}")


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_can_be_given(command: str) -> None:
    options = _parser().parse_args(shlex.split(command))
    assert callable(options.run)


def test_it_explains_what_it_promises() -> None:
    assert len(NAMES) > 20 and len(COMMANDS) >= 8
    for word in ("neuron", "activation", "loss", "gradient", "learning rate", "epoch", "overfitting"):
        assert re.search(rf"^\*\*[^*]*{word}", TEXT, re.MULTILINE | re.IGNORECASE), word
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (README.parent / link).exists(), link


def test_weights_are_counted() -> None:
    recipe = load_recipe("meld")
    with torch.device("meta"):  # shapes without numbers; BERT-base is what its configuration is by itself
        network = FusionNetwork(NetworkSettings(bert={}, **asdict(recipe.network)), recipe.clip.n_mels)
    freeze(network, recipe)
    sizes = [(p.numel(), p.requires_grad) for p in network.parameters()]
    total, trained = (round(sum(n for n, learns in sizes if learns or all_of) / 1e6) for all_of in (True, False))
    assert f"{total} million weights `meld` trains {trained} million" in TEXT
    assert f"4 × {total} + 12 × {trained} million bytes = {(4 * total + 12 * trained) / 1000:.1f} GB" in TEXT


def test_shapes_are_those_of_the_recipe() -> None:
    clip = load_recipe("meld").clip
    assert f"(3, {clip.frame_count}, {clip.frame_size_px}, {clip.frame_size_px})" in TEXT
    assert f"({clip.n_mels}, {clip.sample_rate_hz // clip.hop_length} a second)" in TEXT
    assert f"at most {clip.max_tokens}" in TEXT and clip.framing == "face"
    assert (clip.context_utterances, clip.following_utterances) == (3, 1)
    assert "three before it and one after" in TEXT
