"""The voice judged by actors it never heard, each in turn: 120 recordings of two actors are too few to judge by.

Every fold trains the recipe's audio encoder anew, to the end of its epochs, and is asked about the actors that were
left out. Nothing is selected on them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from sentiment.checkpoint import Checkpoint
from sentiment.errors import SettingsError
from sentiment.labels import EMOTIONS
from sentiment.model import FusionNetwork
from train.corpora import Example, Split, ravdess
from train.crossvalidate_fusion import fuse_fold, judge_fused, read_witnesses, summarize
from train.dataset import ExampleDataset
from train.errors import DataError
from train.fit import make_network, make_preprocessor
from train.joint_settings import JointRecipe
from train.loop import EncoderWithHead, class_weights, emotion_confusion
from train.metrics import accuracy, bootstrap_interval
from train.phase import run_to_the_end
from train.settings import EncoderSettings, Recipe

logger = logging.getLogger(__name__)

FOLDS: Final = 5
CORPUS: Final = "RAVDESS"


def cross_validate(
    recipe: Recipe | JointRecipe, data: Path, seeds: Sequence[int], around: Checkpoint | None = None
) -> dict[str, Any]:
    """Accuracy over seven emotions in five folds of actors, for each seed; ready for JSON.

    Returns corpus, n, actors, folds (one list of accuracies for each seed), mean, interval_95 of the mean (bootstrap
    over recordings), and n_seeds. Given a checkpoint, words and faces are read by its encoders, and "fusion" has what
    `train.crossvalidate_fusion` gives of all three signals together.

    Raises DataError where a corpus is absent or has a single actor, or the checkpoint does not read words
    and faces; SettingsError where the recipe trains no voice.
    """
    if not isinstance(recipe, Recipe) or recipe.audio is None:
        raise SettingsError(f"recipe {recipe.name} trains no encoder of the voice, which is what is judged here.")
    examples = all_recordings(data)
    dataset = ExampleDataset(examples, make_preprocessor(recipe, data))
    witnesses = None if around is None else read_witnesses(around, recipe, data)
    groups = actor_folds(examples)
    per_seed, confusion = [], np.zeros((len(EMOTIONS), len(EMOTIONS)), dtype=np.int64)
    fused_reports = []
    for seed in seeds:
        accuracies, fused = [], []
        for number, held_out in enumerate(groups):
            heard, unheard = _without(dataset, held_out)
            network = make_network(replace(recipe, seed=seed))
            model = _train_voice(network, heard, recipe.audio, seed)
            answered = emotion_confusion(model, unheard)
            confusion += answered
            accuracies.append(round(accuracy(answered), 4))
            logger.info("seed %d, fold %d of %d: accuracy %.3f", seed, number + 1, len(groups), accuracies[-1])
            if witnesses is not None:
                fused.append(fuse_fold(network, model, heard, unheard, witnesses, recipe, seed))
        per_seed.append(accuracies)
        if witnesses is not None:
            fused_reports += judge_fused(fused, witnesses, recipe, seed)
    low, high = bootstrap_interval(confusion, accuracy, num_examples=len(examples))
    return {
        "corpus": f"{CORPUS}, {sum(map(len, groups))} actors",
        "n": len(examples),
        "n_seeds": len(per_seed),
        "folds": per_seed,
        "mean": round(float(np.mean(per_seed)), 4),
        "interval_95": [round(low, 4), round(high, 4)],
        **({"fusion": summarize(fused_reports)} if fused_reports else {}),
    }


def all_recordings(data: Path) -> list[Example]:
    """Every recording of RAVDESS. Raises DataError where it is absent."""
    splits: tuple[Split, ...] = ("train", "selection", "test")
    return [example for split in splits for example in ravdess.load(data, split)]


def actor_folds(examples: Sequence[Example]) -> list[list[str]]:
    """The actors that each fold leaves out: FOLDS of them, or as many as there are actors.

    Raises DataError where there are not two.
    """
    actors = sorted({example.group for example in examples if example.group})
    if len(actors) < 2:
        raise DataError(f"To leave out actors in turn takes two of them; found: {', '.join(actors) or 'none'}.")
    return [actors[fold::FOLDS] for fold in range(min(FOLDS, len(actors)))]


def _without(dataset: ExampleDataset, people: Sequence[str]) -> tuple[ExampleDataset, ExampleDataset]:
    """The examples of everybody else, and those of these people."""
    theirs = [example.group in people for example in dataset.examples]
    others, left_out = (
        dataset.subset([i for i, is_theirs in enumerate(theirs) if is_theirs == wanted]) for wanted in (False, True)
    )
    return others, left_out


def _train_voice(
    network: FusionNetwork, training: ExampleDataset, settings: EncoderSettings, seed: int
) -> EncoderWithHead:
    """The network's encoder of the voice, trained in place to the end of its epochs, and its head."""
    model = EncoderWithHead("audio", network.encoders["audio"])
    model.to(memory_format=torch.channels_last)  # as in training
    weights = class_weights(training.emotion, settings.class_weight_power)
    for number, phase in enumerate(settings.phases):
        run_to_the_end(model, training, phase, weights, seed + number)
    return model
