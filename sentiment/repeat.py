"""The same result again: from the record of an analysis, its settings, and in what a second analysis differs.

A record is the timeline.json that was written then, by itself or in its bundle.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from sentiment.datatypes import Timeline
from sentiment.edits import Edits
from sentiment.errors import SettingsError
from sentiment.plain_text import video_name

if TYPE_CHECKING:
    from sentiment.pipeline import LoadedModels
    from sentiment.settings import AnalysisSettings

SAME_PROBABILITY = 0.005
"""Two answers nearer than half a per cent are the same: processors and their libraries differ in the last digits."""

SAME_SECONDS = 0.02
"""Likewise for the times of words."""

MAX_RECORD_BYTES = 200 * 2**20
"""Of a timeline.json, unpacked: a zip may hold more than it seems to."""

Record = Mapping[str, Any]
"""A parsed timeline.json."""


def read_record(path: Path | str) -> Record:
    """The record in a timeline.json or in a bundle.

    Raises:
        SettingsError: the file is neither, or does not say how it was made.
    """
    path = Path(path)
    try:
        record = json.loads(_record_bytes(path))
    except OSError as error:
        raise SettingsError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    # RuntimeError: nested too deeply, encrypted, or packed in a way that zipfile does not know.
    except (KeyError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise SettingsError(f"{path.name} is neither a timeline.json nor a bundle of one.") from error
    provenance = record.get("provenance") if isinstance(record, dict) else None
    known = set(provenance) if isinstance(provenance, dict) else set()
    if not {"settings", "file_sha256", "checkpoint", "transcriber"} <= known:
        raise SettingsError(f"{path.name} does not say how it was made; expected is the provenance of an analysis.")
    return record


def _record_bytes(path: Path) -> bytes:
    if not zipfile.is_zipfile(path):
        _check_size(path, path.stat().st_size)
        return path.read_bytes()
    with zipfile.ZipFile(path) as bundle:
        entry = bundle.getinfo("timeline.json")
        _check_size(path, entry.file_size)
        return bundle.read(entry)


def _check_size(path: Path, size_bytes: int) -> None:
    if size_bytes > MAX_RECORD_BYTES:
        raise SettingsError(
            f"{path.name} holds {size_bytes / 2**20:.0f} MB; a timeline has at most {MAX_RECORD_BYTES >> 20}."
        )


def settings_of(record: Record) -> AnalysisSettings:
    """The settings of the analysis that was recorded.

    Raises:
        SettingsError: one of them does not exist here, or may not be what it is.
    """
    from sentiment.settings import AnalysisSettings

    settings: AnalysisSettings = _rebuilt(AnalysisSettings, record["provenance"]["settings"])
    return settings


def edits_of(record: Record) -> Edits:
    """What a person had put right in the result that was recorded; raises SettingsError where it cannot be read."""
    return Edits.from_dict(record.get("edits", {}))


def _rebuilt(kind: type, values: Mapping[str, Any]) -> Any:
    """A dataclass from what `asdict` made of it and JSON kept of that."""
    types = get_type_hints(kind)
    if unknown := sorted(set(values) - {field.name for field in fields(kind)}):
        raise SettingsError(f"The record has a setting {unknown[0]!r}, which this version does not know.")
    parts: dict[str, Any] = {}
    for name, value in values.items():
        if is_dataclass(types[name]) and isinstance(value, Mapping):
            parts[name] = _rebuilt(types[name], value)
        else:
            parts[name] = tuple(value) if isinstance(value, list) else value
    return kind(**parts)


def check_same_file(record: Record, path: Path) -> None:
    """Raises SettingsError where this is not the file that was recorded."""
    with path.open("rb") as file:
        _check_same(path.name, record["provenance"]["file_sha256"], hashlib.file_digest(file, "sha256").hexdigest())


def check_same_model(record: Record, models: LoadedModels) -> None:
    """Raises SettingsError where these are not the weights that were recorded."""
    checkpoint = models.checkpoint
    _check_same(f"The model {checkpoint.name}", record["provenance"]["checkpoint"]["sha256"], checkpoint.sha256)


def _check_same(what: str, recorded_sha256: str, found_sha256: str) -> None:
    if recorded_sha256 != found_sha256:
        raise SettingsError(f"{what} is another than was recorded: sha256 {found_sha256}, not {recorded_sha256}.")


def differences(recorded: Record, repeated: Record) -> list[str]:
    """A line for each segment that is not the same again, beyond SAME_PROBABILITY and SAME_SECONDS."""
    before, after = recorded["segments"], repeated["segments"]
    lines = [line for pair in zip(before, after, strict=False) for line in _differences_of(*pair)]
    if len(before) != len(after):
        lines.append(f"{len(before)} segments then, {len(after)} now")
    return lines


def _differences_of(before: Record, after: Record) -> Iterator[str]:
    at = f"{before['start_seconds']:.3f} s"
    for key in ("start_seconds", "end_seconds"):
        if abs(before[key] - after[key]) > SAME_SECONDS:
            yield f"{at}: {key} was {before[key]}, is {after[key]}"
    for key in ("kind", "text", "certain"):
        if before[key] != after[key]:
            yield f"{at}: {key} was {before[key]!r}, is {after[key]!r}"
    for key in ("emotion", "sentiment"):
        then, now = before[key] or {}, after[key] or {}
        if set(then) != set(now):
            yield f"{at}: {key} {'is not answered any more' if then else 'was not answered'}"
            continue
        label = max(then, key=lambda name: abs(then[name] - now[name]), default=None)
        if label is not None and abs(then[label] - now[label]) > SAME_PROBABILITY:
            yield f"{at}: {key} {label} was {then[label]}, is {now[label]}"


def repeat_command(timeline: Timeline) -> str:
    """The command line that repeats the analysis from its timeline.json, for a shell; "" where there is no provenance.

    A model other than the bundled one is named, and its folder has to be put in place of the name.
    """
    from sentiment.checkpoint import checkpoint_sha256
    from sentiment.hub import MANIFEST, STARTER_CHECKPOINT

    checkpoint = timeline.provenance.get("checkpoint")
    if checkpoint is None or "settings" not in timeline.provenance:
        return ""
    name = video_name(timeline)
    file = f"./{name}" if name.startswith("-") else name  # else it would be read as an option
    command = ["python", "-m", "sentiment", "repeat", "timeline.json", file]
    bundled = STARTER_CHECKPOINT / MANIFEST
    if not bundled.is_file() or checkpoint_sha256(STARTER_CHECKPOINT) != checkpoint["sha256"]:
        command += ["--checkpoint", str(checkpoint["name"])]
    return shlex.join(command)
