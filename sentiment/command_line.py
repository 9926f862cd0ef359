"""What the commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from sentiment.errors import SettingsError

EXIT_INTERRUPTED: Final = 130
"""128 + SIGINT, as shells report it."""


def check_out(folder: Path) -> None:
    """Raises SettingsError where the results' folder cannot come to be; makes nothing."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise SettingsError(f"--out needs a folder, but {existing} is a file.")
    if not os.access(existing, os.W_OK):
        raise SettingsError(f"--out needs a folder that may be written to, but {existing} may not.")
