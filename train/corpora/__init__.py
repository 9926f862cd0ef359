"""The corpora that the network learns from, each turned into Examples in the project's own labels.

Every corpus module offers `is_present(data_folder, split=None)` and `load(data_folder, split)`. The splits
are "train" to learn from, "selection" to choose and calibrate by, and "test" to be measured on once.
A data folder may hold any of the corpora, unpacked or zipped, and of a corpus any of its splits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from sentiment.labels import EMOTIONS, SENTIMENTS

Split = Literal["train", "selection", "test"]

MAX_CONTEXT_UTTERANCES = 5
"""How many earlier and later utterances an Example carries; how many are read is a setting of the checkpoint."""


@dataclass(frozen=True, slots=True)
class Example:
    """One annotated utterance, recording or face. What a corpus does not have is None."""

    corpus: str
    key: str
    """Unique within the corpus and stable between runs."""
    emotion: str | None
    """One of EMOTIONS."""
    sentiment: str | None
    """One of SENTIMENTS."""
    text: str | None = None
    context: tuple[str, ...] = ()
    """Earlier utterances of the same dialogue, oldest first, at most MAX_CONTEXT_UTTERANCES."""
    following: tuple[str, ...] = ()
    """Later ones, next first, as many."""
    audio: Path | bytes | None = field(default=None, repr=False)
    """An encoded sound file (FLAC, WAV), or its content."""
    image: Path | bytes | None = field(default=None, repr=False)
    """An encoded picture (JPEG, PNG), or its content."""
    group: str | None = None
    """What must not be torn apart by a split: the dialogue, the actor."""

    def __post_init__(self) -> None:
        if self.emotion is not None and self.emotion not in EMOTIONS:
            raise ValueError(f"emotion must be one of {', '.join(EMOTIONS)}, got {self.emotion!r}")
        if self.sentiment is not None and self.sentiment not in SENTIMENTS:
            raise ValueError(f"sentiment must be one of {', '.join(SENTIMENTS)}, got {self.sentiment!r}")
        for name, lines in (("context", self.context), ("following", self.following)):
            if len(lines) > MAX_CONTEXT_UTTERANCES:
                raise ValueError(f"{name} holds at most {MAX_CONTEXT_UTTERANCES} utterances, got {len(lines)}")


def with_lines_around(dialogue: Sequence[Example]) -> list[Example]:
    """The utterances of one dialogue, in their order, each with the texts around it; "" is in nobody's context."""
    said = [example.text for example in dialogue if example.text]
    placed, before = [], 0
    for example in dialogue:
        after = before + bool(example.text)
        context = tuple(said[max(0, before - MAX_CONTEXT_UTTERANCES) : before])
        placed.append(replace(example, context=context, following=tuple(said[after : after + MAX_CONTEXT_UTTERANCES])))
        before = after
    return placed
