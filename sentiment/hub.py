"""Where a checkpoint is: a folder, the folder of a run that made one, or a repository on the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sentiment.errors import CheckpointError, SettingsError
from sentiment.labels import MODALITIES

if TYPE_CHECKING:
    from huggingface_hub import HfApi

STARTER_CHECKPOINT: Final = Path(__file__).resolve().parents[1] / "assets" / "models" / "starter"
"""The weights that come with the project, used where no others are named."""

HUB_PREFIX: Final = "hf://"
MANIFEST: Final = "checkpoint.json"
TOKENIZER: Final = "tokenizer.json"
CARD: Final = "MODEL_CARD.md"
MOST_FILES: Final = 9
"""That the weights of one part of the network may take."""
_WEIGHT_FILES: Final = ("{part}.safetensors", f"{{part}}-[2-{MOST_FILES}].safetensors")
CHECKPOINT_FILES: Final = (
    MANIFEST,
    *(pattern.format(part=part) for part in (*MODALITIES, "fusion") for pattern in _WEIGHT_FILES),
    TOKENIZER,
    CARD,
)
"""Patterns of all that is ever fetched of a repository; nothing else that lies in it reaches this machine."""

_REPOSITORY: Final = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")


def files_of(part: str, names: Iterable[str]) -> list[str]:
    """Of these files, those with weights of that part of the network, which is one of MODALITIES or "fusion"."""
    patterns = [pattern.format(part=part) for pattern in _WEIGHT_FILES]
    return sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))


def find_checkpoint(address: Path | str | None = None) -> Path:
    """The folder of a checkpoint: the bundled one, where no address is given.

    `address` is one of

        a folder with a checkpoint.json in it, which is returned as it is;
        the folder of a training run, whose `checkpoint` folder is returned;
        hf://OWNER/NAME or hf://OWNER/NAME@REVISION, a repository on the Hugging Face hub. Its files are fetched
        into the hub's cache on this machine once, and found there afterwards, also without a network.

    Raises CheckpointError where a repository cannot be had, or the bundled weights are not there. What lies in the
    folder is for `sentiment.checkpoint.load_checkpoint` to check.
    """
    if address is None:
        if not STARTER_CHECKPOINT.is_dir():
            raise CheckpointError(f"There are no bundled weights at {STARTER_CHECKPOINT}; name a checkpoint's folder.")
        return STARTER_CHECKPOINT
    if str(address).startswith(HUB_PREFIX):
        return _fetch(str(address))
    folder = Path(address)
    made_by_run = folder / "checkpoint"
    return made_by_run if not (folder / MANIFEST).is_file() and (made_by_run / MANIFEST).is_file() else folder


def find_manifest(folder: Path) -> Path:
    """What a checkpoint says of itself. Raises CheckpointError where the folder is none."""
    if not (folder / MANIFEST).is_file():
        raise CheckpointError(f"{folder} is no checkpoint: it has no {MANIFEST}.")
    return folder / MANIFEST


def find_own_checkpoint(address: Path | str) -> Path:
    """The same for a checkpoint that is to be changed: raises SettingsError for one on the hub, which is only read."""
    if str(address).startswith(HUB_PREFIX):
        raise SettingsError(f"{address} lies on the hub and is not written to; name a folder on this machine.")
    return find_checkpoint(address)


@contextmanager
def pushing_to(repository: str) -> Iterator[HfApi]:
    """The hub's interface for pushing to a repository.

    Raises SettingsError without a token, or for a name that is none; CheckpointError where the hub refuses or cannot
    be reached.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HFValidationError, HTTPError

    if get_token() is None:
        raise SettingsError("There is no token for the Hugging Face hub: run `hf auth login`, or set HF_TOKEN.")
    try:
        yield HfApi()
    except HFValidationError as error:
        raise SettingsError(f"{repository!r} is no name of a repository on the hub: {_first_line(error)}.") from error
    # HTTPError is what the hub answers and what the network fails with; OSError where the network is switched off.
    except (HTTPError, OSError) as error:
        raise CheckpointError(f"{repository} could not be pushed to the hub: {_first_line(error)}.") from error


def _fetch(address: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, HTTPError

    found = _REPOSITORY.fullmatch(address.removeprefix(HUB_PREFIX))
    if found is None:
        raise CheckpointError(
            f"A checkpoint on the hub is named {HUB_PREFIX}OWNER/NAME or {HUB_PREFIX}OWNER/NAME@REVISION, "
            f"got {address!r}."
        )
    try:
        folder = snapshot_download(found["name"], revision=found["revision"], allow_patterns=list(CHECKPOINT_FILES))
    # HTTPError is what the hub answers and what the network fails with, OSError that of a full disk or no network.
    except (HTTPError, HFValidationError, OSError) as error:
        reason = _first_line(error).removeprefix("Got: ")
        raise CheckpointError(f"{address} could not be fetched from the Hugging Face hub: {reason}.") from error
    if not (Path(folder) / MANIFEST).is_file():
        raise CheckpointError(f"{address} is no checkpoint: the repository has no {MANIFEST}.")
    return Path(folder)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
