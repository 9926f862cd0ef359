"""How fast, in how much memory, and against the usual way: PYTHONPATH=. python tests/bench_speed [--quick]

Every measurement is a process of its own; pairs of our way and the usual one follow each other in turns. Figures go
to assets/bench/speed.json and speed.md, and with --readme into README.md. --quick measures the 70 s clip and one minute
once each and writes to runs/bench_speed alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any, Final

from app_start import first_segment_on_screen, start_seconds
from measuring import PROJECT, ask_worker, describe_machine
from tables import to_markdown, write_into_readme
from talking_clip import Utterance, repeated_utterances, write_repeated, write_talking_clip

from train.probes import word_error_rate

WORK: Final = PROJECT / "runs" / "bench_speed"
LENGTHS_SECONDS: Final = {"70 s": 70, "1 min": 60, "10 min": 600, "60 min": 3600}
WARM_UP_SECONDS: Final = 11
"""Long enough for an utterance and what is said after it."""

QUICK: Final = ("70 s", "1 min")


def main(arguments: list[str] | None = None) -> None:
    """Measures, and writes the figures."""
    options = parse_options(arguments)
    WORK.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {"machine": describe_machine(options.threads), "pairs": options.pairs}
    videos, utterances = make_clips(options.lengths)
    figures["clips"] = {name: measure_clip(name, videos[name], utterances[name], options) for name in options.lengths}
    say("stages alone")
    runs = [ask_worker("bare_stages.py", videos["70 s"], threads=options.threads) for _ in range(options.pairs)]
    figures["stages_alone"] = {"whole_over_bare": median([run["whole_over_bare"] for run in runs]), "runs": runs}
    say("start of the app")
    start_seconds(options.threads)  # the disk is warm then
    starts = [start_seconds(options.threads) for _ in range(options.pairs)]
    figures["start_seconds"] = {"median": median(starts), "runs": starts}
    longest = max(options.lengths, key=LENGTHS_SECONDS.__getitem__)
    say(f"first segment of {longest} on the screen")
    shown = [first_segment_on_screen(videos[longest], options.threads) for _ in range(options.pairs)]
    figures["first_on_screen"] = {"video": longest, "seconds": median(shown), "runs": shown}
    write(figures, options.out)
    if options.readme:
        write_into_readme(PROJECT / "README.md", figures)


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    """The command line; --quick stands for the options that make it short."""
    parser = argparse.ArgumentParser(prog="python tests/bench_speed", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one pair of the 70 s clip and of 1 min")
    parser.add_argument("--lengths", nargs="+", choices=LENGTHS_SECONDS, help="what to measure (default: all)")
    parser.add_argument(
        "--usual", nargs="*", choices=LENGTHS_SECONDS, help="the usual way as well (default: but 60 min)"
    )
    parser.add_argument("--pairs", type=int, help="how often each is measured; long ones once (default: 3)")
    parser.add_argument("--threads", type=int, default=2, help="of either side (default: 2)")
    parser.add_argument("--out", type=Path, help="folder (default: assets/bench, with --quick runs/bench_speed)")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    options = parser.parse_args(arguments)
    options.lengths = list(options.lengths or (QUICK if options.quick else LENGTHS_SECONDS))
    if "70 s" not in options.lengths:
        parser.error("the 70 s clip is what the stages alone are measured on: name it, too")
    if options.usual is None:
        options.usual = [name for name in options.lengths if name != "60 min"]
    options.pairs = options.pairs or (1 if options.quick else 3)
    options.out = options.out or (WORK if options.quick else PROJECT / "assets" / "bench")
    return options


def say(what: str) -> None:
    """On stderr, while it goes on."""
    print(f"bench: {what}", file=sys.stderr, flush=True)


def make_clips(names: list[str]) -> tuple[dict[str, Path], dict[str, list[Utterance]]]:
    """The video of each name, and what is said in it; they are kept for the next time."""
    source = WORK / "70 s.mp4"
    said = write_talking_clip(source)
    videos, utterances = {}, {}
    for name in names:
        videos[name] = WORK / f"{name}.mp4"
        write_repeated(videos[name], source, LENGTHS_SECONDS[name])
        utterances[name] = repeated_utterances(said, LENGTHS_SECONDS[name])
        content = json.dumps([asdict(utterance) for utterance in utterances[name]])
        videos[name].with_suffix(".json").write_text(content, encoding="utf-8")
    write_repeated(WORK / "warm-up.mp4", source, WARM_UP_SECONDS)
    return videos, utterances


def measure_clip(name: str, video: Path, said: list[Utterance], options: argparse.Namespace) -> dict[str, Any]:
    """Our way and the usual one in turns, as often as there are pairs; whatever is longer than 70 s once."""
    ours: list[dict[str, Any]] = []
    usual: list[dict[str, Any]] = []
    warm_up = WORK / "warm-up.mp4"
    for pair in range(options.pairs if LENGTHS_SECONDS[name] <= 70 else 1):
        turns = ["ours", "usual"] if pair % 2 == 0 else ["usual", "ours"]
        for turn in turns:
            if turn == "ours":
                say(f"{name}, our way")
                ours.append(ask_worker("our_way.py", video, "--warm-up", warm_up, threads=options.threads))
            elif name in options.usual:
                say(f"{name}, the usual way")
                beside = video.with_suffix(".json")
                arguments = (video, beside, "--warm-up", warm_up)
                usual.append(ask_worker("usual_way.py", *arguments, threads=options.threads))
    reference = " ".join(utterance.text for utterance in said)
    heard = " ".join(s["text"] for s in ours[0]["segments"] if s["kind"] == "speech")
    figures = {
        "utterances": len(said),
        "speech_segments": sum(s["kind"] == "speech" for s in ours[0]["segments"]),
        "ours": medians(ours) | {"word_error": word_error_rate([reference], [heard])},
        "ours_runs": [{key: run[key] for key in ("seconds", "cpu_seconds", "load_seconds")} for run in ours],
        "provenance": {key: ours[0]["provenance"].get(key) for key in ("checkpoint", "transcriber", "precision")},
    }
    if usual:
        figures["usual"] = medians(usual) | {"word_error": word_error_rate([reference], [usual[0]["heard"]])}
        figures["usual_runs"] = [{key: run[key] for key in ("seconds", "cpu_seconds", "load_seconds")} for run in usual]
        figures["times_faster"] = median([u["seconds"] / o["seconds"] for u, o in zip(usual, ours, strict=True)])
    return figures


def medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The middle of each figure, over the runs of one way."""
    single = ("seconds", "cpu_seconds", "load_seconds", "first_segment_seconds", "duration_seconds")
    memory = ("peak_memory_mb", "children_peak_memory_mb")
    stages = runs[0]["stage_seconds"]
    return {
        **{key: median([run[key] for run in runs]) for key in (*single, *memory) if key in runs[0]},
        "stage_seconds": {stage: median([run["stage_seconds"][stage] for run in runs]) for stage in stages},
    }


def write(figures: dict[str, Any], folder: Path) -> None:
    """speed.json and speed.md."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "speed.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    table = to_markdown(figures)
    (folder / "speed.md").write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
