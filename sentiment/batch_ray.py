"""Many files through Ray Data: who starts Ray, how its machines are shared out, and what happens when a worker dies.

Each worker is an actor of Ray that loads the models once and takes one file at a time (`batch_worker.Analyst`).
Ray places the workers, on one machine or on many, gives each its part of the GPUs, and starts one again that died.
Here alone is Ray known.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sentiment.errors import SettingsError

if TYPE_CHECKING:
    from sentiment.batch_files import BatchFile

RETRIES: Final = 1
"""How often a file is tried again whose worker died. The second death is the file's, not the machine's."""

CPUS_PER_WORKER: Final = 1
"""Where nobody says how many workers there are and no GPU is shared out: see README, "Many clips", for the figures."""

WORKER_BYTES: Final = 2_400_000_000
"""What a worker takes at most of a machine's memory, with Whisper base; where nobody says how many workers there are,
there are no more than fit."""

OBJECT_STORE_BYTES: Final = 200_000_000
"""Ray's shared memory on one machine. All that goes through it are paths and rows of text."""


@dataclass(frozen=True, slots=True)
class Share:
    """What of the machines each worker gets."""

    workers: int
    cpus: int
    """Threads of each worker."""
    gpus: float
    """Of each worker; a part of one is shared with others."""


def share_out(
    nodes: Sequence[Mapping[str, float]], workers: int | None, gpus_per_worker: float | None, may_grow: bool = False
) -> Share:
    """How many workers there are, and what each gets, from Ray's resources of each machine: CPU, GPU, memory in bytes.

    Workers that nobody counted: as many as the GPUs are enough for, or one for each CPU that has memory for it.
    A worker takes a whole GPU where there are any, unless `gpus_per_worker` says otherwise; 0 leaves them unused.
    `may_grow` says that the machines may become more.

    Raises:
        SettingsError: more is asked for than there is, or nothing.
    """
    if workers is not None and workers < 1:
        raise SettingsError(f"There must be at least 1 worker, got {workers}.")
    if gpus_per_worker is not None and gpus_per_worker < 0:
        raise SettingsError(
            f"A worker's share of the GPUs cannot be {gpus_per_worker:g}; give 1, a part such as 0.25, or 0."
        )
    has_gpus = any(node.get("GPU", 0) for node in nodes)
    gpus = (1.0 if has_gpus else 0.0) if gpus_per_worker is None else gpus_per_worker
    fitting = sum(_fitting(node, gpus) for node in nodes)
    if gpus and not fitting and not may_grow:
        raise SettingsError(f"No GPU was found; leave out --gpus-per-worker {gpus:g} to work on the CPU.")
    if workers is None:
        by_memory = sum(int(node.get("memory", 0) // WORKER_BYTES) for node in nodes)
        workers = max(1, fitting if gpus else min(fitting, by_memory))
    elif workers > fitting and not may_grow:
        what = f"with {gpus:g} GPU each " if gpus else ""
        raise SettingsError(f"{workers} workers {what}are more than this machine has room for: {fitting} at most.")
    largest = max((int(node.get("CPU", 0)) for node in nodes), default=1)
    enough = (cpus for cpus in range(largest, 0, -1) if sum(_fitting(node, gpus, cpus) for node in nodes) >= workers)
    return Share(workers, next(enough, 1), gpus)


def _fitting(node: Mapping[str, float], gpus: float, cpus: int = CPUS_PER_WORKER) -> int:
    """How many workers fit on a machine. A part of a GPU is never put together from two."""
    by_cpu = int(node.get("CPU", 0) // cpus)
    if not gpus:
        return by_cpu
    whole = node.get("GPU", 0)
    return min(by_cpu, int(whole // gpus) if gpus >= 1 else int(whole) * int(1 / gpus))


# ---------------------------------------------------------------- Ray itself


@contextlib.contextmanager
def running_ray(address: str | None) -> Iterator[None]:
    """Ray, on this machine alone or, with `address`, on a cluster; one that runs already is taken as it is.

    It reports no usage. On this machine alone it listens on the loopback interface only.

    Raises:
        SettingsError: Ray is not installed, or there is no cluster at `address`.
    """
    ray = _import_ray(address)
    if ray.is_initialized():
        yield
        return
    try:
        _start(ray, address)
        yield
    finally:
        ray.shutdown()


def require_ray() -> None:
    """Raises SettingsError where Ray or pyarrow is not installed; imports neither."""
    from importlib.util import find_spec

    if missing := [name for name in ("ray", "pyarrow") if find_spec(name) is None]:
        raise SettingsError(
            f"Many files need {' and '.join(missing)}, which is not installed: "
            "run pip install -c constraints.txt -r requirements-batch.txt."
        )


def _import_ray(address: str | None) -> Any:
    require_ray()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address is None:
        # Ray's name for "one machine, loopback only", which it is by itself on macOS and Windows. Read at its import.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    import ray

    return ray


def _start(ray: Any, address: str | None) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.WARNING}
    if address is None:
        # "local" and not None: an address in the environment, or a cluster that happens to run here, was not asked for.
        options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    try:
        ray.init(address or "local", **options)
    except Exception as error:  # its own class for none of this: a plain Exception where its processes start too slowly
        where = f"at {address}" if address else "on this machine"
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise SettingsError(f"Ray could not be started {where}: {reason}.") from error


# ---------------------------------------------------------------- Ray Data


def analyse_files(
    files: Sequence[BatchFile],
    analyst: type,
    arguments: Mapping[str, Any],
    workers: int | None,
    gpus_per_worker: float | None,
    may_grow: bool,
) -> Iterator[dict[str, Any]]:
    """What `analyst` says of each file, as soon as it says it; see `batch_worker.Analyst.__call__`.

    `arguments` are those of its constructor, apart from `device` and `threads`. Of a file whose worker died
    RETRIES + 1 times, or met an error of the program, nothing comes back. The order is that of the workers.

    Raises:
        SettingsError: the machines cannot be shared out so, or a worker cannot start.
    """
    import ray
    import ray.data

    share = share_out([node["Resources"] for node in ray.nodes() if node["Alive"]], workers, gpus_per_worker, may_grow)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_errored_blocks = -1  # a block is a file: without its answer, but not fatal
    rows = [{"number": number, "path": os.fsencode(file.path)} for number, file in enumerate(files)]
    answers = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        analyst,
        fn_constructor_kwargs={**arguments, "device": "cuda" if share.gpus else "cpu", "threads": share.cpus},
        # One file at a time: a second in the queue of a worker that dies would count as tried.
        compute=ray.data.ActorPoolStrategy(size=min(share.workers, len(rows)), max_tasks_in_flight_per_actor=1),
        num_cpus=share.cpus,
        num_gpus=share.gpus,
        # These two have no named parameters in Ray 2.60; by default a file that kills its worker is tried for ever.
        max_restarts=-1,
        max_task_retries=RETRIES,
    )
    try:
        yield from answers.iter_rows()
    except ray.exceptions.RayError as error:
        raise SettingsError(f"The workers could not go on: {_last_line(error)}") from error


def _last_line(error: Exception) -> str:
    """What of Ray's long messages says why: the last line of a traceback."""
    return str(error).strip().splitlines()[-1].strip()
