"""A trained network on disk, and everything that must be known to use it rightly.

    checkpoint.json       labels, clip settings, network settings, calibration, metrics, sha256 of each file
    text.safetensors      the encoders and the fusion; large ones in several files, see `sentiment.weight_files`
    audio.safetensors
    video.safetensors
    fusion.safetensors
    tokenizer.json        BERT's, for the `tokenizers` library
    MODEL_CARD.md

Nothing in it is ever executed: weights are safetensors, the rest is JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer

from sentiment.clip_datatypes import ClipSettings
from sentiment.clips import ClipPreprocessor
from sentiment.datatypes import Affect, ModalitySubset
from sentiment.errors import CheckpointError, SettingsError
from sentiment.hub import MANIFEST, TOKENIZER, files_of, find_manifest
from sentiment.labels import EMOTIONS, MODALITIES, SENTIMENTS
from sentiment.model import FusionNetwork, NetworkSettings
from sentiment.precision import PLAIN, Precision, choose_precision
from sentiment.speech_encoder import load_whisper_encoder
from sentiment.weight_files import load_weights, round_as_stored, save_weights

FORMAT_VERSION: Final = 3
_READABLE_VERSIONS: Final = (2, 3)
"""The second had every matrix in sixteen bits."""
_LABELS: Final = {"emotions": list(EMOTIONS), "sentiments": list(SENTIMENTS), "modalities": list(MODALITIES)}


@dataclass(frozen=True, slots=True)
class Calibration:
    """What makes the network's answers mean what they say. Fitted on validation data.

    Keys are subsets of modalities, such as "text" and "text+video"; see `subset_key`.
    """

    temperatures: Mapping[str, float] = field(default_factory=dict)
    """What the logits of each subset are divided by; 1 where a subset is not listed."""
    certain_above: Mapping[str, float] = field(default_factory=dict)
    """From which probability of the top emotion on an answer is certain; never, where a subset is not listed."""

    def calls_certain(self, affect: Affect, subset: ModalitySubset) -> bool:
        """Whether an answer from that subset is certain: likely enough, and of one mind."""
        threshold = self.certain_above.get(subset_key(subset), float("inf"))
        return not affect.is_mixed and affect.confidence >= threshold


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A network that is ready to be asked, in evaluation mode on its device."""

    name: str
    folder: Path
    sha256: str
    """Of checkpoint.json, which holds the sha256 of every other file: it stands for the whole."""
    network: FusionNetwork
    preprocessor: ClipPreprocessor
    calibration: Calibration
    metrics: Mapping[str, Any]
    """What `python -m train evaluate` measured when the checkpoint was made."""
    device: torch.device
    precision: Precision = PLAIN
    """In which numbers the encoders are run; `load_checkpoint` chooses what pays on the device."""

    @property
    def clip_settings(self) -> ClipSettings:
        return self.preprocessor.settings


def subset_key(subset: ModalitySubset) -> str:
    """The name of a subset of modalities in files: ("text", "video") is "text+video"."""
    return "+".join(subset)


def save_checkpoint(
    folder: Path,
    name: str,
    network: FusionNetwork,
    preprocessor: ClipPreprocessor,
    calibration: Calibration,
    metrics: Mapping[str, Any],
    training: Mapping[str, Any],
    cost: Mapping[str, Any] | None = None,
) -> None:
    """Writes all files but the model card. The manifest comes last, so a folder with one is whole.

    `training` says how the checkpoint was made (its recipe), `cost` the core hours it took and where; both are
    for its model card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    files = [name for part, module in _parts(network).items() for name in save_weights(module, folder, part)]
    preprocessor.tokenizer.save(str(folder / TOKENIZER))
    manifest = {
        "format_version": FORMAT_VERSION,
        "name": name,
        "labels": _LABELS,
        "clip": asdict(preprocessor.settings),
        "network": asdict(network.settings),
        "calibration": asdict(calibration),
        "metrics": metrics,
        "training": training,
        "cost": cost,
        "sha256": {file: _sha256(folder / file) for file in (*files, TOKENIZER)},
    }
    _write_manifest(folder, manifest)


def round_network(network: FusionNetwork) -> None:
    """Rounds all weights, in place, to what `save_checkpoint` will store: what is fitted next fits what is loaded."""
    for module in _parts(network).values():
        round_as_stored(module)


def update_metrics(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Puts metrics into a checkpoint, in place of those of the same names; everything else stays as it is."""
    manifest = read_manifest(folder)
    _write_manifest(folder, {**manifest, "metrics": {**manifest["metrics"], **metrics}})


