"""The command `python -m sentiment batch PATHS… --out DIR`: its options, its progress bar and what it prints."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from sentiment.batch_files import BatchFile, find_files, read_list
from sentiment.command_line import EXIT_INTERRUPTED, check_out
from sentiment.errors import SettingsError

if TYPE_CHECKING:
    from sentiment.batch import BatchSettings

LOG: Final = "batch.log"
"""In the results' folder: what Ray and the libraries have to say."""

EXIT_SOME_FAILED: Final = 1


def add_batch_command(commands: Any) -> None:
    """Add the command to argparse's subcommands."""
    batch = commands.add_parser(
        "batch",
        help="analyse many files",
        description="Analyse many video or sound files with several workers, on this machine or on a Ray cluster. "
        "Writes segments.parquet, summaries.parquet and ranking.html into DIR when all is done, and prints the files "
        "in order of their mean sentiment. What is done is kept: the same command goes on where it was stopped. "
        "Exit code 0: all files were analysed; 1: the results name some that could not be.",
    )
    batch.add_argument(
        "paths",
        type=Path,
        nargs="*",
        metavar="PATH",
        help="a file, or a folder that is searched to its bottom for files that are called like a video or sound",
    )
    batch.add_argument(
        "--from-file", metavar="LIST", help="a text file of more paths, one a line; - reads them from stdin"
    )
    batch.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    batch.add_argument(
        "--viewing",
        default="speaking",
        choices=("speaking", "watching"),
        help="whether people speak in the files, or watch something (default: speaking)",
    )
    batch.add_argument(
        "--language", metavar="CODE", help='what is spoken, such as "en" (default: detected in each file)'
    )
    batch.add_argument(
        "--whisper", default="base", metavar="NAME", help="speech recogniser: a model's name or folder (default: base)"
    )
    batch.add_argument(
        "--checkpoint", metavar="DIR", help="trained weights: a folder or hf://NAME (default: the bundled ones)"
    )
    batch.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="files that are analysed at a time (default: as many as there is room for)",
    )
    batch.add_argument(
        "--gpus-per-worker",
        type=float,
        metavar="SHARE",
        help="GPUs of each worker: 0.25 puts four on one, 0 uses none (default: 1 where there are any)",
    )
    batch.add_argument("--address", metavar="HOST:PORT", help="a Ray cluster to work on (default: this machine alone)")


def batch(options: argparse.Namespace) -> int:
    """Analyse what the options name; returns the exit code.

    Raises:
        SettingsError: there is nothing to analyse, Ray is not installed, or an option asks for what is not there.
        CheckpointError, TranscriptionError: as `sentiment.batch.run_batch` does.
    """
    from sentiment.batch_ray import require_ray

    # What cannot work is said before the models are looked at, which takes seconds.
    require_ray()
    files = find_files([*options.paths, *_listed(options.from_file)])
    check_out(options.out)

    from sentiment.batch import run_batch

    with _others_into(options.out / LOG) as screen, _Bar(files, screen) as bar:
        try:
            rows = run_batch(files, options.out, _settings_of(options), bar.update)
        except KeyboardInterrupt:
            bar.say(
                f"interrupted: {bar.done} of {len(files)} files are done and kept; "
                "the same command goes on where this one stopped"
            )
            return EXIT_INTERRUPTED
    print_ranking(rows)
    return EXIT_SOME_FAILED if any(row.get("error") for row in rows) else 0


def _settings_of(options: argparse.Namespace) -> BatchSettings:
    from sentiment.batch import BatchSettings
    from sentiment.settings import AnalysisSettings

    return BatchSettings(
        checkpoint=options.checkpoint,
        whisper=options.whisper,
        analysis=AnalysisSettings(language=options.language, viewing=options.viewing),
        workers=options.workers,
        gpus_per_worker=options.gpus_per_worker,
        address=options.address,
    )


def _listed(name: str | None) -> list[str]:
    """The paths of --from-file."""
    if name is None:
        return []
    if name == "-":
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="surrogateescape")  # names of files need not be Unicode
        return read_list(sys.stdin)
    try:
        with Path(name).open(encoding="utf-8", errors="surrogateescape") as file:
            return read_list(file)
    except OSError as error:
        raise SettingsError(
            f"--from-file needs a text file of paths; {name} cannot be read: {error.strerror}."
        ) from error


# ---------------------------------------------------------------- what is printed


@contextlib.contextmanager
def _others_into(log: Path) -> Iterator[TextIO]:
    """All that is printed goes into this file, apart from what is printed into the stream that is given: stderr.

    Ray says much, on both streams, in part from native code that knows nothing of `sys.stderr`.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        file = log.open("w", encoding="utf-8", errors="replace")
    except OSError as error:
        raise SettingsError(f"Cannot write {log}: {error.strerror or error}.") from error
    with file, os.fdopen(os.dup(2), "w", errors="backslashreplace") as screen:
        kept = {number: os.dup(number) for number in (1, 2)}
        try:
            for number in kept:
                os.dup2(file.fileno(), number)
            yield screen
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in kept.items():
                os.dup2(copy, number)
                os.close(copy)


def print_ranking(rows: Sequence[dict[str, Any]]) -> None:
    """A line per file, "+0.42  certain 80%  joy  talk.mp4", the sentence about all, and what failed."""
    from sentiment.batch_ranking import leading_emotion, rank, set_headline
    from sentiment.compare import format_score
    from sentiment.timeline import format_percent

    ranked, failed = rank(rows)
    print(f"{'mean':>5}  {'certain':>8}  {'emotion':<9}  file")
    for row in ranked:
        certain = format_percent(row["certain_share"])
        score = format_score(row.get("mean_sentiment_score"))
        print(f"{score:>5}  {certain:>8}  {leading_emotion(row) or '-':<9}  {_one_line(row['path'])}")
    print(f"\n{set_headline(rows)}")
    for row in failed:
        print(f"not analysed: {_one_line(row['path'])}: {row['error']}")


def _one_line(path: str) -> str:
    from sentiment.plain_text import one_line

    return one_line(path)


class _Bar:
    """A progress bar, with the time left by what is left to read."""

    def __init__(self, files: Sequence[BatchFile], screen: TextIO) -> None:
        from tqdm import tqdm

        self.done = 0
        self._screen = screen
        self._failed = 0
        self._count = len(files)
        # Bars are drawn over each other, which a log cannot show: there, it is drawn at the beginning and the end.
        mininterval = 0.1 if screen.isatty() else float("inf")
        self._bar = tqdm(
            total=sum(map(_weight, files)),
            bar_format="{desc} {percentage:3.0f}% |{bar}| {remaining} left",
            desc=self._words(),
            mininterval=mininterval,
            file=screen,
        )

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def update(self, file: BatchFile, error: str | None) -> None:
        """A BatchProgress."""
        self.done += 1
        if error is not None:
            self._failed += 1
            self.say(f"note: {file.path}: {error}")
        self._bar.set_description_str(self._words(), refresh=False)
        self._bar.update(_weight(file))

    def say(self, line: str) -> None:
        """A line above the bar."""
        self._bar.write(" ".join(line.split()), file=self._screen)

    def _words(self) -> str:
        words = f"{self.done} of {self._count} files"
        return f"{words}, {self._failed} not analysed" if self._failed else words


def _weight(file: BatchFile) -> int:
    """How much of the bar a file is: by its size, since its length is not known before it is read."""
    return max(1, file.size_bytes)
