"""Items made one step ahead, in a thread: no more than one, in order, and ended properly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator

import pytest

from sentiment.look_ahead import LookAhead

PATIENCE_SECONDS = 60

Tell = Callable[[str], None]


def counting(count: int, made: list[int], closed: threading.Event | None = None) -> Callable[[Tell], Generator]:
    """Makes a generator of the numbers below `count` that tells of each, and notes which it has made."""

    def make(tell: Tell) -> Generator[int, None, None]:
        try:
            for number in range(count):
                tell(f"making {number}")
                made.append(number)
                yield number
        finally:
            if closed is not None:
                closed.set()

    return make


def test_items_come_in_order_and_are_made_in_another_thread() -> None:
    threads = []

    def make(tell: Tell) -> Generator[int, None, None]:
        for number in range(4):
            threads.append(threading.get_ident())
            yield number

    assert list(LookAhead(make).items(print)) == [0, 1, 2, 3]
    assert set(threads) != {threading.get_ident()} and len(set(threads)) == 1


def test_one_item_is_made_beforehand_and_no_more() -> None:
    made: list[int] = []
    second = threading.Event()

    def make(tell: Tell) -> Generator[int, None, None]:
        for number in range(5):
            made.append(number)
            if number == 1:
                second.set()
            yield number

    items = LookAhead(make).items(print)
    assert next(items) == 0
    assert second.wait(PATIENCE_SECONDS), "nothing is made while the first is used"
    assert made == [0, 1]
    items.close()
    assert made == [0, 1]


def test_what_is_told_arrives_in_the_iterating_thread_in_order() -> None:
    heard: list[tuple[str, int]] = []
    ahead = LookAhead(counting(3, []))

    def hear(note: str) -> None:
        heard.append((note, threading.get_ident()))

    for _ in ahead.items(hear):
        ahead.pass_on_notes(hear)
    assert [note for note, _ in heard] == ["making 0", "making 1", "making 2"]
    assert {thread for _, thread in heard} == {threading.get_ident()}


def test_an_error_is_raised_where_the_items_are_used() -> None:
    def make(tell: Tell) -> Generator[int, None, None]:
        yield 0
        raise ValueError("the second cannot be made")

    items = LookAhead(make).items(print)
    assert next(items) == 0
    with pytest.raises(ValueError, match="the second cannot be made"):
        next(items)
    assert next(items, None) is None


def test_closing_ends_the_work_under_way() -> None:
    begun, go_on, closed = threading.Event(), threading.Event(), threading.Event()
    steps = []

    def make(tell: Tell) -> Generator[int, None, None]:
        try:
            yield 0
            begun.set()
            go_on.wait(PATIENCE_SECONDS)
            for step in range(1000):
                tell("a step")
                steps.append(step)
            yield 1
        finally:
            closed.set()

    items = LookAhead(make).items(print)
    assert next(items) == 0
    assert begun.wait(PATIENCE_SECONDS)
    threading.Timer(0.05, go_on.set).start()
    items.close()
    assert closed.is_set() and len(steps) < 1000
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("look-ahead")]


def test_an_interrupt_while_the_thread_starts_is_raised_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    plain_start = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        plain_start(thread)
        if thread.name.startswith("look-ahead"):
            begun.wait(0.5)
            raise KeyboardInterrupt

    def make(tell: Tell) -> Generator[int, None, None]:
        begun.set()
        go_on.wait(PATIENCE_SECONDS)
        yield 0

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        next(LookAhead(make).items(print))
    go_on.set()


def test_an_error_of_the_listener_ends_the_generator() -> None:
    class StopError(Exception):
        pass

    def stop(note: str) -> None:
        raise StopError

    made: list[int] = []
    closed = threading.Event()
    with pytest.raises(StopError):
        list(LookAhead(counting(1000, made, closed)).items(stop))
    assert closed.is_set() and len(made) < 3
