"""python -m train download: fetches MELD with its clips, and goes on where it was broken off."""

from __future__ import annotations

import json
import logging
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, get_args

import httpx
from tqdm import tqdm

from train.clip_cache import replace_file
from train.corpora import Split, meld
from train.errors import DataError
from train.unpacking import DamagedArchiveError, disk_error, make_folder, unpack

logger = logging.getLogger(__name__)

MELD_URLS: Final = (
    "http://web.eecs.umich.edu/~mihalcea/downloads/MELD.Raw.tar.gz",
    "https://huggingface.co/datasets/declare-lab/MELD/resolve/main/MELD.Raw.tar.gz",
)
"""The address that MELD's authors give, and their copy on the hub."""

CSV_URL: Final = "https://github.com/declare-lab/MELD/tree/master/data/MELD"

ARCHIVE_NAME: Final = "MELD.Raw.tar.gz"

TRIES_WITHOUT_PROGRESS: Final = 4
PAUSE_SECONDS: Final = 2.0
"""Before the second try; it doubles with each that brings nothing."""

TIMEOUT_SECONDS: Final = 30.0
"""Without a single byte."""


def download_meld(data_folder: Path, sources: Sequence[str] = MELD_URLS) -> None:
    """Fetches and unpacks MELD into `data_folder`/meld; what is there already is neither fetched nor unpacked again.

    `sources` are addresses of the archive, tried in turn, or the path of a file.

    Raises DataError where no address can be reached, the disk is too small or full, or the archive is damaged.
    What has arrived by then stays, and the next call goes on from there.
    """
    if is_complete(data_folder):
        logger.info("MELD is in %s already, with all its clips", data_folder)
        return
    own_archive = data_folder / ARCHIVE_NAME
    given = Path(sources[0])
    archive = given if given.is_file() else own_archive
    make_folder(data_folder)
    if not archive.is_file():
        fetch(sources, archive)
    unpacked_bytes = sum(path.stat().st_size for path in (data_folder / meld.NAME).rglob("*") if path.is_file())
    _require_space(data_folder, 0, archive.stat().st_size - unpacked_bytes)
    try:
        written = unpack(archive, data_folder / meld.NAME)
    except DamagedArchiveError as error:
        if archive != own_archive:
            raise
        aside = archive.replace(archive.with_name(archive.name + ".damaged"))
        raise DataError(f"{error}; it is called {aside.name} now, and the next run fetches it anew.") from error
    logger.info("%d files unpacked; %s is not needed any more", written, archive)
    _check_unpacked(data_folder)


def _check_unpacked(data_folder: Path) -> None:
    """Says what an archive that is whole does not have."""
    for split, part in meld.OFFICIAL_SPLITS.items():
        if not meld.is_present(data_folder, split):
            raise DataError(
                f"The archive holds no {part}_sent_emo.csv; put the one from {CSV_URL} into {data_folder / meld.NAME}."
            )
        missing = [row.example.key for row in meld.clip_rows(data_folder, split) if row.excluded == "missing"]
        if missing:
            logger.warning(
                "%d utterances of %s have no clip in this archive, such as %s", len(missing), part, missing[0]
            )


def is_complete(data_folder: Path) -> bool:
    """Whether every annotated utterance has its clip, those aside that no copy of MELD has.

    Raises DataError where a CSV file is malformed.
    """
    splits: list[Split] = list(get_args(Split))
    return all(
        meld.is_present(data_folder, split)
        and meld.has_clips(data_folder, split)
        and all(row.excluded != "missing" for row in meld.clip_rows(data_folder, split))
        for split in splits
    )


# ---------------------------------------------------------------- the transfer


@dataclass(frozen=True, slots=True)
class _Origin:
    """What the server says of the file of which a part has arrived; kept beside it between runs."""

    url: str
    total_bytes: int | None
    """None where the server does not say."""
    validator: str | None
    """Its ETag or its date: while that is the same, so is the file."""


def fetch(sources: Sequence[str], target: Path) -> None:
    """Fetches a file from the first address that has it, resuming where an earlier call ended.

    Raises DataError where none can be reached or each breaks off again and again, or the disk is too small.
    """
    reasons = []
    for url in sources:
        try:
            _fetch_from(url, target)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reasons.append(f"{url}: {_reason(error)}")
            logger.warning("%s", reasons[-1])
        else:
            return
    arrived = _size_of(_partial(target))
    kept = f" {arrived / 1e9:.2f} GB have arrived and are kept." if arrived else ""
    raise DataError(f"{target.name} cannot be fetched now ({'; '.join(reasons)}).{kept} The same command tries again.")


