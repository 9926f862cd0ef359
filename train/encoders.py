"""The three encoders of a recipe, trained one after the other; each is kept in the run folder when done.

A run that was stopped goes on with the first encoder that is not there yet, or that was trained
with other settings.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from sentiment.clips import ClipPreprocessor
from sentiment.model import FusionNetwork, TextEncoder
from train.corpora.catalog import load_corpora
from train.dataset import ExampleDataset
from train.errors import DataError
from train.inflate import StillEncoder, inflate
from train.loop import EncoderWithHead, class_weights, run_phase
from train.settings import EncoderSettings, PhaseSettings, Recipe

logger = logging.getLogger(__name__)


def start_folder(start: str) -> Path:
    """The folder of the BERT to start from: an installed package that carries one, or a folder.

    Raises DataError where it is neither.
    """
    if Path(start).is_dir():
        return Path(start)
    package = importlib.util.find_spec(start)
    if package is None or package.origin is None:
        raise DataError(
            f"The words' encoder starts from {start!r}, which is neither a folder nor an installed package; "
            "try: pip install -r requirements-train.txt"
        )
    return Path(package.origin).parent / "model"


def bert_settings(start: str) -> dict[str, Any]:
    """What `transformers.BertConfig` needs to build that BERT."""
    table = json.loads((start_folder(start) / "config.json").read_text(encoding="utf-8"))
    wanted = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    return {name: table[name] for name in (*wanted, "max_position_embeddings", "type_vocab_size")}


def fit_encoder(
    modality: str, network: FusionNetwork, preprocessor: ClipPreprocessor, recipe: Recipe, data: Path, run: Path
) -> None:
    """Gives the network that encoder, trained, from the run folder where it is there already."""
    settings: EncoderSettings = getattr(recipe, modality)
    file = run / f"{modality}.safetensors"
    key = _stage_key(modality, recipe)
    if _stored_key(file) == key:
        logger.info("%s: taken from %s", modality, file)
        _load(network.encoders[modality], file)
        return
    torch.manual_seed(recipe.seed)
    if modality == "text":
        assert settings.start is not None
        start_from_pretrained(network.encoders["text"], settings.start)
    model = EncoderWithHead(modality, network.encoders[modality])
    for number, phase in enumerate(settings.phases):
        model = _run_one(model, network, preprocessor, settings, phase, recipe.seed + number, data)
    run.mkdir(parents=True, exist_ok=True)
    _save(model, file, key)
    _load(network.encoders[modality], file)


def _run_one(
    model: EncoderWithHead,
    network: FusionNetwork,
    preprocessor: ClipPreprocessor,
    settings: EncoderSettings,
    phase: PhaseSettings,
    seed: int,
    data: Path,
) -> EncoderWithHead:
    """One phase; a phase in another number of dimensions than the last changes the model."""
    modality = model.modality
    encoder = network.encoders[modality]
    if modality == "video":
        if phase.dimensions == 2 and model.encoder is encoder:
            model = EncoderWithHead(modality, StillEncoder(encoder.project), model.head)
            model = model.to(memory_format=torch.channels_last)
        elif phase.dimensions == 3 and model.encoder is not encoder:
            inflate(model.encoder, encoder)
            encoder.to(memory_format=torch.channels_last_3d)
            model = EncoderWithHead(modality, encoder, model.head)
    training, selection = (
        ExampleDataset(load_corpora(phase.corpora, data, split), preprocessor) for split in ("train", "selection")
    )
    logger.info(
        "%s: %s, %d examples, %d for selection", modality, "+".join(phase.corpora), len(training), len(selection)
    )
    weights = class_weights(training.emotion, settings.class_weight_power)
    run_phase(model, training, selection, phase, weights, seed, modality)
    return model


def start_from_pretrained(encoder: TextEncoder, start: str) -> None:
    """Loads that BERT's weights into the encoder."""
    tensors = {}
    with safe_open(start_folder(start) / "model.safetensors", framework="pt") as file:
        wanted = encoder.bert.state_dict()
        for name in file.keys():  # noqa: SIM118  (a safetensors file is no dict)
            short = name.removeprefix("bert.")
            if short in wanted:
                tensors[short] = file.get_tensor(name).float()
    encoder.bert.load_state_dict(tensors)


def _stage_key(modality: str, recipe: Recipe) -> str:
    """Changes with everything that decides how this encoder comes out."""
    facts = [asdict(getattr(recipe, modality)), asdict(recipe.clip), asdict(recipe.network), recipe.seed]
    return hashlib.sha256(json.dumps([modality, *facts], sort_keys=True).encode()).hexdigest()


def _stored_key(file: Path) -> str | None:
    if not file.is_file():
        return None
    with safe_open(file, framework="pt") as stored:
        return (stored.metadata() or {}).get("stage_key")


def _save(model: EncoderWithHead, file: Path, key: str) -> None:
    tensors = {name: tensor.contiguous() for name, tensor in model.encoder.state_dict().items()}
    partial = file.with_suffix(".partial")
    save_file(tensors, partial, metadata={"stage_key": key})
    partial.replace(file)


def _load(encoder: torch.nn.Module, file: Path) -> None:
    with safe_open(file, framework="pt") as stored:
        encoder.load_state_dict({name: stored.get_tensor(name) for name in stored.keys()})  # noqa: SIM118
