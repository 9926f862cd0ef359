"""One analysis in a fresh process: `our_way.py VIDEO --warm-up VIDEO --threads N` prints its figures as JSON.

The models are loaded and have answered for another video before the clock starts.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from measuring import StageClock, answer, peak_memory_mb, set_threads


def watch_stages(clock: StageClock) -> None:
    """Lets the clock see the functions in which an analysis spends its time."""
    from sentiment import faces, media, model, speech_encoder, transcription

    clock.watch(media.MediaFile, "audio_windows", "sound")
    clock.watch(transcription.Transcriber, "transcribe", "recognition")
    clock.watch(media.FrameReader, "at", "frames")
    clock.watch(faces.FaceFinder, "find", "faces")
    clock.watch(speech_encoder.WhisperEncoder, "encode", "speech encoder")
    clock.watch(model.TextEncoder, "forward", "BERT")
    clock.watch(model.AudioEncoder, "forward", "voice network")
    clock.watch(model.VideoEncoder, "forward", "R3D-18")


def measure(video: Path, warm_up: Path, threads: int) -> dict[str, Any]:
    """The figures of one analysis, ready for JSON."""
    from sentiment.pipeline import load_models, stream_analysis

    set_threads(threads)
    started = time.perf_counter()
    models = load_models(device="cpu")
    load_seconds = time.perf_counter() - started
    list(stream_analysis(warm_up, models))
    clock = StageClock()
    watch_stages(clock)
    first_segment_seconds = None
    started, cpu_started = time.perf_counter(), time.process_time()
    for timeline in stream_analysis(video, models):
        if first_segment_seconds is None and timeline.segments:
            first_segment_seconds = time.perf_counter() - started
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return {
        "load_seconds": load_seconds,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "duration_seconds": timeline.duration_seconds,
        "first_segment_seconds": first_segment_seconds,
        "stage_seconds": dict(clock.seconds),
        "peak_memory_mb": peak_memory_mb(),
        "provenance": timeline.provenance,
        "segments": [{"kind": p.segment.kind, "text": p.segment.text} for p in timeline.segments],
    }


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--warm-up", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    answer(measure(options.video, options.warm_up, options.threads))


if __name__ == "__main__":
    main()
