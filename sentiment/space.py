"""This app as a Space on the Hugging Face hub: `make space REPO=OWNER/NAME`, or `python -m sentiment.space OWNER/NAME`.

A Space installs requirements.txt and packages.txt and runs app.py, as the header of README.md says. It gets what that
needs and no more; what an earlier upload had and this one has not is removed there.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sentiment.errors import SentimentError, SettingsError
from sentiment.hub import pushing_to

ROOT: Final = Path(__file__).resolve().parents[1]

WANTED: Final = (
    *("app.py", "README.md", "SECURITY.md", "LICENSE", "LICENSES.md", "requirements.txt", "packages.txt"),
    *("sentiment/*", "assets/*"),
)
UNWANTED: Final = ("*__pycache__*", "*.pyc")
"""Patterns as in `fnmatch`, whose * also stands for slashes."""


def upload(repository: str, folder: Path = ROOT, private: bool = False) -> str:
    """Upload the app in one commit; returns the Space's address. The Space is made where it is missing; `private`
    concerns only that. Large files go where the hub wants them, beside git, which takes 10 MB at most.

    Raises SettingsError for a folder without the app, a name that is none, or without a token; CheckpointError where
    the hub refuses or cannot be reached.
    """
    missing = [name for name in WANTED if "*" not in name and name != "SECURITY.md" and not (folder / name).is_file()]
    if missing:
        raise SettingsError(f"{folder} is not this project: it has no {missing[0]}.")
    with pushing_to(repository) as hub:
        space = hub.create_repo(repository, repo_type="space", space_sdk="gradio", private=private, exist_ok=True)
        hub.upload_folder(
            repo_id=repository,
            repo_type="space",
            folder_path=folder,
            allow_patterns=list(WANTED),
            ignore_patterns=list(UNWANTED),
            delete_patterns="*",
            commit_message="The app and its weights",
        )
    return str(space)


def files_to_upload(folder: Path = ROOT) -> list[Path]:
    """What `upload` sends, relative to the folder, in order."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if _matches(path, WANTED) and not _matches(path, UNWANTED))


def _matches(path: Path, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatch(path.as_posix(), pattern) for pattern in patterns)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sentiment.space", description="Upload this app as a Space.")
    parser.add_argument("repository", metavar="OWNER/NAME", help="the Space; it is made where there is none")
    parser.add_argument("--private", action="store_true", help="make it private, if it has yet to be made")
    parser.add_argument("--dry-run", action="store_true", help="say what would be uploaded")
    options = parser.parse_args(arguments)
    try:
        if options.dry_run:
            for path in files_to_upload():
                print(f"{(ROOT / path).stat().st_size:>12,} bytes  {path}")
            return 0
        print(upload(options.repository, private=options.private))
    except SentimentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
