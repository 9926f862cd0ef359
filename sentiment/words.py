"""How words become a line of text, and how their times are put in order. Plain arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

MIN_WORD_SECONDS: Final = 0.02
"""Whisper's time resolution, to which words of no length are stretched (openai/whisper, audio.py)."""

_UNSPACED_SCRIPTS: Final = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x3000, 0x30FF),  # CJK punctuation, Hiragana, Katakana
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0xF900, 0xFAFF),  # Han, compatibility
    (0xFF00, 0xFF9F),  # full-width forms, half-width Katakana
    (0x20000, 0x323AF),  # Han, extensions B to H
)
"""The scripts of the languages for which Whisper's tokenizer knows no blanks: zh, ja, th, lo, my, yue
(openai/whisper, tokenizer.py, split_to_word_tokens)."""


def is_unspaced(character: str) -> bool:
    """Whether a character belongs to a script that writes no blanks between words."""
    return any(first <= ord(character) <= last for first, last in _UNSPACED_SCRIPTS)


def join_words(texts: Iterable[str]) -> str:
    """One line of text from words: with a blank between them, except in scripts that write none."""
    line = ""
    for text in texts:
        if line and text and not (is_unspaced(line[-1]) or is_unspaced(text[0])):
            line += " "
        line += text
    return line


def separate_spans(
    spans: Sequence[tuple[float, float]], low_seconds: float, high_seconds: float
) -> list[tuple[float, float]]:
    """The same spans of time in the same order, mended: within [low, high], none empty, none overlapping.

    A span keeps its start where it can, and gives up its end to the next one's start. Those without
    length get MIN_WORD_SECONDS, or an even share where there is not enough room for that.
    """
    if not spans:
        return []
    shortest = min(MIN_WORD_SECONDS, (high_seconds - low_seconds) / len(spans) * 0.999)
    starts: list[float] = []
    ends: list[float] = []
    for index, (start, end) in enumerate(spans):
        following = spans[index + 1][0] if index + 1 < len(spans) else high_seconds
        start = max(start, ends[-1] if ends else low_seconds)
        starts.append(start)
        ends.append(max(min(end, following), start + shortest))
    limit = high_seconds
    for index in reversed(range(len(spans))):
        ends[index] = min(ends[index], limit)
        starts[index] = min(starts[index], ends[index] - shortest)
        limit = starts[index]
    starts[0] = max(starts[0], low_seconds)
    return list(zip(starts, ends, strict=True))
