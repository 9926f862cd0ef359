"""Weights out of packages."""

from __future__ import annotations

import importlib.util
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def installed_folder(package: str) -> Path | None:
    """The folder of an installed package, which is not imported; None where it is not installed."""
    found = importlib.util.find_spec(package)
    return None if found is None or found.origin is None else Path(found.origin).parent


@contextmanager
def unpacked(packages: Sequence[str]) -> Iterator[Path | None]:
    """For a while, a folder with what lies in an archive that was cut up for these packages, given in order.

    Each has one part, `input/*.zip.*`; None unless all of them are installed. Raises zipfile.BadZipFile where the
    parts make no whole archive.
    """
    folders = [installed_folder(package) for package in packages]
    parts = [part for folder in folders if folder is not None for part in sorted(folder.glob("input/*.zip.*"))]
    if len(parts) < len(packages):
        yield None
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # weights may still be mapped from it
        whole = Path(folder, "whole.zip")
        with whole.open("wb") as file:
            for part in parts:
                file.write(part.read_bytes())
        with zipfile.ZipFile(whole) as archive:
            archive.extractall(folder)
        whole.unlink()
        yield Path(folder)


def load_quietly() -> None:
    """Makes transformers keep to itself which heads it leaves out, and how far it is."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
