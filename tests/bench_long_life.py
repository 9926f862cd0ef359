"""Analyses one after the other in one process, and what they leave behind.

    PYTHONPATH=. python tests/bench_long_life.py --analyses 200

prints, every tenth of the way, resident memory, open files and threads; all three are to be level.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
from pathlib import Path
from typing import NamedTuple

import psutil
from media_files import even_times, tone, write_media

from sentiment.pipeline import analyze_video, load_models
from sentiment.settings import AnalysisSettings

ENGLISH = AnalysisSettings(language="en")


class State(NamedTuple):
    """What a process holds; its children, which decode, are counted with it."""

    memory_mb: float
    open_files: int
    threads: int
    children: int


class LongLife:
    """One process that analyses the same file again and again."""

    def __init__(self, checkpoint: Path | None, video: Path) -> None:
        self._models = load_models(checkpoint, device="cpu")
        self._video = video

    def live(self, analyses: int) -> None:
        for _ in range(analyses):
            analyze_video(self._video, self._models, ENGLISH)

    def state(self) -> State:
        process = psutil.Process()
        children = process.children(recursive=True)
        memory_bytes = process.memory_info().rss + sum(child.memory_info().rss for child in children)
        return State(memory_bytes / 2**20, process.num_fds(), process.num_threads(), len(children))


def main() -> None:
    parser = argparse.ArgumentParser(description="Many analyses in one process: are memory and open files level?")
    parser.add_argument("--analyses", type=int, default=200, metavar="N")
    parser.add_argument("--video", type=Path, help="default: 2 s of grey pictures and a tone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        video = options.video or small_clip(Path(folder))
        life = LongLife(None, video)
        for done in range(0, options.analyses, step := max(1, options.analyses // 10)):
            life.live(min(step, options.analyses - done))
            gc.collect()
            state = life.state()
            print(
                f"{min(done + step, options.analyses):>5} analyses: {state.memory_mb:7.1f} MB, "
                f"{state.open_files} open files, {state.threads} threads, {state.children} children",
                flush=True,
            )


def small_clip(folder: Path) -> Path:
    return write_media(folder / "small.mp4", times_seconds=even_times(2.0), sound=tone(2.0))


if __name__ == "__main__":
    main()
