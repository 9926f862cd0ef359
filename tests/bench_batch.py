"""How many clips a batch does in a minute, with 1 worker and with 2: `PYTHONPATH=. python tests/bench_batch.py`.

Each run is the command line in a process of its own, over the same clips: a face that says a sentence. "at work" counts
from when every worker has done its first clip, and so leaves out what a large set hardly notices: Ray's start, and
the loading of the models. "altogether" leaves nothing out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from media_files import speak
from small_parts import spoken_sound, write_picture_video
from studio_app import face

LINES = (
    "I am so happy that you came to the party tonight.",
    "I hate this. You ruined everything, get out of here!",
    "The meeting starts at nine in the conference room.",
    "She passed away last week and I miss her so much.",
)


class Run(NamedTuple):
    workers: int
    altogether_seconds: float
    clips_per_minute: float
    """At work."""


def make_clips(folder: Path, count: int) -> float:
    """Write so many clips; returns how many seconds they last together."""
    whole_seconds = 0.0
    for number, line in enumerate(islice(cycle(LINES), count)):
        sound, rate_hz = spoken_sound([speak(folder / "line.wav", line)], pause_seconds=1.0)
        write_picture_video(folder / f"{number:03d}.mp4", face(), len(sound) / rate_hz, sound, rate_hz)
        whole_seconds += len(sound) / rate_hz
    (folder / "line.wav").unlink()
    return whole_seconds


def run(clips: Path, out: Path, workers: int) -> Run:
    """One batch."""
    # Ray's workers give way to all others (niceness 15), which would measure what else runs here.
    environment = {**os.environ, "RAY_worker_niceness": "0"}
    command = [sys.executable, "-m", "sentiment", "batch", str(clips), "--out", str(out), "--workers", str(workers)]
    started = time.time()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    ended = time.time()
    done = sorted(path.stat().st_mtime for path in (out / "parts").glob("*.json"))
    at_work_seconds = done[-1] - done[workers - 1]
    return Run(workers, ended - started, 60 * (len(done) - workers) / at_work_seconds)


def main() -> None:
    """Make clips, run both, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips = Path(folder, "clips")
        clips.mkdir()
        whole_seconds = make_clips(clips, options.clips)
        print(f"{options.clips} clips of {whole_seconds / options.clips:.1f} s, {os.cpu_count()} CPUs")
        print(f"{'workers':>7}  {'at work':>14}  {'altogether':>10}  load before")
        for workers in options.workers:
            load = os.getloadavg()[0]
            result = run(clips, Path(folder, f"out {workers}"), workers)
            at_work = f"{result.clips_per_minute:.1f} clips/min"
            print(f"{workers:>7}  {at_work:>14}  {result.altogether_seconds:>8.0f} s  {load:.1f}", flush=True)


if __name__ == "__main__":
    main()
