"""Stands in for the package `spaces`, as far as ZeroGPU goes: each call runs in a fork, and what goes in and comes
out is pickled. There is no GPU in it.
"""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

asked_seconds: list[float] = []
"""For how long a GPU was asked for, call by call."""


def GPU(*, duration: Callable[..., float]) -> Callable[[Callable[..., Iterator[Any]]], Callable[..., Iterator[Any]]]:
    def decorate(task: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        def lent(*arguments: Any) -> Iterator[Any]:
            asked_seconds.append(duration(*arguments))
            here, there = multiprocessing.Pipe()
            fork = multiprocessing.get_context("fork")
            process = fork.Process(target=_serve, args=(there, task, pickle.dumps(arguments)), daemon=True)
            process.start()
            there.close()
            try:
                while (event := pickle.loads(here.recv_bytes())) != "end":
                    yield event
            finally:
                process.kill()
                process.join()

        return lent

    return decorate


def _serve(pipe: Connection, task: Callable[..., Iterator[Any]], arguments: bytes) -> None:
    for event in task(*pickle.loads(arguments)):
        pipe.send_bytes(pickle.dumps(event))
    pipe.send_bytes(pickle.dumps("end"))
