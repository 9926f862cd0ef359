"""Which files a batch is of: those that are named, those in folders that are named, and those that a list names.

A folder is searched to its bottom for files that are called like a video or a sound file, apart from hidden ones;
links to other folders are not followed. A file that is named by itself is taken however it is called, and also
where it is not there: whoever reads it then says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from sentiment.errors import SettingsError

MEDIA_SUFFIXES: Final = frozenset(
    {
        *(".3g2", ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
        *(".ts", ".webm", ".wmv"),
        *(".aac", ".aif", ".aiff", ".amr", ".caf", ".flac", ".m4a", ".mka", ".mp3", ".oga", ".ogg", ".ogv", ".opus"),
        *(".w64", ".wav", ".weba", ".wma"),
    }
)
"""The usual names of the formats that `sentiment.decoding.DEMUXERS` lists, in lower case."""


@dataclass(frozen=True, slots=True)
class BatchFile:
    """One file to be analysed, and by what one can tell that it has changed."""

    path: Path
    """Absolute."""
    size_bytes: int
    """0 where there is no such file; likewise below."""
    modified_ns: int


def find_files(paths: Iterable[Path | str]) -> list[BatchFile]:
    """The files that these paths stand for, each once, in their order; those of a folder in the order of their names.

    Raises:
        SettingsError: there is none.
    """
    named = [Path(path) for path in paths]
    found = dict.fromkeys(Path(os.path.abspath(file)) for path in named for file in _files_of(path))  # noqa: PTH100
    if not found:
        where = ", ".join(map(str, named[:3])) or "no path"
        raise SettingsError(f"There is no file to analyse: {where} holds no file that is called like a video or sound.")
    return [_with_state(path) for path in found]


def read_list(file: TextIO) -> list[str]:
    """The paths in a text, one a line; empty lines are none. Other signs that end a line may stand in a name."""
    return [line for line in file.read().split("\n") if line.strip()]


def common_folder(paths: Iterable[Path]) -> Path:
    """The folder below which all of these absolute paths lie; "/" where they share no other."""
    return Path(os.path.commonpath([path.parent for path in paths]))


def _files_of(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, subfolders, names in os.walk(path):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in MEDIA_SUFFIXES:
                yield Path(folder, name)


def _with_state(path: Path) -> BatchFile:
    try:
        state = path.stat()
    except OSError:  # whoever opens it says what is wrong, in words
        return BatchFile(path, 0, 0)
    return BatchFile(path, state.st_size, state.st_mtime_ns)
