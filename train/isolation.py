"""Work on many files in several processes, where any file may bring its process down or hang it for ever."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Final, Generic, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

JOBS_AHEAD: Final = 2
"""For each worker, how many jobs are handed out at a time: these are tried again one by one after a crash."""


@dataclass(frozen=True, slots=True)
class Crashed(Generic[Job]):
    """A job that ended its process, or was still at work after the limit."""

    job: Job


def run_isolated(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int, limit_seconds: int
) -> Iterator[Result | Crashed[Job]]:
    """The results of `function` for each job, in the order in which they are finished.

    `function` must be importable by name, since workers are spawned and not forked: forked ones inherit locks of
    threads that they do not have. With `workers` = 0 everything runs in this process, without protection.
    Exceptions of `function` end the run. The limit needs a system with SIGALRM, which Windows is not.
    """
    if workers == 0:
        yield from map(function, jobs)
        return
    waiting = deque(jobs)
    while waiting:
        suspects: list[Job] = []
        yield from _run_until_crash(function, waiting, workers, limit_seconds, suspects)
        for job in suspects:
            yield from _run_alone(function, job, limit_seconds)


def _run_until_crash(
    function: Callable[[Job], Result], waiting: deque[Job], workers: int, limit_seconds: int, suspects: list[Job]
) -> Iterator[Result]:
    """Works off `waiting`; where a process goes down, the jobs that were under way are left in `suspects`."""
    under_way: dict[Future[Result], Job] = {}
    with _pool(workers) as pool:
        try:
            while waiting or under_way:
                while waiting and len(under_way) < workers * JOBS_AHEAD:
                    under_way[pool.submit(_limited, function, waiting[0], limit_seconds)] = waiting[0]
                    waiting.popleft()
                finished, _ = wait(under_way, return_when=FIRST_COMPLETED)
                for future in finished:
                    result = future.result()
                    del under_way[future]
                    yield result
        except BrokenProcessPool:
            suspects.extend(under_way.values())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _run_alone(function: Callable[[Job], Result], job: Job, limit_seconds: int) -> Iterator[Result | Crashed[Job]]:
    with _pool(1) as pool:
        try:
            yield pool.submit(_limited, function, job, limit_seconds).result()
        except BrokenProcessPool:
            yield Crashed(job)


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker)


def _start_worker() -> None:
    # Ctrl+C goes to the whole group of processes; the parent alone says what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _limited(function: Callable[[Any], Any], job: Any, limit_seconds: int) -> Any:
    """Runs in a worker. The alarm's default action ends the process even in the midst of native code."""
    if not hasattr(signal, "alarm"):
        return function(job)
    signal.alarm(limit_seconds)
    try:
        return function(job)
    finally:
        signal.alarm(0)
