"""The command line: `python -m sentiment analyze VIDEO --out DIR`, and `repeat RECORD VIDEO` to get the same again.

Results go to stdout; progress, notices and errors to stderr. Exit codes: 0 done, 1 repeated with another result,
2 bad input or bad arguments, 130 interrupted. Files are written when all is done: an interrupted analysis
leaves nothing.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sentiment.batch_command import add_batch_command, batch
from sentiment.command_line import EXIT_INTERRUPTED, check_out
from sentiment.compare_command import COMMANDS as COMPARE_COMMANDS
from sentiment.compare_command import add_compare_commands, run_compare_command
from sentiment.edit_options import add_edit_options, edits_from
from sentiment.errors import SentimentError, SettingsError

if TYPE_CHECKING:
    from sentiment.datatypes import SegmentPrediction, Timeline
    from sentiment.media import MediaFile
    from sentiment.settings import Stage

EXIT_DIFFERENT = 1
EXIT_BAD_INPUT = 2


def build_parser() -> argparse.ArgumentParser:
    """Every option and its default."""
    parser = argparse.ArgumentParser(
        prog="python -m sentiment",
        description="Emotion and sentiment over the time of a video, from words, voice and face.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    analyze = commands.add_parser(
        "analyze",
        help="analyse one video or sound file",
        description="Analyse one video or sound file. Writes the results into DIR when all is done, "
        "and prints a table of what was found.",
    )
    analyze.add_argument("video", type=Path, metavar="VIDEO", help="a video or sound file")
    analyze.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    analyze.add_argument(
        "--formats",
        default="json,csv,vtt",
        metavar="LIST",
        help="what to write, with commas between: json, csv, long (CSV, a row per probability), srt, vtt, eaf (ELAN), "
        "chapters (YouTube), edl (DaVinci Resolve), xml (Premiere Pro), html (report), mp4 (annotated video), "
        "zip (all of them, to cite and repeat); or all (default: json,csv,vtt)",
    )
    analyze.add_argument(
        "--whisper", default="base", metavar="NAME", help="speech recogniser: a model's name or folder (default: base)"
    )
    analyze.add_argument("--language", metavar="CODE", help='what is spoken, such as "en" (default: detected)')
    analyze.add_argument(
        "--viewing",
        default="speaking",
        choices=("speaking", "watching"),
        help="somebody speaks, or somebody watches something and is read from the face alone (default: speaking)",
    )
    add_edit_options(analyze)
    repeat = commands.add_parser(
        "repeat",
        help="analyse a file again, as it was recorded",
        description="Analyse a file again with the settings of a timeline.json, or of the bundle that holds it, "
        "and say in what the result differs. Exit code 0: in nothing; 1: in something.",
    )
    repeat.add_argument("record", type=Path, metavar="RECORD", help="a timeline.json or a bundle.zip")
    repeat.add_argument("video", type=Path, metavar="VIDEO", help="the file that was analysed")
    add_batch_command(commands)
    add_compare_commands(commands)
    for command in (analyze, repeat):
        command.add_argument(
            "--checkpoint", metavar="DIR", help="trained weights: a folder or hf://NAME (default: the bundled ones)"
        )
        command.add_argument(
            "--device", default="auto", choices=("auto", "cpu", "cuda"), help="auto takes CUDA where there is one"
        )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. Only bad arguments raise SystemExit, with code 2."""
    options = build_parser().parse_args(arguments)
    try:
        with _quiet_libraries(), _notices_on_stderr():
            if options.command == "repeat":
                return repeat(options)
            if options.command == "batch":
                return batch(options)
            if options.command in COMPARE_COMMANDS:
                return run_compare_command(options, _StageBars)
            timeline = analyze(options)
    except SentimentError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        return EXIT_INTERRUPTED
    print_timeline(timeline)
    return 0


def analyze(options: argparse.Namespace) -> Timeline:
    """Analyse the file that the options name, and write its results."""
    from sentiment.media import open_media

    # What cannot work is said before the models are loaded, which takes seconds.
    check_out(options.out)
    edits = edits_from(options)
    formats = [key.strip() for key in options.formats.split(",")]
    with open_media(options.video) as media:
        _check_formats(formats, media)

    from sentiment.export import export_kinds, write_all
    from sentiment.pipeline import analyze_video, load_models
    from sentiment.settings import AnalysisSettings

    models = load_models(options.checkpoint, options.whisper, options.device)
    with _StageBars() as bars:
        settings = AnalysisSettings(language=options.language, viewing=options.viewing)
        timeline = analyze_video(options.video, models, settings, bars.update, edits)
        takes_long = any(kind.slow for kind in export_kinds(formats))
        write_all(timeline, options.out, formats, options.video, bars.writing(timeline) if takes_long else None)
    return timeline


