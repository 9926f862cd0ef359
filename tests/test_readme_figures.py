"""The README's table of figures is that of the bundled checkpoint, and a command writes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_parts import save_random_checkpoint

from sentiment.checkpoint import read_manifest
from train.__main__ import main
from train.readme_figures import BEGIN, END, short_table

ROOT = Path(__file__).parent.parent
STARTER = ROOT / "assets" / "models" / "starter"


def test_the_readme_shows_what_the_bundled_checkpoint_was_measured_at() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{BEGIN}\n{short_table(read_manifest(STARTER)['metrics'])}\n{END}" in text


def test_what_is_between_the_marks_is_replaced(tmp_path: Path) -> None:
    checkpoint, readme = tmp_path / "starter", tmp_path / "README.md"
    shutil.copytree(STARTER, checkpoint)
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    assert main(["card", "--checkpoint", str(checkpoint), "--readme", str(readme)]) == 0
    text = readme.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\n| signal |") and text.endswith(f"|\n{END}\nafter\n")
    assert "old" not in text and "| words | sentiment | 2,610 |" in text


def test_a_file_without_marks_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint, other = tmp_path / "starter", tmp_path / "notes.md"
    save_random_checkpoint(checkpoint)
    other.write_text(f"{END} comes first {BEGIN}\n", encoding="utf-8")
    assert main(["card", "--checkpoint", str(checkpoint), "--readme", str(other)]) == 2
    assert "has no place for figures" in capsys.readouterr().err
    assert other.read_text(encoding="utf-8") == f"{END} comes first {BEGIN}\n"
