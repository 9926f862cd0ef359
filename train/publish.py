"""A checkpoint and its card onto the Hugging Face hub, from where `--checkpoint hf://NAME` loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sentiment.checkpoint import verify_files
from sentiment.errors import CheckpointError
from sentiment.hub import CARD, MANIFEST, pushing_to
from train.model_card import FIGURES_FOLDER, drawings_beside

HUB_CARD: Final = "README.md"
"""The name under which the hub shows a card."""

HUB_DRAWINGS: Final = "figures"
"""The folder of a repository that the card's drawings go into."""


def files_to_publish(folder: Path) -> dict[str, Path | bytes]:
    """Name in the repository → file or content: the checkpoint's files, its card twice, the card's drawings.

    Nothing else that lies in the folder is pushed. The card is MODEL_CARD.md, for the app, and README.md, which the
    hub shows.

    Raises CheckpointError where the checkpoint is not whole or has no card.
    """
    manifest = verify_files(folder)
    card = folder / CARD
    if not card.is_file():
        raise CheckpointError(f"{folder} has no {CARD}; write it with: python -m train card --checkpoint {folder}")
    drawings = [folder / FIGURES_FOLDER / name for name in drawings_beside(folder)]
    shown = card.read_text(encoding="utf-8").replace(f"({FIGURES_FOLDER}/", f"({HUB_DRAWINGS}/")
    return {
        HUB_CARD: shown.encode(),
        MANIFEST: folder / MANIFEST,
        **{name: folder / name for name in manifest["sha256"]},
        CARD: card,
        **{f"{HUB_DRAWINGS}/{drawing.name}": drawing for drawing in drawings},
    }


def publish(files: dict[str, Path | bytes], repository: str, private: bool = False) -> str:
    """Pushes the files in one commit, so that nobody ever loads a half of them; returns the commit's address.

    The repository is made where it is missing; `private` concerns only that.

    Raises SettingsError for a name that is none, or without a token; CheckpointError where the hub refuses or cannot
    be reached.
    """
    from huggingface_hub import CommitOperationAdd

    with pushing_to(repository) as hub:
        hub.create_repo(repository, private=private, exist_ok=True)
        operations = [CommitOperationAdd(name, content) for name, content in files.items()]
        commit = hub.create_commit(repository, operations, commit_message="Checkpoint and its card")
    return str(commit.commit_url)
