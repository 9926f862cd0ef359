"""From a recipe and a data folder to a checkpoint: encoders, fusion, calibration, figures, model card."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch

from sentiment.checkpoint import load_checkpoint, open_preprocessor, read_manifest, save_checkpoint, update_metrics
from sentiment.clips import ClipPreprocessor
from sentiment.model import FusionNetwork, NetworkSettings
from sentiment.weight_files import round_as_stored
from train.corpora import Split
from train.corpora.catalog import load_corpora
from train.course import load_examples
from train.dataset import measure_mel
from train.encoders import bert_settings, cpu_hours, fit_encoder, load_tokenizer
from train.evaluate import evaluate
from train.fusion import FeatureBank, Trial, calibrate, fit_fusion, make_bank, make_junk_bank
from train.joint_settings import JointRecipe
from train.loop import EncoderWithHead
from train.model_card import render_model_card
from train.settings import RECIPES_FOLDER, Recipe

logger = logging.getLogger(__name__)


def fit(recipe: Recipe | JointRecipe, data: Path, run: Path, checkpoint_folder: Path) -> None:
    """Trains everything the recipe names and writes the checkpoint. Finished encoders in `run` are used again.

    A joint recipe trains on clips that have everything at once; see `train.joint`.
    """
    if isinstance(recipe, JointRecipe):
        from train.joint import fit_joint

        fit_joint(recipe, data, run, checkpoint_folder)
        return
    preprocessor = make_preprocessor(recipe, data)
    network = make_network(recipe)
    models = {m: fit_encoder(m, network, preprocessor, recipe, data, run) for m in recipe.encoders}
    for model in models.values():
        round_as_stored(model.encoder)
    banks, junk_banks = make_banks("train", models, preprocessor, recipe, data)
    fit_fusion(network.fusion, banks, junk_banks, recipe.fusion, recipe.seed)
    round_as_stored(network.fusion)
    selection, _ = make_banks("selection", models, preprocessor, recipe, data)
    calibration = calibrate([Trial(network.fusion, selection)], recipe.fusion.conflict, recipe.seed)
    cost = {"hours": round(cpu_hours(recipe, run), 2), "machine": f"a machine with {os.cpu_count()} cores"}
    save_checkpoint(checkpoint_folder, recipe.name, network, preprocessor, calibration, {}, asdict(recipe), cost)
    update_metrics(checkpoint_folder, evaluate(load_checkpoint(checkpoint_folder), data))
    write_model_card(checkpoint_folder)


def write_model_card(checkpoint_folder: Path) -> None:
    """Writes MODEL_CARD.md from the checkpoint's figures and from what is known to go wrong with its recipe."""
    failures = RECIPES_FOLDER / f"{read_manifest(checkpoint_folder)['name']}.failures.md"
    known = failures.read_text(encoding="utf-8") if failures.is_file() else ""
    (checkpoint_folder / "MODEL_CARD.md").write_text(render_model_card(checkpoint_folder, known), encoding="utf-8")


def make_banks(
    split: Split, models: Mapping[str, EncoderWithHead], preprocessor: ClipPreprocessor, recipe: Recipe, data: Path
) -> tuple[dict[str, FeatureBank], dict[str, FeatureBank]]:
    """Features of each modality's last corpora, on which its encoder was selected; for training, of junk besides."""
    settings, banks, junk_banks = recipe.fusion, {}, {}
    for modality, model in models.items():
        phase = recipe.encoders[modality].phases[-1]
        dataset = load_examples(phase, data, split, preprocessor)
        limit = settings.features_per_corpus * len(phase.corpora)
        logger.info("%s features of %s: %d of %d", split, phase.corpora, min(limit, len(dataset)), len(dataset))
        is_training = split == "train"
        banks[modality] = make_bank(model, dataset, limit, recipe.seed, is_training, phase.frame_count)
        if is_training:
            junk_banks[modality] = make_junk_bank(
                model, dataset, settings.junk_per_modality, recipe.seed, phase.frame_count
            )
    return banks, junk_banks


def make_preprocessor(recipe: Recipe, data: Path) -> ClipPreprocessor:
    """Preprocessing by the recipe, with the tokenizer it starts from and its corpus's mel statistics."""
    tokenizer = load_tokenizer(recipe.text)
    clip = recipe.clip
    if recipe.audio is not None:
        clip = measure_mel(load_corpora(recipe.audio.phases[-1].corpora, data, "train"), clip)
    return open_preprocessor(clip, tokenizer)


def make_network(recipe: Recipe) -> FusionNetwork:
    """The recipe's network with random weights, the same for the same seed."""
    torch.manual_seed(recipe.seed)
    settings = NetworkSettings(bert=bert_settings(recipe.text), **asdict(recipe.network))
    return FusionNetwork(settings, recipe.clip.n_mels, recipe.clip.modalities)
