"""All corpora by name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from train.corpora import Example, Split, fer2013, goemotions, meld, ravdess
from train.errors import DataError

CORPORA: Final = {corpus.NAME: corpus for corpus in (meld, goemotions, ravdess, fer2013)}


def load_corpora(names: tuple[str, ...], data_folder: Path, split: Split) -> list[Example]:
    """The examples of one split of several corpora, one corpus after the other.

    Raises DataError where a name is unknown, or a corpus is absent or not as published.
    """
    unknown = sorted(set(names) - set(CORPORA))
    if unknown:
        raise DataError(f"There is no corpus {', '.join(unknown)}; known are {', '.join(CORPORA)}.")
    return [example for name in names for example in CORPORA[name].load(data_folder, split)]
