"""That large work takes turns, and that the environment goes first. How much memory it saves: `make bench-speed`."""

from __future__ import annotations

import os
import threading

import pytest

from sentiment.memory import keep_memory_level, large_work


def enters_while_busy(device_type: str) -> bool:
    """Whether a second thread gets in while this one is inside."""
    entered = threading.Event()

    def work() -> None:
        with large_work(device_type):
            entered.set()

    with large_work(device_type):
        second = threading.Thread(target=work)
        second.start()
        came_in = entered.wait(0.2)
    second.join()
    assert entered.is_set(), "it never got its turn"
    return came_in


@pytest.mark.parametrize(("device_type", "at_once"), [("cpu", False), ("cuda", True)])
def test_large_work_takes_turns_on_a_cpu(device_type, at_once):
    assert enters_while_busy(device_type) == at_once


def test_large_work_that_fails_gives_its_turn_back():
    with pytest.raises(RuntimeError, match="out of memory"), large_work("cpu"):
        raise RuntimeError("out of memory")
    assert not enters_while_busy("cpu")


def test_what_the_environment_says_goes_first(monkeypatch):
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "7")
    keep_memory_level()
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "7"
