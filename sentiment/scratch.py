"""A folder that is gone with its process, also where that process had no time to clean up.

Each folder has a lock beside it, which its process holds as long as it lives; the system takes the lock back
however the process ends. So a folder whose lock is free has lost its process, and the next start removes it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

LOCK_SUFFIX = ".lock"


@contextmanager
def scratch_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """A new folder, readable by its owner alone, that is removed with all it holds at the end of the block.

    It lies in `parent`, by default the system's folder for temporary files. Folders of the same prefix whose
    process is gone are removed first; those of processes that live are left alone.
    """
    parent = Path(tempfile.gettempdir()) if parent is None else parent
    remove_abandoned(prefix, parent)
    folder = parent / f"{prefix}{secrets.token_hex(8)}"
    # The lock comes before the folder and goes after it: a folder without a holder is always an abandoned one.
    lock = _lock_of(folder)
    with lock:
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            Path(lock.lock_file).unlink(missing_ok=True)


def remove_abandoned(prefix: str, parent: Path) -> list[Path]:
    """Remove the folders of that prefix whose process is gone; returns those that were removed.

    What belongs to other users, or is a link, is not touched.
    """
    removed = []
    for folder in parent.glob(f"{prefix}*"):
        if folder.name.endswith(LOCK_SUFFIX) or not _is_folder_of_mine(folder):
            continue
        lock = _lock_of(folder)
        try:
            with lock.acquire(timeout=0):
                shutil.rmtree(folder, ignore_errors=True)
                Path(lock.lock_file).unlink(missing_ok=True)
        except Timeout:  # its process lives
            continue
        removed.append(folder)
    return removed


def sweep(folder: Path, max_age_seconds: float) -> None:
    """Remove what lies in a folder and has not changed for so long: files, and folders that are empty then."""
    before = time.time() - max_age_seconds
    for parent, _, names in os.walk(folder, topdown=False):
        for path in (Path(parent, name) for name in names):
            with suppress(FileNotFoundError):  # somebody was quicker
                if path.lstat().st_mtime < before:
                    path.unlink()
        with suppress(OSError):  # it is not empty, or gone
            if Path(parent) != folder and Path(parent).stat().st_mtime < before:
                Path(parent).rmdir()


def _lock_of(folder: Path) -> FileLock:
    return FileLock(folder.with_name(folder.name + LOCK_SUFFIX))


def _is_folder_of_mine(path: Path) -> bool:
    try:
        status = path.lstat()
    except FileNotFoundError:  # another start was quicker
        return False
    return stat.S_ISDIR(status.st_mode) and (not hasattr(os, "getuid") or status.st_uid == os.getuid())
