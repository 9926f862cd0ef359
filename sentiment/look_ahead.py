"""One step ahead: the next item is made in a thread of its own while the newest one is used.

Worth it where making and using wait for different things, or let go of Python's lock, as Whisper and the network do.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Note = TypeVar("Note")

_END: Final = object()


class _Cancelled(Exception):
    """Raised inside of what makes the items when nobody wants them any more."""


class LookAhead(Generic[Item, Note]):
    """The items of a generator, at most one of them made beforehand: memory does not grow with their number.

    What the generator tells on its way reaches `on_note` in the thread that iterates, so that whoever is called there
    needs no locks, and may end the iteration with an exception. Errors of the generator are raised from the iterator.
    """

    def __init__(self, make: Callable[[Callable[[Note], None]], Generator[Item, None, None]]) -> None:
        """`make(tell)` gives the generator; `tell(note)` may be called inside of it."""
        self._generator = make(self._tell)
        self._notes: queue.SimpleQueue[Note | None] = queue.SimpleQueue()
        """None: the next item is there, or an error, or there are no more."""
        self._cancelled = threading.Event()

    def items(self, on_note: Callable[[Note], None]) -> Generator[Item, None, None]:
        """The items, once. Closing it ends the generator at the next thing that it tells, and waits for that."""
        with closing(self._generator), ThreadPoolExecutor(1, "look-ahead") as thread:
            # It is there before it has work: one that is interrupted (Ctrl-C) while it starts is not waited for.
            thread.submit(lambda: None).result()
            try:
                upcoming = self._begin_next(thread)
                while (item := self._wait(upcoming, on_note)) is not _END:
                    upcoming = self._begin_next(thread)
                    yield item  # type: ignore[misc]
            finally:
                self._cancelled.set()

    def pass_on_notes(self, on_note: Callable[[Note], None]) -> None:
        """Hands what was told meanwhile to `on_note`; never waits. For whoever takes long over an item."""
        while not self._notes.empty():
            note = self._notes.get()
            if note is None:
                self._notes.put(None)  # it ends what is told of one item, and is for `items` to see
                return
            on_note(note)

    def _begin_next(self, thread: ThreadPoolExecutor) -> Future[object]:
        upcoming: Future[object] = thread.submit(next, self._generator, _END)
        upcoming.add_done_callback(lambda _: self._notes.put(None))
        return upcoming

    def _wait(self, upcoming: Future[object], on_note: Callable[[Note], None]) -> object:
        while (note := self._notes.get()) is not None:
            on_note(note)
        return upcoming.result()

    def _tell(self, note: Note) -> None:
        if self._cancelled.is_set():
            raise _Cancelled
        self._notes.put(note)