def _fetch_from(url: str, target: Path) -> None:
    """Raises httpx.HTTPError after TRIES_WITHOUT_PROGRESS tries in a row that brought nothing."""
    partial, tries = _partial(target), 0
    with httpx.Client(follow_redirects=True, timeout=TIMEOUT_SECONDS) as client:
        while True:
            arrived = _size_of(partial)
            try:
                _transfer(client, url, partial)
                break
            except httpx.HTTPError as error:
                tries = 1 if _size_of(partial) > arrived else tries + 1
                if _is_final(error) or tries >= TRIES_WITHOUT_PROGRESS:
                    raise
                logger.info("%s: %s; going on", url, _reason(error))
                time.sleep(PAUSE_SECONDS * 2 ** (tries - 1))
    partial.replace(target)
    _note(partial).unlink(missing_ok=True)


def _is_final(error: httpx.HTTPError) -> bool:
    """Whether the answer will be the same in a few seconds."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_client_error
    return isinstance(error, httpx.UnsupportedProtocol)


def _transfer(client: httpx.Client, url: str, partial: Path) -> None:
    """One request: appends to what has arrived, or begins anew where the server has another file by now."""
    known = _read_note(partial)
    arrived = 0 if known is None else _size_of(partial)
    if known is not None and arrived == known.total_bytes:
        return
    headers = {"Accept-Encoding": "identity"}  # the bytes as they are, whatever a server thinks of ".gz"
    if known is not None and arrived:
        headers["Range"] = f"bytes={arrived}-"
        if known.url == url and known.validator is not None:
            headers["If-Range"] = known.validator
    with client.stream("GET", url, headers=headers) as response:
        if "Range" in headers and not _continues(response, arrived, known):
            if response.status_code != httpx.codes.OK:
                response.read()
                if response.status_code in (httpx.codes.PARTIAL_CONTENT, httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE):
                    _note(partial).unlink()
                    raise httpx.RemoteProtocolError("the file is another one there; beginning anew")
            arrived = 0
        response.raise_for_status()
        origin = _Origin(url, _total_bytes(response), _validator(response))
        if origin.total_bytes is not None:
            _require_space(partial.parent, origin.total_bytes - arrived, origin.total_bytes)
        replace_file(_note(partial), json.dumps(asdict(origin)).encode())
        _append(response, partial, arrived, origin.total_bytes)


def _continues(response: httpx.Response, arrived: int, known: _Origin | None) -> bool:
    """Whether the answer begins where the part that has arrived ends, in a file of the same size."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return (
        response.status_code == httpx.codes.PARTIAL_CONTENT
        and match is not None
        and known is not None
        and (int(match["start"]), int(match["total"])) == (arrived, known.total_bytes)
    )


def _append(response: httpx.Response, partial: Path, arrived: int, total_bytes: int | None) -> None:
    try:
        file = partial.open("ab" if arrived else "wb")
    except OSError as error:
        raise disk_error(error, partial.parent) from error
    with (
        file,
        tqdm(total=total_bytes, initial=arrived, desc="fetch", unit="B", unit_scale=True, disable=None) as progress,
    ):
        for chunk in response.iter_raw():
            try:
                file.write(chunk)
            except OSError as error:
                raise disk_error(error, partial.parent) from error
            progress.update(len(chunk))
    if total_bytes is not None and _size_of(partial) != total_bytes:
        raise httpx.RemoteProtocolError(f"{_size_of(partial)} of {total_bytes} bytes arrived")


_CONTENT_RANGE: Final = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<total>\d+)")


def _total_bytes(response: httpx.Response) -> int | None:
    """Of the whole file, also where only the rest of it is sent."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    length = response.headers.get("Content-Length")
    return int(match["total"]) if match else int(length) if length is not None else None


def _validator(response: httpx.Response) -> str | None:
    """What If-Range compares: a strong ETag, else the date of the last change."""
    etag = response.headers.get("ETag")
    return etag if etag is not None and not etag.startswith("W/") else response.headers.get("Last-Modified")


def _partial(target: Path) -> Path:
    return target.with_name(target.name + ".partial")


def _note(partial: Path) -> Path:
    return partial.with_name(partial.name + ".json")


def _read_note(partial: Path) -> _Origin | None:
    try:
        return _Origin(**json.loads(_note(partial).read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None  # none, or not ours: then what has arrived cannot be trusted, and the transfer begins anew


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _reason(error: httpx.HTTPError | httpx.InvalidURL) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"the server answers {error.response.status_code} {error.response.reason_phrase}"
    return str(error) or type(error).__name__


# ---------------------------------------------------------------- the disk


def _require_space(folder: Path, to_fetch: int, to_unpack: int) -> None:
    """Says how much disk is needed. Clips hardly shrink in a gzip, so unpacked they take what the archive does.

    Raises DataError where there is less.
    """
    to_unpack = max(0, to_unpack)
    needed, free = to_fetch + to_unpack, shutil.disk_usage(folder).free
    parts = f"{needed / 1e9:.2f} GB of disk ({to_fetch / 1e9:.2f} to fetch, {to_unpack / 1e9:.2f} to unpack)"
    logger.info("%s needs %s and has %.2f GB free", folder, parts, free / 1e9)
    if needed > free:
        raise DataError(f"{folder} needs {parts} and has {free / 1e9:.2f} GB free; make room or name another folder.")
