"""Work on many files in several processes, where any file may bring its process down or hang it for ever."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
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
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int,
    limit_seconds: int,
    start: Callable[[], None] | None = None,
) -> Iterator[Result | Crashed[Job]]:
    """The results of `function` for each job, in the order in which they are finished.

    Each worker calls `start` first. Both functions must be importable by name, since workers are spawned and not
    forked: forked ones inherit locks of threads that they do not have. With `workers` = 0 everything runs in this
    process, without protection. Exceptions of `function` end the run. The limit needs SIGALRM, which Windows lacks.
    """
    if workers == 0:
        yield from map(function, jobs)
        return
    limited, open_pool = partial(_limited, function, limit_seconds), partial(_pool, start)
    waiting = deque(jobs)
    while waiting:
        suspects: deque[Job] = deque()
        with open_pool(workers) as pool:
            yield from _run_together(limited, waiting, pool, workers * JOBS_AHEAD, suspects)
        while suspects:
            with open_pool(1) as pool:
                yield from _run_in_turn(limited, suspects, pool)


def _run_together(
    limited: Callable[[Job], Result],
    waiting: deque[Job],
    pool: ProcessPoolExecutor,
    jobs_at_a_time: int,
    suspects: deque[Job],
) -> Iterator[Result]:
    """Works off `waiting`, until a process goes down: then the jobs that were under way are left in `suspects`."""
    under_way: dict[Future[Result], Job] = {}
    try:
        while waiting or under_way:
            while waiting and len(under_way) < jobs_at_a_time:
                under_way[pool.submit(limited, waiting[0])] = waiting[0]
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


def _run_in_turn(
    limited: Callable[[Job], Result], suspects: deque[Job], pool: ProcessPoolExecutor
) -> Iterator[Result | Crashed[Job]]:
    """Works off `suspects` one by one, up to and with the one that brings the process down."""
    while suspects:
        try:
            result = pool.submit(limited, suspects[0]).result()
        except BrokenProcessPool:
            yield Crashed(suspects.popleft())
            return
        suspects.popleft()
        yield result


def _pool(start: Callable[[], None] | None, workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (start,))


def _start_worker(start: Callable[[], None] | None) -> None:
    # Ctrl+C goes to the whole group of processes; the parent alone says what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if start is not None:
        start()


def _limited(function: Callable[[Any], Any], limit_seconds: int, job: Any) -> Any:
    """Runs in a worker. The alarm's default action ends the process even in the midst of native code."""
    if not hasattr(signal, "alarm"):
        return function(job)
    signal.alarm(limit_seconds)
    try:
        return function(job)
    finally:
        signal.alarm(0)
