"""Everything of a timeline in one zip, so that a result can be cited and repeated.

README.txt         what the files are, how to cite and to repeat the result
provenance.json    the file's and the model's sha256, all settings, all versions
SHA256SUMS         of every file, as `sha256sum --check` reads it
...                one file of every kind of sentiment.export.EXPORT_KINDS
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sentiment.datatypes import Timeline
from sentiment.export import ExportKind, ExportProgress, possible_kinds, write_all
from sentiment.plain_text import video_name
from sentiment.repeat import repeat_command
from sentiment.timeline import edits_in_short, headline
from sentiment.timeline_json import SCHEMA_VERSION, json_text

COMPRESSED_ALREADY = (".mp4",)
"""What deflate would only make slower to write and to read."""

EARLIEST_ZIP_YEAR = 1980
"""Zip knows no time before."""


def write_bundle(
    timeline: Timeline,
    path: Path | str,
    source: Path | str | None = None,
    on_progress: ExportProgress | None = None,
    written: Mapping[str, Path] | None = None,
) -> None:
    """Write the zip. With `source`, the file that was analysed, it has the annotated video, which takes the longest.

    `written` are files of this timeline that there are already, by the keys of their kinds. They are taken as they are.
    Its entries carry the time of the analysis: the same timeline gives the same bytes, but for the video.

    Raises:
        SettingsError: a file cannot be written.
        MediaError: `source` cannot be decoded.
    """
    path = Path(path)
    kinds = [kind for kind in possible_kinds(timeline) if kind.key != "zip" and (source or kind.key != "mp4")]
    # Beside the zip: a video may be larger than what the system's temporary folder holds.
    with TemporaryDirectory(dir=path.parent, prefix=".bundle-") as folder:
        files = dict(written or {})
        missing = [kind.key for kind in kinds if kind.key not in files]
        files |= write_all(timeline, folder, missing, source, on_progress)
        texts = {
            "README.txt": readme(timeline, kinds),
            "provenance.json": json_text(provenance_of(timeline)),
        }
        for name, text in texts.items():
            (Path(folder) / name).write_text(text, encoding="utf-8", errors="replace", newline="")
        # By the names of their kinds: files that were written before may have others.
        entries = {name: Path(folder) / name for name in texts} | {k.file_name: files[k.key] for k in kinds}
        sums = Path(folder) / "SHA256SUMS"
        sums.write_text(_checksums(entries), encoding="utf-8", newline="")
        with zipfile.ZipFile(path, "w") as archive:
            for name, file in {**entries, sums.name: sums}.items():
                _add(archive, name, file, _zip_time(timeline))


def provenance_of(timeline: Timeline) -> dict[str, Any]:
    """Everything that the result depends on, ready for JSON: the timeline's provenance, the file, and the command."""
    return {
        "schema_version": SCHEMA_VERSION,
        "video": dict(timeline.video),
        "repeat": repeat_command(timeline),
        **timeline.provenance,
    }


def readme(timeline: Timeline, kinds: Iterable[ExportKind]) -> str:
    """README.txt: for a person who was handed the zip and nothing else."""
    name = video_name(timeline) or "a video"
    files = [(kind.file_name, f"{kind.label}. {kind.help}") for kind in kinds]
    files += [
        ("provenance.json", "What was analysed, by which weights and versions, set how."),
        ("SHA256SUMS", "Check the files with: sha256sum --check SHA256SUMS"),
    ]
    width = max(len(file_name) for file_name, _ in files)
    return "\n".join(
        (
            f"Emotion and sentiment over the time of {name}",
            "",
            headline(timeline),
            "",
            "FILES",
            *(f"  {file_name:<{width}}  {text}" for file_name, text in files),
            "",
            *_what_was_corrected(timeline),
            *_how_to_cite(timeline, name),
            *_how_to_repeat(timeline, name),
            "HOW TO READ IT",
            "  It names the expression that words, a voice and a face most resemble, not what anyone feels.",
            "  Take it as a hint to look closer, never as a finding about a person. Answers that are not",
            "  certain are marked so; shares and strongest moments count certain answers alone.",
            "",
        )
    )


def _what_was_corrected(timeline: Timeline) -> list[str]:
    edits = edits_in_short(timeline)
    if not edits:
        return []
    return [
        "CORRECTED",
        f"  {', '.join(edits)}. What was recognised stands beside it: heard_text in timeline.json and segments.csv;",
        "  all corrections are under edits in timeline.json, and are part of the result when it is repeated.",
        "",
    ]


def _how_to_cite(timeline: Timeline, name: str) -> list[str]:
    provenance = timeline.provenance
    checkpoint = provenance.get("checkpoint")
    if not checkpoint:
        return []
    return [
        "TO CITE",
        f"  Emotion and sentiment of {name} (sha256 {provenance['file_sha256']}), by video-sentiment",
        f"  {provenance['version']}, model {checkpoint['name']} (sha256 {checkpoint['sha256']}),",
        f"  Whisper {provenance['transcriber']['model']}, {provenance['created_at']}.",
        "",
    ]


def _how_to_repeat(timeline: Timeline, name: str) -> list[str]:
    command = repeat_command(timeline)
    if not command:
        return []
    return [
        "TO REPEAT",
        "  In a copy of the project, with timeline.json from here, and with",
        f"  {name}:",
        "",
        f"    {command}",
        "",
        "  It checks that file and model are the same, analyses with the same settings, and says in what the",
        "  result differs. All settings and versions are in provenance.json.",
        "",
    ]


def _checksums(entries: Mapping[str, Path]) -> str:
    lines = []
    for name, path in entries.items():
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return "".join(lines)


def _add(archive: zipfile.ZipFile, name: str, path: Path, time: tuple[int, int, int, int, int, int]) -> None:
    """Copy a file into the archive piece by piece, readable for everyone."""
    entry = zipfile.ZipInfo(name, time)
    entry.compress_type = zipfile.ZIP_STORED if path.suffix in COMPRESSED_ALREADY else zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    entry.file_size = path.stat().st_size  # beyond 2 GiB the header has another form
    with path.open("rb") as file, archive.open(entry, "w") as target:
        shutil.copyfileobj(file, target)


def _zip_time(timeline: Timeline) -> tuple[int, int, int, int, int, int]:
    """When the analysis was made, in UTC; the earliest that a zip knows where that is not said."""
    created_at = timeline.provenance.get("created_at")
    if created_at is None:
        return (EARLIEST_ZIP_YEAR, 1, 1, 0, 0, 0)
    time = datetime.fromisoformat(created_at).astimezone(UTC)
    return (time.year, time.month, time.day, time.hour, time.minute, time.second)
