"""Evaluation: the checkpoint's own rule of certainty, women and men apart, the fusion on made-up combinations."""

from __future__ import annotations

import dataclasses
import json

import cv2
import numpy as np
import pytest
import torch
from small_parts import save_random_checkpoint

from sentiment.checkpoint import Calibration, load_checkpoint, read_manifest
from sentiment.datatypes import Affect
from sentiment.hub import MANIFEST
from sentiment.labels import EMOTIONS, MODALITIES
from sentiment.model import Fusion
from train.__main__ import main
from train.answer_report import emotion_report
from train.corpora import Example
from train.dataset import ExampleDataset
from train.evaluate import _part, _report, encode
from train.fusion import FeatureBank
from train.fusion_report import fusion_report, paired_interval
from train.settings import load_recipe

CROSS_VALIDATION = {
    **{"corpus": "RAVDESS, 22 actors", "n": 1320, "n_seeds": 1, "folds": [[0.7, 0.8]]},
    **{"mean": 0.75, "interval_95": [0.7, 0.8]},
}


def affect(emotion: str, confidence: float, sentiment: str) -> Affect:
    others = (1 - confidence) / 6
    negative, neutral, positive = (0.8 if s == sentiment else 0.1 for s in ("negative", "neutral", "positive"))
    return Affect(tuple(confidence if e == emotion else others for e in EMOTIONS), (negative, neutral, positive))


def test_certain_is_what_reaches_the_threshold_and_is_not_mixed():
    calibration = Calibration({}, {"text": 0.6})
    sure, unsure = affect("joy", 0.6, "positive"), affect("joy", 0.59, "positive")
    mixed = affect("joy", 0.9, "negative")
    assert [calibration.calls_certain(a, ("text",)) for a in (sure, unsure, mixed)] == [True, False, False]
    assert not calibration.calls_certain(sure, ("audio",))
    report = emotion_report(["joy", "joy", "anger"], [sure, unsure, mixed], calibration, ("text",))
    assert report["certain"]["n"] == 1 and report["certain"]["accuracy"] == 1 and report["certain"]["threshold"] == 0.6
    assert report["coverage_curve"][0][1] == pytest.approx(2 / 3, abs=1e-5)


def test_women_and_men_are_measured_apart():
    examples = [Example("ravdess", f"{a}-{i}", "joy", None, group=f"actor{a}") for a in (21, 22, 24) for i in range(2)]
    found = [affect("joy" if e.group == "actor21" else "fear", 0.9, "positive") for e in examples]
    report = _report(Calibration(), "audio", examples, found, _part(examples, "test"))
    assert set(report) == {"emotion"} and report["emotion"]["measured_on"] == "RAVDESS, actors 21, 22 and 24"
    groups = report["emotion"]["by_group"]
    assert (groups["men"]["accuracy"], groups["men"]["n"], groups["men"]["people"]) == (1, 2, 1)
    assert (groups["women"]["accuracy"], groups["women"]["n"], groups["women"]["people"]) == (0, 4, 2)


def test_the_part_of_fer2013_is_named_by_its_folder():
    example = Example("fer2013", "validation/angry/1.jpg", "anger", None)
    assert _part([example], "test") == "FER-2013 validation"
    assert _part([dataclasses.replace(example, key="test/angry/1.jpg")], "test") == "FER-2013 test"


def test_features_come_in_the_order_of_the_examples(tmp_path):
    """Although they are read by length."""
    checkpoint = load_checkpoint(save_random_checkpoint(tmp_path / "checkpoint"))
    said = ["a much longer line than all the others", "no", "what is that", "yes we can"]
    examples = [Example("meld", str(i), "joy", "positive", text=text) for i, text in enumerate(said)]
    features = encode(checkpoint, ExampleDataset(examples, checkpoint.preprocessor), batch_size=2)
    for row, example in zip(features, examples, strict=True):
        alone = encode(checkpoint, ExampleDataset([example], checkpoint.preprocessor))
        assert torch.allclose(row, alone[0], atol=1e-5)
    assert not torch.allclose(features[0], features[1], atol=1e-3)


class ShowsWhatItIsShown(Fusion):
    """A fusion that adds up its signals' features, the first seven of which say which emotion they show."""

    def __init__(self) -> None:
        super().__init__(fusion_size=8, dropout=0)

    def forward(self, features: torch.Tensor, presence: torch.Tensor) -> torch.Tensor:
        shown = (features[..., : len(EMOTIONS)] * presence.unsqueeze(2)).sum(dim=1)
        # Pairs in the order of PERMITTED_PAIRS: surprise has two.
        return 2 * torch.cat([shown, shown[:, -1:]], dim=1)


