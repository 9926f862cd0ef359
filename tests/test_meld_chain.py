"""The whole way in miniature: from an archive on a server that hangs up, to an app that answers."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joint_parts import write_recipe
from small_parts import few_resamples, require_whisper
from test_download import serving

from sentiment.checkpoint import read_manifest
from sentiment.labels import MODALITIES
from sentiment.pipeline import analyze_video, load_models
from train.__main__ import main
from train.clip_cache import find_cache
from train.evaluate_clips import evaluate_clips

ROWS = 12
"""Of the miniature, in each part."""


@pytest.fixture(scope="module", autouse=True)
def _few_resamples() -> Iterator[None]:
    with few_resamples():
        yield


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small encoders of the real classes, their weights random."""
    return write_recipe(tmp_path_factory.mktemp("recipe"), video="learning_rate = 1e-3", epochs=1)


@pytest.fixture(scope="module")
def data(meld_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `download` leaves of an archive whose server hangs up in the middle."""
    folder = tmp_path_factory.mktemp("data")
    content = meld_archive.read_bytes()
    with pytest.MonkeyPatch.context() as patched, serving(content, breaks_off_at=[len(content) // 2]) as server:
        patched.setattr("train.download.PAUSE_SECONDS", 0.0)
        assert main(["download", "meld", "--to", str(folder), "--from", server.url]) == 0
        assert len(server.ranges) == 2  # the second time, the rest alone
    return folder


@pytest.fixture(scope="module")
def run(data: Path, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run, prepared and fitted."""
    folder = tmp_path_factory.mktemp("run")
    assert main(["prepare", "--data", str(data), "--recipe", str(recipe), "--workers", "0"]) == 0
    assert main(["fit", "--recipe", str(recipe), "--data", str(data), "--run", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def evaluated(run: Path, data: Path) -> tuple[dict[str, Any], str]:
    """What `evaluate` prints: the JSON's "clips", and the tables."""
    printed, told = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(told):
        assert main(["evaluate", "--checkpoint", str(run), "--data", str(data), "--store", "--table"]) == 0
    return json.loads(printed.getvalue())["clips"], told.getvalue()


def test_every_test_utterance_is_counted(run: Path, evaluated: tuple[dict[str, Any], str]) -> None:
    clips, tables = evaluated
    assert clips["n"] == clips["all"]["emotion"]["n"] == ROWS and clips["unanswered"] == 0
    assert clips["had"]["text"] > 0  # what has no usable clip answers from its words
    assert clips["subsets"]["text"]["sentiment"]["n"] == ROWS
    assert clips["subsets"]["text+audio+video"]["emotion"]["n"] == clips["left_out"]["video"]["n"] > 0
    assert "Rows are annotated, columns named" in tables
    assert read_manifest(run / "checkpoint")["metrics"]["clips"] == clips
    card = (run / "checkpoint" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "## How good it is on clips" in card and "MELD (Poria et al. 2019), with its clips" in card
    assert "Fusion has not been measured on real video" not in card and "made-up" not in card


@pytest.mark.usefixtures("evaluated")
def test_ways_of_fusing_go_into_the_card(run: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", "--checkpoint", str(run), "--data", str(data), "--epochs", "1"]) == 0
    ablation = json.loads(capsys.readouterr().out)
    assert ablation["fusion"]["late"]["test"]["emotion"]["n"] == ROWS
    (row,) = ablation["encoders"]
    assert row["encoders"]["video"] == {"start": None, "trained": "fine-tuned"} and row["emotion"]["n"] == ROWS
    card = (run / "checkpoint" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "## What each choice is worth" in card and "face: from scratch, fine-tuned" in card


def test_the_app_answers_with_what_was_trained(run: Path, data: Path) -> None:
    require_whisper()
    models = load_models(run, device="cpu")
    assert models.checkpoint.name == "tiny" and models.checkpoint.clip_settings.modalities == MODALITIES
    clip = next(data.rglob("final_videos_testdia0_utt0.mp4"))
    timeline = analyze_video(clip, models)
    assert timeline.is_complete and timeline.provenance["checkpoint"]["sha256"] == models.checkpoint.sha256
    assert any(segment.affect is not None for segment in timeline.segments)

    heard = evaluate_clips(models.checkpoint, data, transcriber=models.transcriber)["recognised"]
    cache = find_cache(data, models.checkpoint.clip_settings, "test")
    assert len(json.loads((cache / "test" / "transcripts-base.json").read_text(encoding="utf-8"))) == heard["n"] > 0
    if shutil.which("espeak-ng"):  # else the lines are hummed
        assert heard["unheard"] < heard["n"] and heard["word_error_rate"] < 1


def test_it_can_be_published(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", "--checkpoint", str(run), "--repo", "somebody/reader", "--dry-run"]) == 0
    told = capsys.readouterr().err
    assert all(f"{modality}.safetensors" in told for modality in MODALITIES) and "README.md" in told
