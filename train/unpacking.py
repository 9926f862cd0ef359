"""Unpacks an archive of archives from a stranger: nothing outside of its folder is written, and nothing twice."""

from __future__ import annotations

import errno
import gzip
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from tqdm import tqdm

from train.errors import DataError

_NESTED: Final = (".tar.gz", ".tgz")

_DROPPINGS: Final = ("._", "__MACOSX")
"""What macOS leaves in archives; it is not unpacked."""

_CHUNK_BYTES: Final = 1 << 20


def unpack(archive: Path, folder: Path) -> int:
    """Unpacks a tar.gz and the tar.gz files in it into `folder`; returns how many files were written.

    The inner archives never lie on the disk. Files that are there already, at their full size, are passed over, so
    that a run which was broken off can be repeated. Both layers are read to their end: that is what proves that
    the archive is whole, since gzip's checksum stands there.

    Raises DataError where the archive is damaged or cut off, holds a link, a device or a path that leads out of the
    folder, or where the disk is full.
    """
    with (
        archive.open("rb") as file,
        tqdm.wrapattr(file, "read", total=archive.stat().st_size, desc="unpack", disable=None) as counted,
        _explained(archive, folder),
    ):
        return _unpack_stream(counted, folder, archive.name, nested=True)


def _unpack_stream(stream: IO[bytes], folder: Path, name: str, nested: bool) -> int:
    """Unpacks one layer. `nested` says whether archives in it are unpacked, too."""
    written = 0
    with gzip.GzipFile(fileobj=stream) as unzipped, tarfile.open(fileobj=unzipped, mode="r|") as tar:
        for member in tar:
            if any(part.startswith(_DROPPINGS) for part in Path(member.name).parts):
                continue
            path = _safe_path(member, folder, name)
            content = tar.extractfile(member)
            if content is None:
                path.mkdir(parents=True, exist_ok=True)
            elif nested and path.name.endswith(_NESTED):
                written += _unpack_stream(content, path.parent, f"{name}: {member.name}", nested=False)
            elif not (path.is_file() and path.stat().st_size == member.size):
                _write(path, content)
                written += 1
        while unzipped.read(_CHUNK_BYTES):
            pass  # to the end, where the checksum is
    return written


def _safe_path(member: tarfile.TarInfo, folder: Path, name: str) -> Path:
    """Where a member goes, which is below the folder and no link."""
    if not (member.isfile() or member.isdir()):
        raise DataError(f"{name} holds {member.name!r}, which is neither a file nor a folder; it is not unpacked.")
    try:
        safe = tarfile.data_filter(member, str(folder))
    except tarfile.FilterError as error:
        raise DataError(f"{name} holds {member.name!r}, which leads out of its folder; it is not unpacked.") from error
    return folder / safe.name


def _write(path: Path, content: IO[bytes]) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        shutil.copyfileobj(content, file, _CHUNK_BYTES)
    partial.replace(path)


@contextmanager
def _explained(archive: Path, folder: Path) -> Iterator[None]:
    """Turns what can go wrong into one sentence."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedArchiveError(f"{archive} is damaged or not complete ({error})") from error
    except OSError as error:
        raise disk_error(error, folder) from error


class DamagedArchiveError(DataError):
    """An archive that cannot be read to its end."""


def disk_error(error: OSError, folder: Path) -> DataError:
    """The sentence for a disk that does not take what is written to it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(f"The disk of {folder} is full; free some space, and the same command goes on from there.")
    return DataError(f"{folder} cannot be written to: {error.strerror or error}.")


def make_folder(folder: Path) -> None:
    """With the folders above it. Raises DataError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, folder) from error
