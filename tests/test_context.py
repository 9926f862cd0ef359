"""What is said around an utterance, known as soon as it can be and no sooner."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import pytest

from sentiment.clip_datatypes import ClipSettings
from sentiment.context import MAX_PAUSE_SECONDS, Line, LineInContext, put_in_context
from sentiment.datatypes import Segment
from sentiment.errors import SettingsError

SETTINGS = ClipSettings(context_utterances=2, following_utterances=1)


def line(start_seconds: float, words: str | None, end_seconds: float | None = None) -> Line:
    end_seconds = start_seconds + 1.0 if end_seconds is None else end_seconds
    kind = "silent" if words is None else "speech"
    return Line(Segment(start_seconds, end_seconds, kind, words or ""), words)


def around(lines: Sequence[LineInContext]) -> list[tuple[str | None, tuple[str, ...], tuple[str, ...]]]:
    return [(found.line.words, found.context, found.following) for found in lines]


TALK = [line(0, "a"), line(1, None), line(2, "b"), line(3, "c"), line(4, "d"), line(5, None)]
TALK_IN_CONTEXT = [
    ("a", (), ("b",)),
    (None, ("a",), ()),
    ("b", ("a",), ("c",)),
    ("c", ("a", "b"), ("d",)),
    ("d", ("b", "c"), ()),
    (None, ("c", "d"), ()),
]


@pytest.mark.parametrize("size", [1, 2, 4, 6])
def test_it_does_not_matter_in_which_parts_a_recording_is_heard(size: int) -> None:
    parts = [TALK[start : start + size] for start in range(0, len(TALK), size)]
    assert around(list(chain.from_iterable(put_in_context(parts, SETTINGS)))) == TALK_IN_CONTEXT


def test_a_line_waits_for_its_answer_and_no_longer() -> None:
    parts = iter(put_in_context([TALK[:2], TALK[2:3], TALK[3:]], SETTINGS))
    assert around(next(parts)) == []
    assert around(next(parts)) == TALK_IN_CONTEXT[:2]
    assert around(next(parts)) == TALK_IN_CONTEXT[2:4]
    assert around(next(parts)) == TALK_IN_CONTEXT[4:]


def test_nobody_waits_where_nothing_is_read_of_what_follows() -> None:
    parts = iter(put_in_context([TALK], ClipSettings(context_utterances=2)))
    assert len(next(parts)) == len(TALK)


def test_what_is_said_much_later_is_no_answer_and_holds_nothing_up() -> None:
    first, latest_seconds = line(0, "a"), 1.0 + MAX_PAUSE_SECONDS
    for later, following in ((line(latest_seconds, "b"), ("b",)), (line(latest_seconds + 0.1, "b"), ())):
        found = list(chain.from_iterable(put_in_context([[first, later]], SETTINGS)))
        assert found[0].following == following
    silence = [line(1.0, None, latest_seconds), line(latest_seconds, None), line(latest_seconds + 0.1, None)]
    parts = iter(put_in_context([[first], *([gap] for gap in silence)], SETTINGS))
    assert [len(next(parts)) for _ in range(4)] == [0, 0, 0, 4]


def test_a_number_of_lines_is_not_negative() -> None:
    with pytest.raises(SettingsError, match="following_utterances must be >= 0"):
        ClipSettings(following_utterances=-1)
