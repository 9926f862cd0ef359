"""Actors are left out in turn, and confidence in what the others say is calibrated on the rest."""

from __future__ import annotations

import json

import pytest
import torch
from test_training import RECIPE, write_corpora, write_start

from sentiment.checkpoint import read_manifest
from sentiment.labels import EMOTIONS, MODALITIES
from sentiment.prediction import SUBSETS
from train import crossvalidate_fusion
from train.__main__ import main
from train.corpora import Example
from train.crossvalidate import actor_folds
from train.crossvalidate_fusion import summarize
from train.errors import DataError
from train.fusion import FeatureBank, Trial, calibrate


def test_every_actor_is_left_out_once():
    examples = [Example("ravdess", f"{actor}-{i}", "joy", None, group=f"a{actor}") for actor in range(7) for i in "ab"]
    assert actor_folds(examples) == [["a0", "a5"], ["a1", "a6"], ["a2"], ["a3"], ["a4"]]
    assert actor_folds(examples[:4]) == [["a0"], ["a1"]]
    with pytest.raises(DataError, match="takes two of them; found: a0"):
        actor_folds(examples[:2])


class Says(torch.nn.Module):
    """A fusion whose logits are the sum of what its signals show, times a factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self._factor = factor

    def forward(self, features: torch.Tensor, presence: torch.Tensor) -> torch.Tensor:
        shown = (features[..., : len(EMOTIONS)] * presence.unsqueeze(2)).sum(dim=1)
        # Pairs in the order of PERMITTED_PAIRS: surprise has two.
        return self._factor * torch.cat([shown, shown[:, -1:]], dim=1)


def trial(factor: float, seed: int) -> Trial:
    """Signals that show their emotion among noise."""
    generator = torch.Generator().manual_seed(seed)
    banks = {}
    for modality in MODALITIES:
        emotion = torch.arange(700) % len(EMOTIONS)
        features = torch.zeros(700, 128)
        features[:, : len(EMOTIONS)] = torch.randn(700, len(EMOTIONS), generator=generator)
        features[torch.arange(700), emotion] += 1
        banks[modality] = FeatureBank(features, emotion, torch.full((700,), -1))
    return Trial(Says(factor), banks)


def test_trials_are_calibrated_together():
    expected_error = dict.fromkeys(MODALITIES, 0.5)
    one, sure, both = (
        calibrate(t, expected_error, 0) for t in ([trial(1, 0)], [trial(3, 1)], [trial(1, 0), trial(3, 1)])
    )
    assert list(both.temperatures) == list(both.certain_above) == ["+".join(subset) for subset in SUBSETS]
    for name, temperature in both.temperatures.items():
        assert sure.temperatures[name] == pytest.approx(3 * one.temperatures[name], rel=0.15)
        assert 1.2 * one.temperatures[name] < temperature < sure.temperatures[name] / 1.2


def test_the_fused_figures_are_means_of_the_folds():
    def fold(excess: float, n: int, accuracy: float | None) -> dict:
        certain = {"coverage": n / 100, "accuracy": accuracy, "n": n}
        return {"accuracy": 0.6, "ece": 0.1, "ece_if_perfect": 0.1 - excess, "ece_excess": excess, "certain": certain}

    folds = [
        {"text+video": {}, "text+audio": one} for one in (fold(0.01, 30, 0.8), fold(0.03, 10, 1.0), fold(0.02, 0, None))
    ]
    summary = summarize(folds)
    assert list(summary) == ["text+audio"]
    figures = summary["text+audio"]
    assert figures["ece_excess"] == 0.02 and figures["folds"] == [0.01, 0.03, 0.02]
    assert figures["certain"] == {"coverage": pytest.approx(0.4 / 3, abs=1e-6), "accuracy": 0.85}


def test_every_actors_voice_is_fused_with_words_and_faces_of_the_test_data(tmp_path, capsys, monkeypatch):
    data = write_corpora(tmp_path / "data")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE.format(start=write_start(tmp_path / "bert")))
    trained = ["--recipe", str(recipe), "--data", str(data)]
    assert main(["fit", *trained, "--run", str(tmp_path / "run")]) == 0
    checkpoint = tmp_path / "run" / "checkpoint"
    capsys.readouterr()
    asked = []
    plain = crossvalidate_fusion.fusion_report

    def fusion_report(fusion, calibration, banks, conflict):
        asked.append({modality: len(bank.emotion) for modality, bank in banks.items()})
        return plain(fusion, calibration, banks, conflict)

    monkeypatch.setattr(crossvalidate_fusion, "fusion_report", fusion_report)
    assert main(["crossvalidate", *trained, "--seeds", "1", "2", "--fused", "--checkpoint", str(checkpoint)]) == 0
    figures = json.loads(capsys.readouterr().out)
    # Eight recordings of each of three actors, seven lines and fourteen faces; two seeds.
    assert asked == [{"text": 7, "audio": 8, "video": 14}] * 6
    assert set(figures["fusion"]) == {"text+audio", "audio+video", "text+audio+video"}
    assert all(len(signals["folds"]) == 6 for signals in figures["fusion"].values())
    assert figures["n_seeds"] == 2 and len(figures["folds"][0]) == 3
    assert read_manifest(checkpoint)["metrics"]["cross_validation"] == figures
    assert main(["card", "--checkpoint", str(checkpoint)]) == 0


def test_to_fuse_takes_a_checkpoint(tmp_path, capsys):
    assert main(["crossvalidate", "--data", str(tmp_path), "--fused"]) == 2
    assert "name it with --checkpoint" in capsys.readouterr().err