@pytest.fixture
def fused():
    """Figures of the above fusion on signals that show the label exactly, 40% of the voices another one."""
    calibration = Calibration(certain_above={"text+audio": 0.9})
    emotion = torch.arange(70) % len(EMOTIONS)
    features = torch.zeros(70, 128)
    features[:, : len(EMOTIONS)] = torch.nn.functional.one_hot(emotion, len(EMOTIONS)).float()
    features[:, -1] = torch.arange(70)  # tells examples apart
    bank = FeatureBank(features, emotion, torch.full((70,), -1))
    conflict = {"text": 0.0, "audio": 0.4, "video": 0.0}
    return fusion_report(ShowsWhatItIsShown(), calibration, dict.fromkeys(MODALITIES, bank), conflict)


def test_fused_is_set_against_the_best_signal_on_the_same_combinations(fused):
    assert list(fused) == ["text+audio", "text+video", "audio+video", "text+audio+video"]
    pair = fused["text+audio"]
    assert pair["alone"]["text"] == 1 and pair["alone"]["audio"] == pytest.approx(0.6, abs=0.03)
    assert pair["best_alone"] == "text"
    # The two votes weigh alike, so a contradiction is decided by the order of the labels: half are lost.
    assert pair["gain"]["mean"] == pytest.approx(pair["accuracy"] - 1, abs=1e-6) and pair["gain"]["mean"] < -0.1
    low, high = pair["gain"]["interval_95"]
    assert low < pair["gain"]["mean"] < high < 0
    assert fused["text+audio+video"]["gain"] == {"mean": 0, "interval_95": [0, 0]}  # two witnesses outvote one
    assert all("no headline" in report["measured_on"] for report in fused.values())


def test_doubt_is_measured_where_one_signal_contradicts(fused):
    doubt = fused["text+audio+video"]["doubt"]
    assert set(doubt) == {"agreeing", *MODALITIES}
    assert all(doubt[m]["mean_confidence"] < doubt["agreeing"]["mean_confidence"] - 0.1 for m in MODALITIES)
    assert fused["text+audio"]["doubt"]["audio"]["coverage"] == 0  # below the threshold of 0.9


def test_combinations_of_few_recordings_have_a_wide_interval():
    """All depends on which of four voices it is: the interval must be that of four, not of a thousand."""
    random = np.random.default_rng(0)
    voice, words = random.integers(0, 4, 1000), random.integers(0, 500, 1000)
    gain = np.where(voice < 2, 1.0, 0.0)
    low, high = paired_interval(gain, [words, voice])
    assert high - low > 0.6
    assert np.subtract(*paired_interval(gain, [np.arange(1000)])[::-1]) < 0.1


def test_figures_are_drawn_and_stored_beside_what_was_measured_elsewhere(tmp_path, capsys):
    checkpoint = save_random_checkpoint(tmp_path / "checkpoint")
    manifest = {**read_manifest(checkpoint), "training": dataclasses.asdict(load_recipe("starter"))}
    manifest["metrics"] = {"cross_validation": CROSS_VALIDATION, "video": "measured long ago"}
    (checkpoint / MANIFEST).write_text(json.dumps(manifest))
    for folder in ("test/angry", "test/happy", "validation/sad"):
        path = tmp_path / "data" / "fer2013" / folder / "1.png"
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), np.full((48, 48), 90, np.uint8))
    command = ["evaluate", "--checkpoint", str(checkpoint), "--data", str(tmp_path / "data")]
    assert main([*command, "--figures", str(tmp_path / "drawings"), "--store"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["video"]["emotion"]["measured_on"] == "FER-2013 test" and printed["video"]["emotion"]["n"] == 2
    assert read_manifest(checkpoint)["metrics"] == {"cross_validation": CROSS_VALIDATION, **printed}
    card = (checkpoint / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "| face | FER-2013 test | emotion | 2 |" in card and "RAVDESS, 22 actors" in card
    assert (tmp_path / "drawings" / "confusion-video.svg").is_file()
    assert main([*command, "--split", "selection", "--store"]) == 2
    assert "--store" in capsys.readouterr().err
