"""Many files at once: each becomes rows of two tables, and a page puts them in order.

    batch_files     which files there are
    batch_parts     what is kept of each as soon as it is done
    batch_worker    models loaded once, and one file after the other
    batch_ray       workers on one machine or many, through Ray Data
    batch_results   the tables
    batch_ranking   the page
    batch_command   the command line

A file that cannot be read costs itself alone. A batch that is stopped, in whatever way, goes on when it is run again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import sentiment
from sentiment.batch_files import BatchFile
from sentiment.batch_parts import Part, PartStore, refused_part
from sentiment.batch_ray import analyse_files, require_ray, running_ray
from sentiment.batch_results import write_results
from sentiment.batch_worker import Analyst
from sentiment.checkpoint import checkpoint_sha256, verify_files
from sentiment.hub import find_checkpoint
from sentiment.settings import AnalysisSettings
from sentiment.whisper_files import find_whisper_files

LOST: Final = (
    "No worker could finish this file: each that tried crashed, ran out of memory or met an error of the program."
)

BatchProgress = Callable[[BatchFile, str | None], None]
"""Called with each file that is done, by this run or an earlier one, and with the sentence that says why it has no
answer; None where it has one. An exception that it raises ends the batch; what is done is kept."""


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How a batch is made. Where it runs does not belong to its results: another run may have more workers."""

    checkpoint: str | None = None
    """As for `load_models`."""
    whisper: str = "base"
    analysis: AnalysisSettings = field(default_factory=AnalysisSettings)
    workers: int | None = None
    """None: as many as the machines have room for; see `share_out`."""
    gpus_per_worker: float | None = None
    """None: a whole one where there are any. A part such as 0.25 puts four workers on one."""
    address: str | None = None
    """Of a Ray cluster; None: this machine alone. "auto" takes the cluster this machine belongs to."""


def run_batch(
    files: Sequence[BatchFile],
    folder: Path | str,
    settings: BatchSettings = BatchSettings(),
    on_progress: BatchProgress | None = None,
    analyst: type = Analyst,
) -> list[dict[str, Any]]:
    """Analyse these files and write the results into `folder`; returns the rows of summaries.parquet.

    A file that is done, and that has not changed since, is not analysed again. One that cannot be read has a row that
    says so, and so has one that no worker could finish; the next run tries that one again. `analyst` is what runs
    in the workers.

    Raises:
        SettingsError: Ray is not installed or not there, or the folder cannot be written to.
        CheckpointError, TranscriptionError: there are no such weights, or no such recogniser or language.
    """
    require_ray()
    folder = Path(folder)
    report = on_progress or _ignore
    store = PartStore(folder, _origin(settings))
    todo = [file for file in files if not store.has(file)]
    waiting = set(todo)
    for file in files:
        if file not in waiting:
            report(file, _error_of(store.read(file)))
    lost = _analyse(todo, store, settings, report, analyst) if todo else {}
    parts = (lost.get(file) or store.read(file) or lost_part(file) for file in files)
    return write_results(folder, files, parts, store.origin)


def lost_part(file: BatchFile) -> Part:
    """The one row of a file that no worker could finish. It is not kept: the next run tries again."""
    return refused_part(file.path.name, LOST)


def _analyse(
    todo: Sequence[BatchFile], store: PartStore, settings: BatchSettings, report: BatchProgress, analyst: type
) -> dict[BatchFile, Part]:
    """Keep the parts of these files; returns those of the ones that are not kept, because nothing came back."""
    # The largest first: a long file that comes last would keep one worker busy and the others idle.
    todo = sorted(todo, key=lambda file: -file.size_bytes)
    arguments = {
        "checkpoint": None if settings.checkpoint is None else _from_anywhere(settings.checkpoint),
        "checkpoint_sha256": store.origin["checkpoint_sha256"],
        "whisper": _from_anywhere(settings.whisper),
        "settings": settings.analysis,
    }
    missing = dict(enumerate(todo))
    with running_ray(settings.address):
        may_grow = settings.address is not None
        answers = analyse_files(todo, analyst, arguments, settings.workers, settings.gpus_per_worker, may_grow)
        for answer in answers:
            file = missing.pop(answer["number"])
            store.write(file, answer["part"])
            report(file, answer["error"] or None)
    lost = {file: lost_part(file) for file in missing.values()}
    for file, part in lost.items():
        report(file, _error_of(part))
    return lost


def _origin(settings: BatchSettings) -> dict[str, Any]:
    """All that the answers depend on besides the files; checks on the way that it can be had.

    Raises CheckpointError or TranscriptionError where it cannot.
    """
    checkpoint = find_checkpoint(settings.checkpoint)
    name = verify_files(checkpoint)["name"]
    find_whisper_files(settings.whisper)
    _check_language(settings)
    return {
        "version": sentiment.__version__,
        "checkpoint": name,
        "checkpoint_sha256": checkpoint_sha256(checkpoint),
        "whisper": settings.whisper,
        "settings": asdict(settings.analysis),
    }


def _check_language(settings: BatchSettings) -> None:
    """Raises TranscriptionError for a language that Whisper does not know, rather than once for each file."""
    if settings.analysis.language is None:
        return
    import numpy as np

    from sentiment.media_datatypes import AudioTrack
    from sentiment.transcription import SAMPLE_RATE_HZ, load_transcriber

    nothing = AudioTrack(np.empty(0, np.float32), SAMPLE_RATE_HZ)
    load_transcriber(settings.whisper, "cpu").transcribe(nothing, settings.analysis.language)


def _from_anywhere(address: str) -> str:
    """A folder's name that means the same where another folder is the current one, as it is for workers."""
    return str(Path(address).absolute()) if Path(address).is_dir() else address


def _error_of(part: Mapping[str, Any] | None) -> str | None:
    return None if part is None else part["summary"].get("error")


def _ignore(_: BatchFile, __: str | None) -> None:
    """Where nobody wants to know."""
