"""Where the encoders of a joint recipe start from: BERT and R3D-18 with their published weights, or a checkpoint.

Nothing that is loaded here is ever executed: weights are safetensors, or pickles that may hold tensors alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from pickle import UnpicklingError
from typing import Final

import torch
from safetensors import SafetensorError
from torch import nn

from sentiment.checkpoint import read_manifest
from sentiment.empty_taps import with_empty_taps
from sentiment.hub import MANIFEST, files_of
from sentiment.model import FusionNetwork, NetworkSettings
from sentiment.weight_files import read_weights
from train.bert import bert_config, load_bert
from train.errors import DataError
from train.joint_settings import KINETICS, JointRecipe

BACKBONE: Final = {"text": "bert", "audio": "spectrogram", "video": "r3d"}
"""The part of each encoder that carries over to another network; the projection to 128 numbers does not."""

_SOUND_SETTINGS: Final = ("sample_rate_hz", "n_fft", "hop_length", "n_mels", "mel_dynamic_range_log10")


def make_joint_network(recipe: JointRecipe) -> FusionNetwork:
    """The recipe's network, each encoder with the weights that it starts from; all else random, by the seed.

    Raises DataError where a start cannot be had or does not fit.
    """
    torch.manual_seed(recipe.seed)
    assert recipe.joint.text.start is not None
    start = recipe.joint.text.start
    settings = NetworkSettings(bert=bert_config(start), **asdict(recipe.network))
    network = FusionNetwork(settings, recipe.clip.n_mels, recipe.clip.modalities)
    if not recipe.joint.text.from_scratch:
        load_bert(network.encoders["text"], start)
    if recipe.joint.audio is not None and recipe.joint.audio.start is not None:
        _load_backbone(network.encoders["audio"], "audio", _checkpoint_files("audio", Path(recipe.joint.audio.start)))
    if recipe.joint.video is not None and recipe.joint.video.start is not None:
        load_r3d(network.encoders["video"], recipe.joint.video.start)
    return network


def load_r3d(encoder: nn.Module, start: str) -> None:
    """Loads R3D-18's weights: "kinetics400", a file of them, or those in the folder of a checkpoint.

    Raises DataError where they cannot be had or are another network's.
    """
    if start == KINETICS:
        from torchvision.models.video import R3D_18_Weights

        try:
            tensors = R3D_18_Weights.KINETICS400_V1.get_state_dict(progress=True, check_hash=True)
        except OSError as error:
            raise DataError(
                f"R3D-18's Kinetics-400 weights cannot be fetched ({error}); joint.video.start may also name a file."
            ) from error
        _load(encoder.r3d, {name: t for name, t in tensors.items() if not name.startswith("fc.")}, start)
    elif (Path(start) / MANIFEST).is_file():
        _load_backbone(encoder, "video", _checkpoint_files("video", Path(start)))
    else:
        tensors = _read_weights(Path(start))
        _load(encoder.r3d, {name: t for name, t in tensors.items() if not name.startswith("fc.")}, start)


def sound_statistics(recipe: JointRecipe) -> tuple[float, float] | None:
    """Mean and deviation of log-mel power that the sound's start was trained with; None where it has no start.

    Raises DataError where its spectrograms are not the recipe's.
    """
    if recipe.joint.audio is None or recipe.joint.audio.start is None:
        return None
    clip = read_manifest(Path(recipe.joint.audio.start))["clip"]
    for name in _SOUND_SETTINGS:
        if clip[name] != getattr(recipe.clip, name):
            raise DataError(
                f"{recipe.joint.audio.start} reads spectrograms with {name} {clip[name]}, the recipe makes them with "
                f"{getattr(recipe.clip, name)}."
            )
    return clip["mel_mean"], clip["mel_std"]


def _checkpoint_files(modality: str, folder: Path) -> list[Path]:
    files = [folder / name for name in files_of(modality, read_manifest(folder)["sha256"])]
    if not files or not all(file.is_file() for file in files):
        raise DataError(f"The checkpoint {folder} has no encoder of {modality} to start from.")
    return files


def _load_backbone(encoder: nn.Module, modality: str, files: Sequence[Path]) -> None:
    name = BACKBONE[modality]
    backbone, weights = getattr(encoder, name), _read_weights(*files)
    own = {key.removeprefix(f"{name}."): t for key, t in weights.items() if key.startswith(f"{name}.")}
    _load(backbone, with_empty_taps(backbone, own), str(files[0]))


def _read_weights(*files: Path) -> dict[str, torch.Tensor]:
    """Of a pickle, or of one or more safetensors files."""
    try:
        if files[0].suffix == ".safetensors":
            return read_weights(files)
        return torch.load(files[0], map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, SafetensorError, UnpicklingError) as error:
        raise DataError(f"{files[0]} holds no weights that can be read: {str(error).splitlines()[0]}") from error


def _load(module: nn.Module, tensors: Mapping[str, torch.Tensor], source: str) -> None:
    wanted = module.state_dict()
    wrong = sorted(name for name in wanted.keys() | tensors.keys() if _shape(wanted, name) != _shape(tensors, name))
    if wrong:
        first = wrong[0]
        raise DataError(
            f"{source} holds another network than the recipe's: {len(wrong)} of {len(wanted)} tensors differ, such as "
            f"{first}, {_shape(tensors, first) or 'missing'} for {_shape(wanted, first) or 'none'}."
        )
    module.load_state_dict(
        {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    )


def _shape(tensors: Mapping[str, torch.Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(tensors[name].shape) if name in tensors else None
