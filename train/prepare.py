"""python -m train prepare: decodes every clip of MELD once, so that training need not.

A clip that cannot be read costs itself alone: it is listed with its reason, and its words are kept. The run may
be broken off at any time; the next one goes on from there.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, get_args

import av
import cv2
from tqdm import tqdm

from sentiment.clip_datatypes import ClipSettings
from sentiment.errors import MediaError, SettingsError
from sentiment.labels import EMOTIONS
from train.clip_cache import (
    cache_folder,
    clip_path,
    index_path,
    read_header,
    replace_file,
    write_clip,
    write_index,
)
from train.clip_decoding import decode_clip
from train.corpora import Split, meld
from train.errors import DataError
from train.isolation import Crashed, run_isolated
from train.unpacking import make_folder

logger = logging.getLogger(__name__)

SHORT_SECONDS: Final = 0.5
"""Shorter clips are counted in the report, and used: 406 utterances of MELD are, among them "What?" and "Hi!"."""

CLIP_LIMIT_SECONDS: Final = 300
"""A clip of thirty seconds takes less than one; what is still being decoded after this hangs."""


def prepare(data_folder: Path, settings: ClipSettings, workers: int = 0) -> dict[str, Any]:
    """Decodes what is not yet decoded of every part whose CSV file is there; returns the report.

    Everything lies in `cache_folder(data_folder, settings)` then, the report as report.json.

    Raises DataError where MELD is absent, malformed or without clips, or the disk is full.
    """
    if workers < 0:
        raise SettingsError(f"The number of workers must be 0 or more, got {workers}.")
    parts: list[Split] = [split for split in get_args(Split) if meld.is_present(data_folder, split)]
    if not parts:
        raise DataError(f"{data_folder} has none of MELD's CSV files; run: python -m train download meld --to ...")
    folder = cache_folder(data_folder, settings)
    rows = {split: meld.clip_rows(data_folder, split) for split in parts}
    jobs = [job for split in parts for job in _jobs(rows[split], index_path(folder, split).parent, settings)]
    unreadable = _decode_all(jobs, workers)
    report: dict[str, Any] = {"cache": str(folder), "parts": {}}
    for split in parts:
        part = index_path(folder, split).parent
        index_rows = [_to_index_row(row, part, unreadable) for row in rows[split]]
        write_index(folder, split, settings, index_rows)
        unannotated = [path.name for path in meld.clips_without_annotation(data_folder, split)]
        report["parts"][part.name] = report_on(index_rows) | {"clips_without_annotation": unannotated}
    replace_file(folder / "report.json", json.dumps(report, ensure_ascii=False, indent=2).encode())
    return report


def _jobs(rows: Sequence[meld.ClipRow], part: Path, settings: ClipSettings) -> list[_Job]:
    """What is to be decoded of a part, that which is decoded already left out."""
    make_folder(part)
    jobs = [_to_job(row, part, settings) for row in rows if row.clip is not None]
    waiting = [job for job in jobs if not job.is_done()]
    logger.info("%s: %d clips, %d of them decoded before", part.name, len(jobs), len(jobs) - len(waiting))
    return waiting


def _decode_all(jobs: Sequence[_Job], workers: int) -> dict[str, str]:
    """Writes the files of all clips that can be decoded; returns why the others cannot, by their keys."""
    unreadable: dict[str, str] = {}
    results = run_isolated(_decode, jobs, workers, CLIP_LIMIT_SECONDS, _use_one_thread)
    for result in tqdm(results, "prepare", len(jobs), unit="clip", disable=None):
        if isinstance(result, Crashed):
            unreadable[result.job.key] = f"the decoder crashed, or was not done after {CLIP_LIMIT_SECONDS} s"
        elif result is not None:
            key, unreadable[key] = result
    return unreadable


# ---------------------------------------------------------------- one clip


@dataclass(frozen=True, slots=True)
class _Job:
    """One clip to be decoded, with all that a worker needs to know."""

    key: str
    clip: Path
    target: Path
    settings: ClipSettings
    max_seconds: float
    sound_excluded: str | None
    source: dict[str, str]
    """What decides, beside the settings, what is kept: compared with what an earlier run noted."""

    def is_done(self) -> bool:
        header = read_header(self.target)
        return header is not None and self.source.items() <= header.items()


def _to_job(row: meld.ClipRow, part: Path, settings: ClipSettings) -> _Job:
    assert row.clip is not None
    target = clip_path(part, row.example.key)
    source = {
        "source": row.clip.name,
        "source_bytes": str(row.clip.stat().st_size),
        "sound_excluded": row.sound_excluded or "",
    }
    return _Job(row.example.key, row.clip, target, settings, row.max_seconds, row.sound_excluded, source)


def _use_one_thread() -> None:
    """There is a worker for each core."""
    cv2.setNumThreads(1)


def _decode(job: _Job) -> tuple[str, str] | None:
    """Runs in a worker: None where all went well, else the clip's key and why it cannot be read."""
    try:
        clip = decode_clip(job.clip, job.settings, job.max_seconds, job.sound_excluded)
    except (MediaError, av.FFmpegError, cv2.error, ValueError) as error:
        # ValueError: damaged headers pass for formats that nothing can convert. Of a MediaError's sentence, the rest
        # says what else would have been accepted.
        return job.key, f"corrupt: {str(error).partition(';')[0]}"
    write_clip(job.target, clip, job.source)
    return None


