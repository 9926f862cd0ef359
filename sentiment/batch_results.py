"""The results of a batch as two Parquet tables and a page, from the parts of its files.

    summaries.parquet   a row per file: its summary, or why it has none
    segments.parquet    a row per segment, with the columns of segments.csv
    ranking.html        the files in order; see `batch_ranking`

Both tables begin with `path`, by which they are merged. What does not exist is null. Texts from outside are as in the
CSV files: one that a spreadsheet would run as a formula stands behind an apostrophe.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sentiment.errors import SettingsError
from sentiment.labels import EMOTIONS
from sentiment.tables import SEGMENT_COLUMNS, spreadsheet_safe
from sentiment.timeline_json import timeline_to_dict

if TYPE_CHECKING:
    import pyarrow as pa

    from sentiment.batch_files import BatchFile
    from sentiment.batch_parts import Part
    from sentiment.datatypes import Timeline

SEGMENTS: Final = "segments.parquet"
SUMMARIES: Final = "summaries.parquet"
RANKING: Final = "ranking.html"

SHARES: Final = ("speech_share", "face_share", "answered_share", "certain_share")

SUMMARY_COLUMNS: Final = (
    *("path", "video", "error", "duration_seconds", "language", "headline", "segment_count", "unanswered_segments"),
    *SHARES,
    "mean_sentiment_score",
    *(f"emotion_share_{name}" for name in EMOTIONS),
    *("strongest_positive_seconds", "strongest_positive_score"),
    *("strongest_negative_seconds", "strongest_negative_score"),
    *("file_sha256", "created_at", "analysis_seconds"),
)
"""Of summaries.parquet. The moods count certain time alone, as in the summary of timeline.json."""

INTEGER_COLUMNS: Final = frozenset({"segment", "face_track", "segment_count", "unanswered_segments"})

ROWS_AT_ONCE: Final = 10_000
"""Written as one row group: as many rows of segments are in memory, however large the set."""


def summary_row(timeline: Timeline) -> dict[str, Any]:
    """The cells of SUMMARY_COLUMNS that a timeline knows, rounded as in timeline.json."""
    record = timeline_to_dict(timeline)
    summary, provenance = record["summary"], record["provenance"]
    row: dict[str, Any] = {
        "video": spreadsheet_safe(str(record["video"].get("name", ""))),
        "segment_count": len(record["segments"]),
        "language": record["language"],
        **{name: provenance.get(name) for name in ("file_sha256", "created_at")},
        **{f"emotion_share_{name}": share for name, share in summary["emotion_share"].items()},
        **{name: value for name, value in summary.items() if name in SUMMARY_COLUMNS},
    }
    for side in ("strongest_positive", "strongest_negative"):
        if moment := summary[side]:
            row |= {f"{side}_seconds": moment["time_seconds"], f"{side}_score": moment["sentiment_score"]}
    return row


def write_results(
    folder: Path, files: Sequence[BatchFile], parts: Iterable[Part], origin: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Write both tables and the page into `folder`, which exists; all of them appear, or none.

    `parts` are those of `files`, in their order, and are read one by one. `origin` says how they were made; it is
    kept in the tables' metadata under "sentiment". Returns the rows of summaries.parquet.

    Raises:
        SettingsError: the folder cannot be written to.
    """
    from sentiment.batch_ranking import ranking_page

    names = (SEGMENTS, SUMMARIES, RANKING)
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as unfinished:
            place = Path(unfinished)
            summaries: list[dict[str, Any]] = []
            with _Table(place / SEGMENTS, ("path", *SEGMENT_COLUMNS), origin) as segments:
                for file, part in zip(files, parts, strict=True):
                    path = _path_text(file.path)
                    summaries.append({**part["summary"], "path": path})
                    segments.add({**row, "path": path} for row in part["segments"])
            with _Table(place / SUMMARIES, SUMMARY_COLUMNS, origin) as table:
                table.add(summaries)
            (place / RANKING).write_text(ranking_page(summaries, origin), encoding="utf-8", errors="replace")
            for name in names:
                (place / name).replace(folder / name)
    except OSError as error:
        raise SettingsError(f"Cannot write {', '.join(names)} into {folder}: {error.strerror or error}.") from error
    return summaries


class _Table:
    """A Parquet file that grows by rows, each a dict of some of its columns."""

    def __init__(self, path: Path, columns: Sequence[str], origin: Mapping[str, Any]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        metadata = {"sentiment": json.dumps(origin)}
        self._schema = pa.schema([(name, _type_of(name)) for name in columns], metadata)
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> _Table:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()
        self._writer.close()

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._rows += [_typed(row) for row in rows]
        if len(self._rows) >= ROWS_AT_ONCE:
            self._write()

    def _write(self) -> None:
        import pyarrow as pa

        self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
        self._rows = []


def _type_of(column: str) -> pa.DataType:
    """Texts, unless the name of a column says something else: it ends in its unit, or begins with its answer."""
    import pyarrow as pa

    if column in INTEGER_COLUMNS:
        return pa.int64()
    if column == "certain":
        return pa.bool_()
    if column.endswith(("_seconds", "_share", "_score")) or column.startswith(("emotion_", "sentiment_")):
        return pa.float64()
    return pa.string()


def _typed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a CSV file as one of a table that has types: no cell is empty, and truths are no texts."""
    cells = {name: value for name, value in row.items() if value != ""}
    if "certain" in cells:
        cells["certain"] = cells["certain"] == "true"
    return cells


def _path_text(path: Path) -> str:
    """As text that every file may hold. It begins with the root of a disk, and so with no formula."""
    return str(path).encode("utf-8", "replace").decode("utf-8")