def repeat(options: argparse.Namespace) -> int:
    """Analyse the file that the options name as their record says, and print what differs; returns the exit code."""
    from sentiment.media import open_media
    from sentiment.repeat import check_same_file, check_same_model, differences, edits_of, read_record, settings_of

    record = read_record(options.record)
    open_media(options.video).close()
    check_same_file(record, options.video)

    from sentiment.export import timeline_to_dict
    from sentiment.pipeline import analyze_video, load_models

    settings, edits = settings_of(record), edits_of(record)
    models = load_models(options.checkpoint, record["provenance"]["transcriber"]["model"], options.device)
    check_same_model(record, models)
    with _StageBars() as bars:
        timeline = analyze_video(options.video, models, settings, bars.update, edits)
    lines = differences(record, timeline_to_dict(timeline))
    print("\n".join(lines) if lines else f"the same: all {len(timeline.segments)} segments")
    return EXIT_DIFFERENT if lines else 0


def _check_formats(formats: Sequence[str], media: MediaFile) -> None:
    """Raises SettingsError where there is no such format, or this file cannot become it."""
    from sentiment.export import export_kinds

    for kind in export_kinds(formats):
        if kind.needs_picture and media.video is None and kind.key in formats:
            raise SettingsError(f"{media.path.name} has no picture; the format {kind.key} needs one.")


# ---------------------------------------------------------------- stdout


def print_timeline(timeline: Timeline) -> None:
    """A line per segment, "0:04  joy 82%  positive  Look at that!", and the headline. A terminal gets short lines."""
    from sentiment.languages import language_note
    from sentiment.timeline import headline

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    print(f"{'time':>7}  {'emotion':<14}  {'sentiment':<9}  words")
    for prediction in timeline.segments:
        line = _table_line(prediction)
        print(line if len(line) <= width else line[: width - 1] + "…")
    print(f"\n{headline(timeline)}")
    if note := language_note(timeline):
        print(note)


def _table_line(prediction: SegmentPrediction) -> str:
    from sentiment.doubt import doubt_about
    from sentiment.timeline import format_clock, format_percent

    emotion, sentiment = "-", "-"
    if prediction.affect is not None:
        doubt = doubt_about(prediction)
        name = prediction.affect.top_emotion if doubt is None else f"{doubt.likeliest} {doubt.objection}?"
        emotion = f"{name} {format_percent(prediction.affect.confidence)}"
        sentiment = prediction.affect.top_sentiment
    words = prediction.segment.text if prediction.segment.kind == "speech" else "(silent)"
    if prediction.segment.translation:
        words += f" [{prediction.segment.translation}]"
    return f"{format_clock(prediction.segment.start_seconds):>7}  {emotion:<25}  {sentiment:<9}  {words}"


# ---------------------------------------------------------------- stderr


class _StageBars:
    """A progress bar for each stage, in seconds of the video, each from the moment its stage begins."""

    def __init__(self) -> None:
        from tqdm import tqdm

        self._tqdm = tqdm
        self._bars: dict[str, tqdm] = {}
        # Bars on several lines move the cursor, which a log cannot: there, each is drawn twice, one by one.
        self._interactive = sys.stderr.isatty()

    def __enter__(self) -> _StageBars:
        return self

    def __exit__(self, *_: object) -> None:
        for bar in self._bars.values():
            bar.close()

    def writing(self, timeline: Timeline) -> Callable[[float], None]:
        """An ExportProgress, shown as one more stage."""
        return lambda share: self.update("write", share * timeline.duration_seconds, timeline.duration_seconds)

    def update(self, stage: Stage | Literal["write"], done_seconds: float, total_seconds: float) -> None:
        """A ProgressCallback."""
        if stage not in self._bars:
            self._bars[stage] = self._tqdm(
                desc=stage,
                total=round(total_seconds, 1),
                unit="s",
                bar_format="{desc:>7} {percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} s, {remaining} left",
                position=len(self._bars) if self._interactive else 0,
                mininterval=0.1 if self._interactive else float("inf"),
                file=sys.stderr,
            )
        bar = self._bars[stage]
        bar.update(round(done_seconds, 1) - bar.n)


@contextmanager
def _notices_on_stderr() -> Iterator[None]:
    """Shows what the package logs (INFO and above) as plain lines on stderr, above any progress bar."""
    handler = _NoticeHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("sentiment")
    level_before, propagate_before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level_before)
        logger.propagate = propagate_before


class _NoticeHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        tqdm.write(f"note: {self.format(record)}", file=sys.stderr)


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keeps the libraries' own bars, advice and deprecation warnings off the screen."""
    for name, value in {
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
    }.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


if __name__ == "__main__":
    sys.exit(main())
