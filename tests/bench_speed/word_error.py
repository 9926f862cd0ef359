"""How many words were heard wrongly."""

from __future__ import annotations

import re


def word_error(said: str, heard: str) -> float:
    """Words substituted, left out or put in, over the words said; case and punctuation do not count.

    Raises ValueError where nothing was said.
    """
    reference, hypothesis = _words(said), _words(heard)
    if not reference:
        raise ValueError("where nothing is said there is no word error")
    previous = list(range(len(hypothesis) + 1))
    for row, word in enumerate(reference, start=1):
        current = [row]
        for column, other in enumerate(hypothesis, start=1):
            substituted = previous[column - 1] + (word != other)
            current.append(min(substituted, previous[column] + 1, current[-1] + 1))
        previous = current
    return previous[-1] / len(reference)


def _words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())
