"""From a recipe and a data folder to a checkpoint: encoders, fusion, calibration, figures, model card."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path

import torch

from sentiment.checkpoint import load_checkpoint, save_checkpoint, update_metrics
from sentiment.clips import ClipPreprocessor
from sentiment.labels import MODALITIES
from sentiment.model import FusionNetwork, NetworkSettings
from train.corpora.catalog import load_corpora
from train.dataset import ExampleDataset, measure_mel
from train.encoders import bert_settings, fit_encoder, start_folder
from train.evaluate import evaluate
from train.fusion import calibrate, fit_fusion, make_bank
from train.model_card import render_model_card
from train.settings import Recipe

logger = logging.getLogger(__name__)


def fit(recipe: Recipe, data: Path, run: Path, checkpoint_folder: Path) -> None:
    """Trains everything the recipe names and writes the checkpoint. Finished encoders in `run` are used again."""
    preprocessor = make_preprocessor(recipe, data)
    network = make_network(recipe)
    for modality in MODALITIES:
        fit_encoder(modality, network, preprocessor, recipe, data, run)
    corpora = {m: tuple(dict.fromkeys(c for p in getattr(recipe, m).phases for c in p.corpora)) for m in MODALITIES}
    banks = {}
    for split in ("train", "selection"):
        # What the fusion is calibrated on shall be what the encoder was selected on: its last phase's corpora.
        names = corpora if split == "train" else {m: getattr(recipe, m).phases[-1].corpora for m in MODALITIES}
        for m in MODALITIES:
            dataset = ExampleDataset(load_corpora(names[m], data, split), preprocessor)
            limit = recipe.fusion.features_per_corpus * len(names[m])
            banks[split, m] = make_bank(network, m, dataset, limit, recipe.seed, augmented=split == "train")
            logger.info("features of %s, %s: %d", m, split, len(banks[split, m].emotion))
    fit_fusion(network.fusion, {m: banks["train", m] for m in MODALITIES}, recipe.fusion, recipe.seed)
    calibration = calibrate(
        network.fusion, {m: banks["selection", m] for m in MODALITIES}, recipe.fusion.conflict, recipe.seed
    )
    save_checkpoint(checkpoint_folder, recipe.name, network, preprocessor, calibration, {}, asdict(recipe))
    update_metrics(checkpoint_folder, evaluate(load_checkpoint(checkpoint_folder), data))
    (checkpoint_folder / "MODEL_CARD.md").write_text(render_model_card(checkpoint_folder), encoding="utf-8")


def make_preprocessor(recipe: Recipe, data: Path) -> ClipPreprocessor:
    """Preprocessing by the recipe, with the tokenizer it starts from and its corpus's mel statistics."""
    from tokenizers import Tokenizer

    assert recipe.text.start is not None
    tokenizer = Tokenizer.from_file(str(start_folder(recipe.text.start) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    heard = load_corpora(recipe.audio.phases[-1].corpora, data, "train")
    return ClipPreprocessor(measure_mel(heard, ClipPreprocessor(recipe.clip, tokenizer)), tokenizer)


def make_network(recipe: Recipe) -> FusionNetwork:
    """The recipe's network with random weights, the same for the same seed."""
    torch.manual_seed(recipe.seed)
    assert recipe.text.start is not None
    settings = NetworkSettings(bert=bert_settings(recipe.text.start), **asdict(recipe.network))
    return FusionNetwork(settings, recipe.clip.n_mels)
