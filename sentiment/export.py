"""A timeline as files. One table says which kinds there are; everything that offers or writes them reads it.

Each file appears whole or not at all: it is written beside its place and then renamed.

    export           the table, and `write_all`
    timeline_json    JSON
    tables           CSV: a row per segment, and the long form
    captions         SRT and WebVTT
    elan             tiers for ELAN
    markers          chapters and markers for editors
    report           one HTML page that needs nothing else
    annotate         the video with its answers in the picture
    bundle           all of them with where they come from
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from sentiment.datatypes import Timeline
from sentiment.errors import SettingsError
from sentiment.timeline_json import timeline_json, timeline_to_dict

__all__ = [
    "DEFAULT_KINDS",
    "EXPORT_KINDS",
    "ExportKind",
    "ExportProgress",
    "export_kinds",
    "possible_kinds",
    "timeline_to_dict",
    "write_all",
    "write_export",
]

ExportProgress = Callable[[float], None]
"""Called with the share that is done, in [0, 1]. An exception that it raises ends the writing, and leaves nothing."""


# ---------------------------------------------------------------- which there are


@dataclass(frozen=True, slots=True)
class ExportKind:
    """One kind of file that a timeline can leave as."""

    key: str
    """What `write_all` and `--formats` call it."""
    label: str
    """For a button."""
    help: str
    """One line, for the person who wonders whether this is the one."""
    file_name: str
    media_type: str
    slow: bool = False
    """Takes as long as the video or longer: to be made when it is asked for, with progress."""
    needs_picture: bool = False
    """Can be made of a file with a picture only."""

    @property
    def ending(self) -> str:
        """Of the file's name, with its dot."""
        return Path(self.file_name).suffix


EXPORT_KINDS: tuple[ExportKind, ...] = (
    ExportKind("json", "JSON", "All that was found and where it comes from, for programs.", "timeline.json",
               "application/json"),
    ExportKind("csv", "CSV table", "One row per segment, for spreadsheets.", "segments.csv", "text/csv"),
    ExportKind("long", "CSV, long form", "One row per probability, of each signal too: for pandas and R.",
               "answers.csv", "text/csv"),
    ExportKind("srt", "SRT captions", "Words with emotion, for editors and most players.", "captions.srt",
               "application/x-subrip"),
    ExportKind("vtt", "WebVTT captions", "Words with emotion, for web pages.", "captions.vtt", "text/vtt"),
    ExportKind("eaf", "ELAN", "Words, emotions and each signal as tiers, to annotate further.", "timeline.eaf",
               "application/xml"),
    ExportKind("chapters", "YouTube chapters", "Where the mood turns, for a video's description.", "chapters.txt",
               "text/plain"),
    ExportKind("edl", "DaVinci Resolve markers", "Import > Timeline Markers from EDL.", "markers.edl", "text/plain"),
    ExportKind("xml", "Premiere Pro markers", "A sequence with a marker per segment: File > Import.", "markers.xml",
               "application/xml"),
    ExportKind("html", "Report", "One page with the interactive plots: opens offline, prints well.", "report.html",
               "text/html"),
    ExportKind("mp4", "Annotated video", "The video with its answers below the picture.", "annotated.mp4",
               "video/mp4", slow=True, needs_picture=True),
    ExportKind("zip", "All, to cite and repeat", "Every file, with model, settings, versions and checksums.",
               "bundle.zip", "application/zip", slow=True),
)  # fmt: skip
"""In the order in which they are offered."""

QUICK_EFFORT = 0.02
"""Of what a slow kind takes, for a bar that moves evenly."""

DEFAULT_KINDS = ("json", "csv", "vtt")
"""What is written where nobody chose."""


def export_kinds(keys: Iterable[str]) -> tuple[ExportKind, ...]:
    """The kinds of these keys, each once, in the order of EXPORT_KINDS; "all" stands for every one.

    Raises:
        SettingsError: a key that there is none of.
    """
    wanted = set(keys)
    known = {kind.key for kind in EXPORT_KINDS}
    if unknown := sorted(wanted - known - {"all"}):
        names = ", ".join(kind.key for kind in EXPORT_KINDS)
        raise SettingsError(f"There is no format {unknown[0]!r}; the formats are {names}, or all.")
    return tuple(kind for kind in EXPORT_KINDS if "all" in wanted or kind.key in wanted)


def possible_kinds(timeline: Timeline) -> tuple[ExportKind, ...]:
    """Those of EXPORT_KINDS that this timeline can leave as: without a picture there is none to annotate."""
    has_picture = timeline.video.get("width") is not None
    return tuple(kind for kind in EXPORT_KINDS if has_picture or not kind.needs_picture)


# ---------------------------------------------------------------- files


