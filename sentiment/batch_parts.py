"""What a batch keeps of each file as soon as it is done, so that a second run goes on where the first one stopped.

    DIR/parts/<key>.json   one file's rows for both tables, or the sentence that says why it has none

The key stands for all that the answer depends on: the file's path, size and time of change, the settings, the
weights, the speech recogniser and this program's version. Whatever of them changes, the file is analysed again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sentiment.errors import SentimentError, SettingsError

if TYPE_CHECKING:
    from sentiment.batch_files import BatchFile
    from sentiment.datatypes import Timeline

FOLDER: Final = "parts"

PART_FORMAT: Final = 1
"""Of a part's content. It is in the key: parts of another format are not read, but made anew."""

Part = Mapping[str, Any]
"""`summary`, a row of summaries.parquet, whose `error` is None for a file that was analysed, and `segments`, its rows
of segments.parquet; both without `path`, which the table's writer knows."""


def finished_part(timeline: Timeline, analysis_seconds: float) -> Part:
    """The rows of a file that was analysed in so many seconds."""
    from sentiment.batch_results import summary_row
    from sentiment.tables import segment_rows

    summary = {**summary_row(timeline), "analysis_seconds": round(analysis_seconds, 3)}
    return {"summary": summary, "segments": list(segment_rows(timeline))}


def refused_part(name: str, error: SentimentError | str) -> Part:
    """The one row of a file that cannot be analysed: `error` says why, in one sentence."""
    from sentiment.plain_text import one_line
    from sentiment.tables import spreadsheet_safe

    summary = {"video": spreadsheet_safe(one_line(name)), "error": spreadsheet_safe(one_line(str(error)))}
    return {"summary": summary, "segments": []}


@dataclass(frozen=True, slots=True)
class PartStore:
    """The parts of one results' folder that were made the same way."""

    folder: Path
    """The results' folder."""
    origin: Mapping[str, Any]
    """All that the answers depend on besides the files, ready for JSON."""

    def read(self, file: BatchFile) -> Part | None:
        """What is kept of a file as it is now; None where nothing is."""
        try:
            part: Part = json.loads(self._path(file).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return part

    def has(self, file: BatchFile) -> bool:
        """Whether a file as it is now is done."""
        return self._path(file).is_file()

    def write(self, file: BatchFile, text: str) -> None:
        """Keep a part, given as JSON. It appears whole or not at all.

        Raises:
            SettingsError: the folder cannot be written to.
        """
        path = self._path(file)
        unfinished = path.with_suffix(f".unfinished-{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(path)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise SettingsError(f"Cannot write into {path.parent}: {error.strerror or error}.") from error

    def _path(self, file: BatchFile) -> Path:
        identity = {
            "format": PART_FORMAT,
            "path": str(file.path),
            "size_bytes": file.size_bytes,
            "modified_ns": file.modified_ns,
            **self.origin,
        }
        key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]
        return self.folder / FOLDER / f"{key}.json"
