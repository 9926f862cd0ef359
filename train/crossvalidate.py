"""The voice judged by actors it never heard, each in turn: 120 recordings of two actors are too few to judge by.

Every fold trains the recipe's audio encoder anew, to the end of its epochs, and is asked about the actors that were
left out. Nothing is selected on them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from sentiment.errors import SettingsError
from sentiment.labels import EMOTIONS
from train.corpora import Example, Split, ravdess
from train.dataset import ExampleDataset
from train.fit import make_network, make_preprocessor
from train.joint_settings import JointRecipe
from train.loop import EncoderWithHead, class_weights, emotion_confusion
from train.metrics import accuracy, bootstrap_interval
from train.phase import run_to_the_end
from train.settings import Recipe

logger = logging.getLogger(__name__)

FOLDS: Final = 5
CORPUS: Final = "RAVDESS"


def cross_validate(recipe: Recipe | JointRecipe, data: Path, seeds: Sequence[int]) -> dict[str, Any]:
    """Accuracy over seven emotions in five folds of actors, for each seed; ready for JSON.

    Returns corpus, n, actors, folds (one list of accuracies for each seed), mean, interval_95 of the mean (bootstrap
    over recordings), and n_seeds. Raises DataError where the corpus is absent, SettingsError
    where the recipe trains no voice.
    """
    if not isinstance(recipe, Recipe) or recipe.audio is None:
        raise SettingsError(f"recipe {recipe.name} trains no encoder of the voice, which is what is judged here.")
    examples = all_recordings(data)
    dataset = ExampleDataset(examples, make_preprocessor(recipe, data))
    groups = actor_folds(examples)
    per_seed, confusion = [], np.zeros((len(EMOTIONS), len(EMOTIONS)), dtype=np.int64)
    for seed in seeds:
        folds = []
        for number, held_out in enumerate(groups):
            answered = _judge_fold(recipe, dataset, held_out, seed)
            confusion += answered
            folds.append(round(accuracy(answered), 4))
            logger.info("seed %d, fold %d of %d: accuracy %.3f", seed, number + 1, FOLDS, folds[-1])
        per_seed.append(folds)
    low, high = bootstrap_interval(confusion, accuracy)
    return {
        "corpus": f"{CORPUS}, {sum(map(len, groups))} actors",
        "n": len(examples),
        "n_seeds": len(per_seed),
        "folds": per_seed,
        "mean": round(float(np.mean(per_seed)), 4),
        "interval_95": [round(low, 4), round(high, 4)],
    }


def all_recordings(data: Path) -> list[Example]:
    """Every recording of RAVDESS. Raises DataError where it is absent."""
    splits: tuple[Split, ...] = ("train", "selection", "test")
    return [example for split in splits for example in ravdess.load(data, split)]


def actor_folds(examples: Sequence[Example]) -> list[list[str]]:
    """The actors that each fold leaves out."""
    actors = sorted({example.group for example in examples if example.group})
    return [actors[fold::FOLDS] for fold in range(FOLDS)]


def _judge_fold(recipe: Recipe, dataset: ExampleDataset, held_out: Sequence[str], seed: int) -> np.ndarray:
    """The confusion matrix on the actors that this fold leaves out."""
    left_out = [example.group in held_out for example in dataset.examples]
    training, judged = (
        dataset.subset([i for i, out in enumerate(left_out) if out == wanted]) for wanted in (False, True)
    )
    assert recipe.audio is not None
    torch.manual_seed(seed)
    model = EncoderWithHead("audio", make_network(recipe).encoders["audio"])
    model.to(memory_format=torch.channels_last)  # as in training
    weights = class_weights(training.emotion, recipe.audio.class_weight_power)
    for number, phase in enumerate(recipe.audio.phases):
        run_to_the_end(model, training, phase, weights, seed + number)
    return emotion_confusion(model, judged)