def write_all(
    timeline: Timeline,
    folder: Path | str,
    kinds: Iterable[str] = DEFAULT_KINDS,
    source: Path | str | None = None,
    on_progress: ExportProgress | None = None,
) -> dict[str, Path]:
    """Write these kinds, keys of EXPORT_KINDS or "all", into `folder`, which is made if need be.

    `source` is the file that was analysed. The annotated video cannot be made without it, and the bundle then goes
    without that one. "all" leaves out the annotated video where there is no picture. Returns their paths by key; all
    of them appear, or none.

    Raises:
        SettingsError: an unknown kind, a folder that cannot be written to, or an annotated video without `source`.
        MediaError: `source` cannot be decoded.
    """
    keys = set(kinds)
    chosen = export_kinds(keys)
    if "all" in keys:
        possible = possible_kinds(timeline)
        chosen = tuple(kind for kind in chosen if kind in possible or kind.key in keys)
    folder, source = Path(folder), None if source is None else Path(source)
    paths = {kind.key: folder / kind.file_name for kind in chosen}
    _write_whole(timeline, {kind: paths[kind.key] for kind in chosen}, source, on_progress)
    return paths


def write_export(
    timeline: Timeline,
    key: str,
    path: Path | str,
    source: Path | str | None = None,
    on_progress: ExportProgress | None = None,
) -> None:
    """Write one kind into a file of any name. `source`, and what is raised, are as in `write_all`."""
    if key == "all":
        raise SettingsError("One file holds one format; write_all writes all of them.")
    (kind,) = export_kinds([key])
    _write_whole(timeline, {kind: Path(path)}, None if source is None else Path(source), on_progress)


def _write_whole(
    timeline: Timeline, paths: dict[ExportKind, Path], source: Path | None, on_progress: ExportProgress | None
) -> None:
    """Write all files of one folder beside their places first, and rename them only when all are whole."""
    if not paths:
        return
    folder = next(iter(paths.values())).parent
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as unfinished:
            written: dict[str, Path] = {}
            whole, done = sum(map(_effort, paths)), 0.0
            for kind, path in paths.items():
                place = Path(unfinished) / path.name
                part = _part(on_progress, done / whole, _effort(kind) / whole)
                _write_one(kind, timeline, place, source, written, part)
                written[kind.key] = place
                done += _effort(kind)
            for kind, path in paths.items():
                written[kind.key].replace(path)
    except OSError as error:
        names = ", ".join(path.name for path in paths.values())
        raise SettingsError(f"Cannot write {names} into {folder}: {error.strerror or error}.") from error
    finally:
        if is_new and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _write_one(
    kind: ExportKind,
    timeline: Timeline,
    path: Path,
    source: Path | None,
    written: dict[str, Path],
    on_progress: ExportProgress,
) -> None:
    """Write one file. `written` are those that are there, by key, so that a bundle need not make them again."""
    match kind.key:
        case "mp4":
            from sentiment.annotate import write_annotated_video

            if source is None:
                raise SettingsError("An annotated video is made from the video itself; name the file as `source`.")
            write_annotated_video(timeline, source, path, on_progress)
        case "zip":
            from sentiment.bundle import write_bundle

            write_bundle(timeline, path, source, on_progress, written)
        case _:
            # File names may hold what is no Unicode; nothing else can.
            path.write_text(_text(kind.key, timeline), encoding="utf-8", errors="replace", newline="")
    on_progress(1.0)


def _text(key: str, timeline: Timeline) -> str:
    """The content of a kind that is text. Each writer is imported where it is used: some bring libraries along."""
    match key:
        case "json":
            return timeline_json(timeline)
        case "csv" | "long":
            from sentiment import tables

            return tables.segments_csv(timeline) if key == "csv" else tables.answers_csv(timeline)
        case "srt" | "vtt":
            from sentiment import captions

            return captions.srt(timeline) if key == "srt" else captions.webvtt(timeline)
        case "eaf":
            from sentiment import elan

            return elan.eaf(timeline)
        case "chapters" | "edl" | "xml":
            from sentiment import markers

            writers = {
                "chapters": markers.youtube_chapters,
                "edl": markers.resolve_edl,
                "xml": markers.premiere_xml,
            }
            return writers[key](timeline)
        case "html":
            from sentiment import report

            return report.html_report(timeline)
    raise AssertionError(f"{key} is in EXPORT_KINDS, but nobody writes it")


def _effort(kind: ExportKind) -> float:
    """About how long it takes, against the others."""
    return 1.0 if kind.slow else QUICK_EFFORT


def _part(on_progress: ExportProgress | None, start: float, length: float) -> ExportProgress:
    """The progress of one of several files, told as progress of all; it begins at `start` and takes `length` of it."""

    def tell(share: float) -> None:
        if on_progress is not None:
            on_progress(min(1.0, start + length * share))

    return tell