def load_checkpoint(folder: Path | str, device: torch.device | str = "cpu") -> Checkpoint:
    """The checkpoint in that folder, every file of it checked against its sha256.

    Raises CheckpointError where a file is missing, has been changed, or belongs to other labels or
    another format than this version of the program, TranscriptionError where its Whisper cannot be had, SettingsError
    where the environment names a number format that there is not (see `precision.choose_precision`).
    """
    from transformers.initialization import no_init_weights

    folder = Path(folder)
    manifest = verify_files(folder)
    try:
        clip_settings = ClipSettings(**_with_tuples(manifest["clip"]))
        settings = NetworkSettings(**_with_tuples(manifest["network"]))
        with no_init_weights():  # all of them are read from the files next
            network = FusionNetwork(settings, clip_settings.n_mels, clip_settings.modalities)
        for part, module in _parts(network).items():
            load_weights(module, [folder / name for name in files_of(part, manifest["sha256"])])
        calibration = Calibration(**manifest["calibration"])
    except (TypeError, KeyError, RuntimeError, SettingsError, SafetensorError) as error:
        raise CheckpointError(f"Checkpoint {folder} does not fit this version of the program: {error}") from error
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    network.eval().requires_grad_(False).to(device)
    clip_shape = (3, clip_settings.frame_count, clip_settings.frame_size_px, clip_settings.frame_size_px)
    faces = network.encoders["video"] if "video" in clip_settings.modalities else None
    return Checkpoint(
        name=manifest["name"],
        folder=folder,
        sha256=checkpoint_sha256(folder),
        network=network,
        preprocessor=open_preprocessor(clip_settings, tokenizer),
        calibration=calibration,
        metrics=manifest["metrics"],
        device=torch.device(device),
        precision=choose_precision(faces, clip_shape, torch.device(device)),
    )


def verify_files(folder: Path) -> dict[str, Any]:
    """The manifest of a checkpoint all of whose files are those that were saved.

    Raises CheckpointError where one is missing or its sha256 differs.
    """
    manifest = read_manifest(folder)
    for file, expected in manifest["sha256"].items():
        if not (folder / file).is_file():
            raise CheckpointError(f"Checkpoint {folder} lacks {file}.")
        if _sha256(folder / file) != expected:
            raise CheckpointError(f"Checkpoint {folder}: {file} is not the file that was saved (its sha256 differs).")
    return manifest


def open_preprocessor(settings: ClipSettings, tokenizer: Tokenizer) -> ClipPreprocessor:
    """With the frozen speech encoder that the settings name; for errors see `load_whisper_encoder`."""
    name = settings.speech_encoder
    speech_encoder = None if name is None else load_whisper_encoder(name, settings.speech_encoder_layers)
    return ClipPreprocessor(settings, tokenizer, speech_encoder)


def checkpoint_sha256(folder: Path) -> str:
    """What a checkpoint is known by: see `Checkpoint.sha256`."""
    return _sha256(folder / MANIFEST)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The content of checkpoint.json, checked for its format and its labels.

    Raises CheckpointError where there is none, or it is not one that this version of the program reads.
    """
    path = find_manifest(folder)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}.") from error
    found = manifest.get("format_version") if isinstance(manifest, dict) else None
    if found not in _READABLE_VERSIONS:
        readable = " and ".join(map(str, _READABLE_VERSIONS))
        raise CheckpointError(f"{path} has format version {found!r}; this program reads versions {readable}.")
    if manifest.get("labels") != _LABELS:
        raise CheckpointError(f"{path} was made for other labels than this program's: {manifest.get('labels')}.")
    clip, listed = manifest.get("clip", {}), manifest.get("sha256", {})
    modalities = clip.get("modalities", MODALITIES) if isinstance(clip, dict) else ()
    if not isinstance(listed, dict) or not modalities or any(m not in MODALITIES for m in modalities):
        raise CheckpointError(f"{path} must list the sha256 of files, and modalities out of {', '.join(MODALITIES)}.")
    parts = (*modalities, "fusion")
    expected = {TOKENIZER, *(name for part in parts for name in files_of(part, listed) or [f"{part}.safetensors"])}
    if set(listed) != expected:
        raise CheckpointError(f"{path} must list the sha256 of {', '.join(sorted(expected))}.")
    return manifest


def _write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    partial = folder / f"{MANIFEST}.partial"
    partial.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / MANIFEST)


def _parts(network: FusionNetwork) -> dict[str, torch.nn.Module]:
    """The network file by file."""
    return {**network.encoders, "fusion": network.fusion}


def _with_tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    """JSON's lists as the tuples that the settings hold."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
