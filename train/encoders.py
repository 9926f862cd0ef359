"""The three encoders of a recipe, trained one after the other; each is kept in the run folder when done.

A run that was stopped goes on with the first encoder that is not there yet, or that was trained
with other settings.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sentiment.clips import ClipPreprocessor
from sentiment.model import FusionNetwork, TextEncoder
from train.bert import bert_config, load_bert
from train.bert import load_tokenizer as load_bert_tokenizer
from train.course import Course, stored_cpu_seconds
from train.errors import DataError
from train.inflate import StillEncoder, inflate
from train.loop import EncoderWithHead
from train.mpnet import freeze_first_layers, is_mpnet, load_mpnet, mpnet_settings
from train.settings import EncoderSettings, PhaseSettings, Recipe

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def load_tokenizer(settings: EncoderSettings) -> Tokenizer:
    """The tokenizer that the words' encoder is trained with. Raises DataError where it cannot be had."""
    source = settings.tokenizer or settings.start
    assert source is not None
    if is_mpnet(source):
        raise DataError(
            f"{source!r} has no tokenizer of BERT's: text.tokenizer must name a package or folder with one."
        )
    return load_bert_tokenizer(source)


def bert_settings(settings: EncoderSettings) -> dict[str, Any]:
    """What `TextEncoder` needs to be of the size of what the words' encoder starts from; errors as for its weights."""
    assert settings.start is not None
    if is_mpnet(settings.start):
        return mpnet_settings(settings.start, load_tokenizer(settings))
    return bert_config(settings.start)


def fit_encoder(
    modality: str, network: FusionNetwork, preprocessor: ClipPreprocessor, recipe: Recipe, data: Path, run: Path
) -> EncoderWithHead:
    """Trains that encoder of the network in place, phase by phase.

    Returns what was trained last: the encoder itself or, for frames that ended in two dimensions, its twin,
    which says the same of stills for a sixteenth of the work; and its head.

    After each phase the run folder gets a file; a phase whose file is there, made with the same settings,
    is not run again.
    """
    settings = recipe.encoders[modality]
    torch.manual_seed(recipe.seed)
    if modality == "text":
        start_words(network.encoders["text"], settings)
    model = EncoderWithHead(modality, network.encoders[modality])
    if modality == "audio":
        model.to(memory_format=torch.channels_last)  # its convolutions take a third less time
    facts = _facts(modality, recipe)
    for number, phase in enumerate(settings.phases):
        model = _in_dimensions_of(phase, model, network)
        name, phases = f"{modality}-{number}", settings.phases[: number + 1]
        course = Course(name, phases, facts, settings.class_weight_power, preprocessor, data, run)
        course.complete(model, recipe.seed + number)
    if isinstance(model.encoder, StillEncoder):
        inflate(model.encoder, network.encoders["video"])
    return model


def _in_dimensions_of(phase: PhaseSettings, model: EncoderWithHead, network: FusionNetwork) -> EncoderWithHead:
    """The model that a phase trains: for frames in 2D the still network, which later phases inflate."""
    if model.modality != "video":
        return model
    encoder = network.encoders["video"]
    if phase.dimensions == 2 and model.encoder is encoder:
        still = EncoderWithHead("video", StillEncoder(encoder.project), model.head)
        return still.to(memory_format=torch.channels_last)
    if phase.dimensions == 3 and model.encoder is not encoder:
        inflate(model.encoder, encoder)
        encoder.to(memory_format=torch.channels_last_3d)
        return EncoderWithHead("video", encoder, model.head)
    return model


def start_words(encoder: TextEncoder, settings: EncoderSettings) -> None:
    """Loads what the settings start from into the encoder. Raises DataError where it cannot be had."""
    assert settings.start is not None
    if is_mpnet(settings.start):
        load_mpnet(encoder, settings.start, load_tokenizer(settings))
    else:
        words, vectors = load_tokenizer(settings).get_vocab_size(), encoder.bert.config.vocab_size
        if words > vectors:
            raise DataError(
                f"The tokenizer of {settings.tokenizer or settings.start!r} knows {words:,} tokens, "
                f"{settings.start!r} has vectors for {vectors:,}: they do not belong together."
            )
        load_bert(encoder, settings.start)
    freeze_first_layers(encoder, settings.frozen_layers)


_CLIP_SETTINGS_OF = {
    "text": ("max_tokens", "context_utterances", "following_utterances"),
    "audio": (
        "sample_rate_hz",
        "n_fft",
        "hop_length",
        "n_mels",
        "mel_dynamic_range_log10",
        "max_audio_seconds",
        "speech_encoder",
        "speech_encoder_layers",
    ),
    "video": ("frame_size_px", "frame_count", "colour", "frame_mean", "frame_std"),
}
"""What an encoder's training depends on; the others' settings may change without it."""


def _facts(modality: str, recipe: Recipe) -> dict[str, Any]:
    """What decides how an encoder comes out of its phases, beside these and the seed."""
    clip = {name: getattr(recipe.clip, name) for name in _CLIP_SETTINGS_OF[modality]}
    network = asdict(recipe.network) if modality == "audio" else None
    settings = recipe.encoders[modality]
    facts = {"modality": modality, "start": settings.start, "clip": clip, "network": network}
    if modality == "text":
        facts |= {"tokenizer": settings.tokenizer, "frozen_layers": settings.frozen_layers}
    return facts


def cpu_hours(recipe: Recipe, run: Path) -> float:
    """For how long the processor's cores worked together on the encoders of a finished run, and on their teachers."""
    files = [run / f"{m}-{number}.safetensors" for m, s in recipe.encoders.items() for number in range(len(s.phases))]
    return sum(map(stored_cpu_seconds, files)) / 3600
