"""Why memory does not grow with the length of a video, beyond what the analysis itself keeps of it: almost nothing.

Three things outside of it would let memory grow for minutes: the C library's way of serving threads, a cache in the
library that convolves, and the two largest pieces of work whenever they happen to meet. `make bench-speed` measures
what remains.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

ONEDNN_CACHED_KERNELS: Final = 16
"""How many compiled kernels oneDNN, which convolves on a CPU, keeps for later; by itself 1,024.

A kernel fits one shape of tensors, and hardly two batches of utterances have the same: what is kept is seldom used
again, and grew to 150 MB within ten minutes of video. Layers of one shape follow each other, so a few are enough.
"""

MALLOC_ARENAS: Final = 2
"""Into how many arenas the C library's malloc sorts what threads ask for; by itself eight for each core.

What is free in one arena is not given to a thread of another: 90 MB lay idle so.
"""

_M_ARENA_MAX: Final = -8
"""glibc's malloc.h."""

_large_work = threading.Lock()


def _of_the_c_library(name: str) -> Callable[..., int] | None:
    """That function of the C library; None where it has none of the name: only glibc has those asked for here."""
    return getattr(ctypes.CDLL(None), name, None) if os.name == "posix" else None


_mallopt, _malloc_trim = _of_the_c_library("mallopt"), _of_the_c_library("malloc_trim")


def keep_memory_level() -> None:
    """Tells the libraries of this process to hold on to less; call it before there are many threads.

    What the environment says of the same goes first. Without glibc there are no such arenas, and nothing to limit.
    """
    # oneDNN reads it at the first convolution, and has no other door in PyTorch.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(ONEDNN_CACHED_KERNELS))
    if _mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        _mallopt(_M_ARENA_MAX, MALLOC_ARENAS)


@contextmanager
def large_work(device_type: str) -> Iterator[None]:
    """For what takes a hundred megabytes for a moment: on "cpu" one thread at a time enters, elsewhere all do.

    On a CPU each such work uses all cores, so that two at once take about as long as one after the other. What is
    free goes back to the system before and afterwards: in malloc's hands it would not fit whatever comes next.
    """
    if device_type != "cpu":
        yield
        return
    with _large_work:
        _give_back_what_is_free()
        yield
        _give_back_what_is_free()


def _give_back_what_is_free() -> None:
    """Takes some 10 ms; asking for the pages anew makes it 6% of an analysis."""
    if _malloc_trim is not None:
        _malloc_trim(0)
