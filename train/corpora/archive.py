"""One view of a corpus's files, whether they lie unpacked in a folder or in a zip that is read in place."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from train.errors import DataError


@dataclass(frozen=True, slots=True)
class CorpusFiles:
    """The files of one corpus, named by their path below it. Valid inside `open_corpus` only."""

    source: Path
    """The folder or the zip, for error messages."""
    names: tuple[PurePosixPath, ...]
    """Sorted, without what macOS leaves behind (`._name`, `__MACOSX/`)."""
    read: Callable[[PurePosixPath], bytes]
    """The content of a file."""
    locate: Callable[[PurePosixPath], Path | bytes]
    """What an Example keeps of a file: its path where it is unpacked, else its content."""

    def topmost(self, file_name: str) -> PurePosixPath | None:
        """The file of that name nearest to the top, since copies of a corpus nest it differently; or None."""
        found = [name for name in self.names if name.name == file_name]
        return min(found, key=lambda name: (len(name.parts), name), default=None)


def find_corpus(data_folder: Path, name: str) -> Path | None:
    """The folder `name` or else the file `name`.zip directly below `data_folder`; None where there is neither."""
    folder, archive = data_folder / name, data_folder / f"{name}.zip"
    if folder.is_dir():
        return folder
    return archive if archive.is_file() else None


@contextmanager
def open_corpus(data_folder: Path, name: str) -> Iterator[CorpusFiles]:
    """Open the corpus `name`, unpacked or zipped; nothing is ever unpacked to disk.

    Raises DataError where it is absent or its zip is damaged.
    """
    source = find_corpus(data_folder, name)
    if source is None:
        raise DataError(f"{data_folder} has no {name}: expected a folder {name}/ or a file {name}.zip in it.")
    if source.is_dir():
        yield _view_folder(source)
        return
    try:
        with zipfile.ZipFile(source) as archive:
            yield _view_zip(source, archive)
    except (zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{source} is not a whole zip archive ({error}); download it again.") from error


def _view_folder(folder: Path) -> CorpusFiles:
    def locate(name: PurePosixPath) -> Path:
        return folder / name

    names = (PurePosixPath(path.relative_to(folder).as_posix()) for path in folder.rglob("*") if path.is_file())
    return CorpusFiles(folder, _sort(names), lambda name: locate(name).read_bytes(), locate)


def _view_zip(source: Path, archive: zipfile.ZipFile) -> CorpusFiles:
    def read(name: PurePosixPath) -> bytes:
        return archive.read(name.as_posix())

    names = (PurePosixPath(member.filename) for member in archive.infolist() if not member.is_dir())
    return CorpusFiles(source, _sort(names), read, read)


def _sort(names: Iterable[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    return tuple(sorted(name for name in names if not name.name.startswith("._") and "__MACOSX" not in name.parts))
