"""On the command line: `compare A B`, and `reactions --stimulus S R1 R2 ...`.

Every file may also be the timeline.json or the bundle.zip of an earlier analysis, which takes no time. Results go to
stdout as a table, as JSON or as CSV. Exit code of `reactions`: 1 where a recording was left out, which stderr says.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentiment.errors import SentimentError, SettingsError

if TYPE_CHECKING:
    from sentiment.compare import Comparison, Cut, WindowMean
    from sentiment.datatypes import Moment, Timeline
    from sentiment.pipeline import LoadedModels
    from sentiment.reactions import Reactions

COMMANDS = ("compare", "reactions")

CHANGES_PRINTED = 6

EXIT_LEFT_OUT = 1

StageBars = Callable[[], AbstractContextManager[Any]]
"""Makes progress bars whose `update` is a `sentiment.pipeline.ProgressCallback`."""


def add_compare_commands(commands: Any) -> None:
    """Add both to the subparsers of the command line."""
    compare = commands.add_parser(
        "compare",
        help="compare two cuts of one video",
        description="Compare two cuts: sentiment over time, opening, peaks, end and mean, share of each emotion, and "
        "the stretches that changed most. Each is a video, a sound file, a timeline.json or a bundle.zip.",
    )
    compare.add_argument("first", type=Path, metavar="A", help="the first cut")
    compare.add_argument("second", type=Path, metavar="B", help="the second cut")
    compare.add_argument("--relative", action="store_true", help="match shares of each cut instead of seconds")
    reactions = commands.add_parser(
        "reactions",
        help="lay several viewers' reactions over what they watched",
        description="Mean and spread of several people, each recorded while they watched the same. They are read "
        "from their faces alone. A recording that cannot be read is left out, and the exit code is then 1.",
    )
    reactions.add_argument("recordings", type=Path, nargs="+", metavar="RECORDING", help="one file for each viewer")
    reactions.add_argument("--stimulus", type=Path, metavar="VIDEO", help="what they watched")
    reactions.add_argument(
        "--starts",
        metavar="LIST",
        help="at how many seconds of each recording the stimulus begins, with commas between; negative where the "
        "recording began after it (default: 0 for all); with a negative one first, write --starts=-1,0",
    )
    for command in (compare, reactions):
        form = command.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_const", const="json", dest="form", help="print everything as JSON")
        form.add_argument("--csv", action="store_const", const="csv", dest="form", help="print the curves as CSV")
        command.add_argument("--whisper", default="base", metavar="NAME", help="as in analyze")
        command.add_argument("--language", metavar="CODE", help="as in analyze")
        command.add_argument("--checkpoint", metavar="DIR", help="as in analyze")
        command.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="as in analyze")


def run_compare_command(options: argparse.Namespace, stage_bars: StageBars) -> int:
    """Run either of COMMANDS; returns the exit code. Raises SentimentError for bad input."""
    reader = _Reader(options, stage_bars)
    return _compare(options, reader) if options.command == "compare" else _reactions(options, reader)


class _Reader:
    """Timelines of files. Models are loaded for the first one that has to be analysed, and kept."""

    def __init__(self, options: argparse.Namespace, stage_bars: StageBars) -> None:
        self._options = options
        self._stage_bars = stage_bars
        self._models: LoadedModels | None = None

    def timeline(self, path: Path, watching: bool = False) -> Timeline:
        """Of one file, read from its record or analysed."""
        from sentiment.compare_records import is_record, read_timeline

        if is_record(path):
            return read_timeline(path)
        from sentiment.media import open_media

        open_media(path).close()  # what cannot be read is said before the models are loaded
        from sentiment.pipeline import analyze_video, load_models
        from sentiment.settings import AnalysisSettings

        options = self._options
        if self._models is None:
            self._models = load_models(options.checkpoint, options.whisper, options.device)
        settings = AnalysisSettings(language=options.language, viewing="watching" if watching else "speaking")
        print(path.name, file=sys.stderr)
        with self._stage_bars() as bars:
            return analyze_video(path, self._models, settings, bars.update)


# ---------------------------------------------------------------- two cuts


def _compare(options: argparse.Namespace, reader: _Reader) -> int:
    from sentiment.compare import compare_timelines
    from sentiment.compare_tables import comparison_csv, comparison_json

    first, second = reader.timeline(options.first), reader.timeline(options.second)
    comparison = compare_timelines(first, second, options.relative)
    if options.form is None:
        _print_lines(_comparison_lines(comparison))
    else:
        sys.stdout.write(comparison_json(comparison) if options.form == "json" else comparison_csv(comparison))
    return 0


def _comparison_lines(comparison: Comparison) -> Iterator[str]:
    from sentiment.compare import CUT_LETTERS, WINDOW_SECONDS, comparison_headline, format_score, length_note
    from sentiment.compare_figures import answer_in_words, span_in_words

    first, second = comparison.cuts
    summaries = [cut.timeline.summary for cut in comparison.cuts]
    yield from (f"{letter}  {cut.name}" for letter, cut in zip(CUT_LETTERS, comparison.cuts, strict=True))
    yield ""
    yield _columns("", CUT_LETTERS, "B - A")
    means = [format_score(summary.mean_sentiment_score) for summary in summaries]
    yield _columns("mean", means, format_score(comparison.mean_difference))
    windows = (("first", first.opening, second.opening), ("last", first.ending, second.ending))
    for name, before, after in windows:
        scores = [format_score(window.sentiment_score) for window in (before, after)]
        yield _columns(f"{name} {WINDOW_SECONDS:.0f} s", scores, format_score(_difference(before, after)))
    for side in ("positive", "negative"):
        peaks = [_peak(cut, getattr(cut.timeline.summary, f"strongest_{side}")) for cut in comparison.cuts]
        yield _columns(f"most {side}", peaks)
    for emotion, difference in comparison.emotion_difference.items():
        shares = [f"{100 * summary.emotion_share[emotion]:.0f}%" for summary in summaries]
        yield _columns(emotion, shares, f"{100 * difference:+.0f} points")
    yield ""
    for change in comparison.changes[:CHANGES_PRINTED]:
        a, b = map(answer_in_words, comparison.answers(change))
        span = span_in_words(comparison, change.start, change.end)
        yield f"{span:<15}  {format_score(change.difference)}  A {a}; B {b}"
    yield ""
    yield " ".join(line for line in (comparison_headline(comparison), length_note(comparison)) if line)


def _difference(first: WindowMean, second: WindowMean) -> float | None:
    if first.sentiment_score is None or second.sentiment_score is None:
        return None
    return second.sentiment_score - first.sentiment_score


def _peak(cut: Cut, moment: Moment | None) -> str:
    from sentiment.compare import format_score
    from sentiment.timeline import format_clock

    if moment is None:
        return "–"
    affect = cut.timeline.segments[moment.segment_index].affect
    emotion = affect.top_emotion if affect is not None else ""
    return f"{format_score(moment.sentiment_score)} at {format_clock(moment.time_seconds)} {emotion}"


# ---------------------------------------------------------------- several viewers


def _reactions(options: argparse.Namespace, reader: _Reader) -> int:
    from sentiment.reactions import Recording, combine_reactions
    from sentiment.reactions_tables import reactions_csv, reactions_json

    starts = _starts(options.starts, len(options.recordings))
    stimulus = None if options.stimulus is None else reader.timeline(options.stimulus)
    recordings, failed = [], 0
    for path, start in zip(options.recordings, starts, strict=True):
        try:
            recording = Recording(reader.timeline(path, watching=True), start)
            combine_reactions([recording], stimulus)  # whether it can be laid over the stimulus
            recordings.append(recording)
        except SentimentError as error:
            failed += 1
            print(f"left out: {' '.join(str(error).split())}", file=sys.stderr)
    if not recordings:
        raise SettingsError("No recording is left.")
    reactions = combine_reactions(recordings, stimulus)
    if options.form is None:
        _print_lines(_reactions_lines(reactions))
    else:
        sys.stdout.write(reactions_json(reactions) if options.form == "json" else reactions_csv(reactions))
    return EXIT_LEFT_OUT if failed else 0


def _starts(given: str | None, count: int) -> Sequence[float]:
    """Seconds for each recording; raises SettingsError where these are not numbers, or not as many."""
    if given is None:
        return [0.0] * count
    try:
        starts = [float(part) for part in given.split(",")]
    except ValueError:
        starts = [math.nan]
    if not all(math.isfinite(start) for start in starts):
        raise SettingsError(f"--starts needs seconds with commas between, such as 0,1.5; got {given!r}.")
    if len(starts) != count:
        raise SettingsError(f"--starts needs a number for each of {count} recordings, got {len(starts)}.")
    return starts


def _reactions_lines(reactions: Reactions) -> Iterator[str]:
    from sentiment.compare import format_score
    from sentiment.reactions import coverage_notes, reactions_headline
    from sentiment.timeline import format_clock, format_percent

    edges = reactions.cells.edges
    yield f"{'time':>7}  {'mean':>6}  {'spread':>6}  viewers"
    for column, viewers in enumerate(reactions.viewers.tolist()):
        spread = f"{reactions.deviation[column]:.2f}" if viewers > 1 else "–"
        mean = format_score(reactions.mean[column])
        yield f"{format_clock(edges[column]):>7}  {mean:>6}  {spread:>6}  {viewers} of {len(reactions.recordings)}"
    yield ""
    for viewer in reactions.viewer_means:
        yield f"{format_score(viewer.mean):>7}  answered {format_percent(viewer.answered_share):<8}  {viewer.name}"
    yield ""
    yield " ".join([reactions_headline(reactions), *coverage_notes(reactions)])


def _columns(name: str, cells: Sequence[str], difference: str = "") -> str:
    return f"{name:<14}{cells[0]:<24}{cells[1]:<24}{difference}".rstrip()


def _print_lines(lines: Iterator[str]) -> None:
    for line in lines:
        print(line)
