"""What a Space gets is what the app needs, and all of it reaches the hub."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gradio
import pytest
from hub_server import MAX_GIT_BYTES, Hub, serve_hub
from test_publish import point_to

from sentiment.space import ROOT, WANTED, files_to_upload, main, upload


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with serve_hub() as server:
        point_to(server.address, monkeypatch, tmp_path)
        # The hub's newer way for large files is in native code, which no server of a test's own understands.
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        yield server


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in miniature: everything a Space needs, weights too large for git, and what nobody else should get."""
    folder = tmp_path / "project"
    for name in WANTED:
        path = folder / name.replace("*", "part.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"the content of {name}")
    (folder / "assets" / "text.safetensors").write_bytes(os.urandom(MAX_GIT_BYTES + 1))
    for private in (".env", "runs/notes.txt", "sentiment/__pycache__/part.pyc", ".git/config", "tests/test_a.py"):
        (folder / private).parent.mkdir(parents=True, exist_ok=True)
        (folder / private).write_text("nobody's business")
    return folder


def test_the_app_and_nothing_else_becomes_a_space(project: Path, hub: Hub) -> None:
    assert upload("somebody/video-sentiment", project, private=True).endswith("somebody/video-sentiment")
    uploaded = hub.repositories["somebody/video-sentiment"]
    assert hub.kinds["somebody/video-sentiment"] == "space" and hub.private["somebody/video-sentiment"]
    assert set(uploaded) == {path.as_posix() for path in files_to_upload(project)}
    assert not any("nobody's business" in content.decode(errors="ignore") for content in uploaded.values())
    weights = (project / "assets" / "text.safetensors").read_bytes()
    assert uploaded["assets/text.safetensors"] == weights
    assert list(hub.beside_git.values()) == [weights]


def test_a_second_upload_removes_what_is_gone(project: Path, hub: Hub) -> None:
    upload("somebody/video-sentiment", project)
    (project / "sentiment" / "part.py").rename(project / "sentiment" / "renamed.py")
    upload("somebody/video-sentiment", project)
    uploaded = hub.repositories["somebody/video-sentiment"]
    assert "sentiment/renamed.py" in uploaded and "sentiment/part.py" not in uploaded


def test_what_stands_in_the_way_is_one_sentence(
    project: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["no name at all"]) == 2
    assert "no name of a repository" in capsys.readouterr().err
    (project / "app.py").unlink()
    monkeypatch.setattr("sentiment.space.upload", lambda *_, **__: upload("somebody/space", project))
    assert main(["somebody/space"]) == 2
    assert "has no app.py" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert main(["somebody/space"]) == 2
    assert "hf auth login" in capsys.readouterr().err


def test_this_project_has_what_a_space_needs(capsys: pytest.CaptureFixture[str]) -> None:
    header = (ROOT / "README.md").read_text(encoding="utf-8").split("---")[1]
    values = dict(re.findall(r"^(\w+): (.+)$", header, re.MULTILINE))
    assert values["sdk"] == "gradio" and values["sdk_version"] == gradio.__version__
    assert (ROOT / values["app_file"]).is_file()
    assert len(values["short_description"]) <= 60  # the hub takes no longer one
    assert main(["somebody/space", "--dry-run"]) == 0
    listed = capsys.readouterr().out
    for needed in ("app.py", "requirements.txt", "packages.txt", "sentiment/pipeline.py", "assets/studio/studio.css"):
        assert f"bytes  {needed}" in listed
    assert "assets/models/starter/text.safetensors" in listed and "tests/" not in listed and "train/" not in listed


def test_the_app_imports_nothing_that_a_space_lacks(tmp_path: Path) -> None:
    """From what is uploaded alone, in a folder of its own."""
    for path in files_to_upload():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(ROOT / path) if path.suffix != ".py" else target.write_bytes((ROOT / path).read_bytes())
    code = "import app, sentiment.studio, sentiment.pipeline, sentiment.export, sentiment.report, sentiment.annotate"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
