"""Work in a thread of its own, read as a stream of events that can be closed at any time.

A page that shows progress must be free to draw, and free to cancel, while the network computes.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from contextvars import copy_context
from typing import TypeVar

from sentiment.errors import SentimentError

Event = TypeVar("Event")

HEARTBEAT_SECONDS = 0.5
"""How often a reader is woken where nothing happens: soon enough for a clock, and for a cancel to be noticed."""


class _Cancelled(Exception):
    """Raised inside the work when its reader is gone."""


def follow(
    work: Callable[[Callable[[Event], None]], None], kind_of: Callable[[Event], object] | None = None
) -> Generator[Event | None, None, None]:
    """Run `work(emit)` in a thread and yield what it emits; None where nothing came for HEARTBEAT_SECONDS.

    A reader may be slower than the work, such as a page that draws a long timeline. With `kind_of`, of the events
    that have piled up meanwhile only the newest of each kind is yielded, so that it stays up to date.

    Closing the iterator ends the work the next time it emits. What the work raises is raised here; an
    error other than SentimentError goes to the log with its traceback, and here as RuntimeError.
    """
    events: queue.SimpleQueue[Event | SentimentError | _End] = queue.SimpleQueue()
    cancelled = threading.Event()

    def emit(event: Event) -> None:
        if cancelled.is_set():
            raise _Cancelled
        events.put(event)

    def run() -> None:
        end = _End(finished=False)
        try:
            work(emit)
            end = _End(finished=True)
        except SentimentError as error:
            events.put(error)
        except _Cancelled:
            return
        finally:
            events.put(end)

    # In the reader's context: by it ZeroGPU knows whose minutes are spent.
    context = copy_context()
    threading.Thread(target=context.run, args=(run,), name="analysis", daemon=True).start()
    try:
        yield from _read(events, kind_of)
    finally:
        cancelled.set()


class _End:
    """The last event of all."""

    def __init__(self, finished: bool) -> None:
        self.finished = finished


def _read(
    events: queue.SimpleQueue[Event | SentimentError | _End], kind_of: Callable[[Event], object] | None
) -> Generator[Event | None, None, None]:
    while True:
        pending = _take_all(events)
        if not pending:
            yield None
        newest: dict[object, int] = {}
        if kind_of is not None:
            newest = {kind_of(e): i for i, e in enumerate(pending) if not isinstance(e, SentimentError | _End)}
        for index, event in enumerate(pending):
            if isinstance(event, SentimentError):
                raise event
            if isinstance(event, _End):
                if not event.finished:
                    raise RuntimeError("the analysis broke off; the log says why")
                return
            if kind_of is None or newest[kind_of(event)] == index:
                yield event


def _take_all(events: queue.SimpleQueue[Event | SentimentError | _End]) -> list[Event | SentimentError | _End]:
    """What is there; where nothing is, what comes within HEARTBEAT_SECONDS."""
    pending: list[Event | SentimentError | _End] = []
    try:
        pending.append(events.get(timeout=HEARTBEAT_SECONDS))
        while True:
            pending.append(events.get_nowait())
    except queue.Empty:
        return pending
