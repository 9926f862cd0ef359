"""Joint training in processes of its own: killed and gone on with, and shared between two."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import torch
from joint_parts import start_fit, start_together, write_prepared, write_recipe
from safetensors.torch import load_file

from train.settings import load_recipe

TIME_LIMIT_SECONDS = 240


def finish(process: subprocess.Popen[str]) -> str:
    _, log = process.communicate(timeout=TIME_LIMIT_SECONDS)
    assert process.returncode == 0, log
    return log


def outcome(run: Path) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
    """The history of a run that is over, and the weights that its last epoch left."""
    (state,) = run.glob("state-*")
    return json.loads((state / "progress.json").read_text())["history"], load_file(state / "model.safetensors")


def test_a_run_that_is_killed_at_any_point_ends_with_the_same_weights(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, "save_every_steps = 1", dropout=0.2, frozen_norm=False, epochs=8)
    data = write_prepared(tmp_path / "data", load_recipe(str(recipe)).clip)
    whole = start_fit(recipe, data, tmp_path / "whole")
    killed = start_fit(recipe, data, tmp_path / "killed")
    deadline = time.monotonic() + TIME_LIMIT_SECONDS
    while not any((tmp_path / "killed").glob("state-*[0-9]")) and time.monotonic() < deadline:
        time.sleep(0.01)
    delay_seconds = random.uniform(0, 1.5)
    time.sleep(delay_seconds)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL, f"it was over before it was killed after {delay_seconds} s"
    killed.communicate()
    log = finish(start_fit(recipe, data, tmp_path / "killed"))
    assert "goes on after epoch" in log
    finish(whole)
    (history, weights), (expected_history, expected) = outcome(tmp_path / "killed"), outcome(tmp_path / "whole")
    assert history == expected_history and len(history) == 8
    assert all(torch.equal(weights[name], expected[name]) for name in expected), delay_seconds


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, "augment = false", epochs=2)
    data = write_prepared(tmp_path / "data", load_recipe(str(recipe)).clip)
    together = start_together(recipe, data, tmp_path / "of 2", 2)
    finish(start_fit(recipe, data, tmp_path / "of 1"))
    logs = [finish(process) for process in together]
    assert "2 × cpu" in logs[0]
    (one, weights_of_one), (two, weights_of_two) = (outcome(tmp_path / f"of {count}") for count in (1, 2))
    for alone, shared in zip(one, two, strict=True):
        for part in ("train", "validation"):
            for name in ("loss", "emotion_loss", "sentiment_loss"):
                assert abs(alone[part][name] - shared[part][name]) < 1e-4, (part, name)
    assert one[0]["train"]["loss"] - one[-1]["train"]["loss"] > 0.005  # it does learn
    for name, tensor in weights_of_two.items():
        torch.testing.assert_close(tensor, weights_of_one[name.removeprefix("module.")], atol=1e-3, rtol=1e-3)
    alone = start_fit(recipe, data, tmp_path / "of 2")
    assert "begun with 2 processes and goes on with as many; there are 1" in alone.communicate()[1]
    assert alone.returncode == 2
