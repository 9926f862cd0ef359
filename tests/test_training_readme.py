"""train/README.md names functions, commands and files: all of them exist."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from train.__main__ import _parser

README = Path(__file__).resolve().parents[1] / "train" / "README.md"
TEXT = README.read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`((?:train|sentiment)(?:\.\w+)+)`", TEXT)))
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


def test_shapes_are_those_of_the_recipe() -> None:
    from train.settings import load_recipe

    clip = load_recipe("meld").clip
    assert f"(3, {clip.frame_count}, {clip.frame_size_px}, {clip.frame_size_px})" in TEXT
    assert f"({clip.n_mels}, {clip.sample_rate_hz // clip.hop_length} a second)" in TEXT
    assert f"at most {clip.max_tokens}" in TEXT and clip.context_utterances == 3 and clip.framing == "face"
