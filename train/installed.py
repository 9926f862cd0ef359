"""Packages that carry weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def installed_folder(package: str) -> Path | None:
    """The folder of an installed package, which is not imported; None where it is not installed."""
    found = importlib.util.find_spec(package)
    return None if found is None or found.origin is None else Path(found.origin).parent