# ---------------------------------------------------------------- index and report


def _to_index_row(row: meld.ClipRow, part: Path, unreadable: Mapping[str, str]) -> dict[str, Any]:
    example = asdict(row.example)
    del example["audio"], example["image"]
    excluded = row.excluded or unreadable.get(row.example.key)
    if row.clip is None or excluded is not None:
        return {"example": example, "excluded": excluded, "no_frames": excluded, "no_sound": excluded}
    header = read_header(clip_path(part, row.example.key))
    assert header is not None
    return {
        "example": example,
        "excluded": None,
        "clip": row.clip.name,
        "seconds": float(header["seconds"]),
        "no_frames": header["no_frames"] or None,
        "no_sound": header["no_sound"] or None,
    }


def report_on(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a part's index says in all: how many utterances have what, for all and for each emotion, and why not."""
    emotions = [row["example"]["emotion"] for row in rows]
    used = [row for row in rows if row["excluded"] is None]
    return {
        "all": _count(rows),
        "classes": {
            e: _count([row for row in rows if row["example"]["emotion"] == e]) for e in EMOTIONS if e in emotions
        },
        "excluded": {row["example"]["key"]: row["excluded"] for row in rows if row["excluded"] is not None},
        "no_frames": dict(Counter(row["no_frames"] for row in used if row["no_frames"] is not None)),
        "no_sound": dict(Counter(row["no_sound"] for row in used if row["no_sound"] is not None)),
        "recuts": sum(meld.is_recut(Path(row["clip"])) for row in used),
        "shorter_than_half_a_second": sum(row["seconds"] < SHORT_SECONDS for row in used),
        "read_in_part": {
            r["example"]["key"]: round(r["seconds"], 1) for r in used if r["seconds"] > meld.MAX_CLIP_SECONDS
        },
    }


def _count(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    has = Counter((row["no_frames"] is None, row["no_sound"] is None) for row in rows)
    return {
        "utterances": len(rows),
        "frames_and_sound": has[True, True],
        "frames_alone": has[True, False],
        "sound_alone": has[False, True],
        "words_alone": has[False, False],
    }


def describe_report(report: Mapping[str, Any]) -> str:
    """The report for the terminal."""
    lines = [f"{'':14}{'utterances':>11}{'all three':>11}{'no sound':>11}{'no frames':>11}{'words alone':>13}"]
    for part, counts in report["parts"].items():
        for name, count in {part: counts["all"], **{f"  {e}": c for e, c in counts["classes"].items()}}.items():
            utterances, both, frames, sound, words = (f"{n:,}" for n in count.values())
            lines.append(f"{name:14}{utterances:>11}{both:>11}{frames:>11}{sound:>11}{words:>13}")
    for part, counts in report["parts"].items():
        lines.append("")
        lines.append(
            f"{part}: {counts['recuts']} re-cut clips, {counts['shorter_than_half_a_second']} shorter than half a "
            f"second, {len(counts['clips_without_annotation'])} without annotation (left out)"
        )
        for what in ("no_sound", "no_frames"):
            lines += [f"  {what.replace('_', ' ')}: {n:,} because of {why}" for why, n in counts[what].items()]
        lines += [
            f"  {key} lasts {s} s, read up to {meld.MAX_CLIP_SECONDS:g} s" for key, s in counts["read_in_part"].items()
        ]
        lines += [f"  {key} is read for its words alone: {why}" for key, why in counts["excluded"].items()]
    return "\n".join([*lines, "", f"prepared clips and report.json are in {report['cache']}"])
