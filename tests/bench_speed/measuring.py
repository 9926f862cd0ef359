"""What every measurement needs: a clock for stages, the memory of a process, and workers that measure a thing each."""

from __future__ import annotations

import functools
import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parent
PROJECT: Final = FOLDER.parents[1]
POLL_SECONDS: Final = 0.25
"""How often a worker's children are looked at: a decoder lives for as long as its file is read."""

LIBRARIES: Final = ("av", "ctranslate2", "faster-whisper", "numpy", "opencv-python", "torch", "torchvision")


class StageClock:
    """Seconds that are spent in functions, by stage; a function that runs in several threads counts in each."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def add(self, stage: str, seconds: float) -> None:
        with self._lock:
            self.seconds[stage] += seconds

    def watch(self, owner: Any, name: str, stage: str) -> None:
        """From now on the function of that name counts for the stage; a generator each time it is asked.

        Raises AttributeError where there is none: a stage must not get lost unseen.
        """
        function: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            result = function(*args, **kwargs)
            self.add(stage, time.perf_counter() - started)
            return self._timed_iterator(result, stage) if isinstance(result, Iterator) else result

        setattr(owner, name, timed)

    def _timed_iterator(self, iterator: Iterator[Any], stage: str) -> Iterator[Any]:
        while True:
            started = time.perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self.add(stage, time.perf_counter() - started)
            yield item


def peak_memory_mb() -> float:
    """The most memory that this process has had resident, in units of 10**6 bytes.

    From Linux's VmHWM, because getrusage's figure is inherited from whoever started the process.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise OSError("/proc/self/status has no VmHWM")


def set_threads(count: int) -> None:
    """All libraries of this process use as many threads; CTranslate2 and OpenMP read it from their environment."""
    import cv2
    import torch

    if os.environ.get("OMP_NUM_THREADS") != str(count):
        raise ValueError(f"OMP_NUM_THREADS must have been {count} when the process began")
    torch.set_num_threads(count)
    cv2.setNumThreads(count)


def answer(figures: dict[str, Any]) -> None:
    """How a worker ends: its figures are the last line that it prints."""
    print(json.dumps(figures))


def ask_worker(script: str, *arguments: str | Path | float, threads: int) -> dict[str, Any]:
    """Runs a script of this folder as a fresh process; its figures, with the memory of the processes it started.

    `children_peak_memory_mb` is the sum of what each of them had at most, looked at every POLL_SECONDS.

    Raises RuntimeError with the end of its stderr where it fails.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, str(FOLDER / script), *map(str, arguments), "--threads", str(threads)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=PROJECT
    ) as process:
        children: dict[int, float] = {}
        watching = threading.Thread(target=_watch_children, args=(process, children), daemon=True)
        watching.start()
        out, errors = process.communicate()
        watching.join()
    if process.returncode:
        raise RuntimeError(f"{script} failed:\n{errors[-3000:]}")
    figures = json.loads(out.splitlines()[-1])
    return {**figures, "children_peak_memory_mb": sum(children.values())}


def _watch_children(process: subprocess.Popen[str], peaks: dict[int, float]) -> None:
    import psutil

    try:
        worker = psutil.Process(process.pid)
        while process.poll() is None:
            for child in worker.children(recursive=True):
                try:
                    peaks[child.pid] = max(peaks.get(child.pid, 0.0), child.memory_info().rss / 1e6)
                except psutil.NoSuchProcess:
                    continue
            time.sleep(POLL_SECONDS)
    except psutil.NoSuchProcess:
        return


def describe_machine(threads: int) -> dict[str, Any]:
    """What the figures depend on, ready for JSON."""
    with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
        cpu = dict(line.split(":", 1) for line in file.read().splitlines() if ":" in line)
    cpu = {name.strip(): value.strip() for name, value in cpu.items()}
    flags = cpu.get("flags", "").split()
    return {
        "cpu": cpu.get("model name", platform.processor()),
        "cpu_family_and_model": f"{cpu.get('cpu family')}/{cpu.get('model')}",
        "cpu_features": [
            flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if flag in flags
        ],
        "cores": os.cpu_count(),
        "threads": threads,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
        "load_average_before": os.getloadavg()[0],
    }
