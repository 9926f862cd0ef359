"""What is said around an utterance, which its words are read with: the lines before it and the answer to it.

A recording is listened to window by window, so an utterance waits until it is known what follows it; not for long,
because what is said much later is no answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from sentiment.clip_datatypes import ClipSettings
from sentiment.datatypes import Segment
from sentiment.media_datatypes import AudioTrack

MAX_PAUSE_SECONDS: Final = 10.0
"""What begins later than this after the end of an utterance does not count as what follows it. It bounds how many
segments wait, and with them memory, where somebody speaks once in an hour."""


class WordsInContext(NamedTuple):
    """What the words' encoder reads, in the order in which `ClipPreprocessor.make` takes it."""

    text: str | None
    context: tuple[str, ...]
    """Earlier utterances, oldest first."""
    following: tuple[str, ...]
    """Later ones, next first."""


class Line(NamedTuple):
    """A segment and what was heard in it."""

    segment: Segment
    words: str | None
    """What the network reads of it; None where it reads nothing."""
    voice: AudioTrack | None = None


class LineInContext(NamedTuple):
    """A segment, and what was said before and after it. A segment without words is in nobody's context."""

    line: Line
    context: tuple[str, ...]
    """Earlier utterances, oldest first, at most settings.context_utterances."""
    following: tuple[str, ...]
    """Later ones, next first, at most settings.following_utterances."""


def put_in_context(parts: Iterable[Sequence[Line]], settings: ClipSettings) -> Iterator[list[LineInContext]]:
    """The lines in their order, as soon as what follows them is known: some of them for each part, maybe none.

    `parts` are stretches of one recording in the order of time; the last list comes after the last of them.
    """
    earlier: deque[str] = deque(maxlen=settings.context_utterances)
    waiting: deque[Line] = deque()

    def ready(is_end: bool) -> Iterator[LineInContext]:
        while waiting:
            line = waiting[0]
            following = _following(line, islice(waiting, 1, None), settings.following_utterances)
            if not (is_end or following.is_settled):
                return
            waiting.popleft()
            yield LineInContext(line, tuple(earlier), following.words)
            if line.words is not None:
                earlier.append(line.words)

    for part in parts:
        waiting.extend(part)
        yield list(ready(is_end=False))
    yield list(ready(is_end=True))


class _Following(NamedTuple):
    words: tuple[str, ...]
    is_settled: bool
    """Whether nothing that is still to come could be among them."""


def _following(line: Line, heard_later: Iterable[Line], count: int) -> _Following:
    """What follows the line, as far as it has been heard."""
    if line.words is None or count == 0:
        return _Following((), True)
    latest_seconds = line.segment.end_seconds + MAX_PAUSE_SECONDS
    words: list[str] = []
    for later in heard_later:
        if later.segment.start_seconds > latest_seconds:
            return _Following(tuple(words), True)
        if later.words is not None:
            words.append(later.words)
        if len(words) == count:
            return _Following(tuple(words), True)
    return _Following(tuple(words), False)
