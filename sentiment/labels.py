"""Every decision about labels: which there are, in which order, which go together, what they look like.

The order here is the order of every tensor, table, plot and file of the project. A checkpoint
carries its own copy and is refused where it differs.
"""

from __future__ import annotations

from typing import Final

EMOTIONS: Final = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
"""The seven emotions of MELD (Poria et al. 2019): Ekman's six and neutral."""

SENTIMENTS: Final = ("negative", "neutral", "positive")

MODALITIES: Final = ("text", "audio", "video")
"""The three signals, in the order in which their features are concatenated."""

MODALITY_NAMES: Final = {"text": "words", "audio": "voice", "video": "face"}
"""What a person is shown in place of a modality's technical name."""

PERMITTED_PAIRS: Final = (
    ("anger", "negative"),
    ("disgust", "negative"),
    ("fear", "negative"),
    ("joy", "positive"),
    ("neutral", "neutral"),
    ("sadness", "negative"),
    ("surprise", "negative"),
    ("surprise", "positive"),
)
"""The (emotion, sentiment) pairs that exist: true of all 13,708 annotated rows of MELD."""

EMOTION_COLOURS: Final = {
    "anger": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "joy": "#E69F00",
    "neutral": "#9A9A9A",
    "sadness": "#0072B2",
    "surprise": "#56B4E9",
}
"""Okabe and Ito's palette, which colour-blind readers can tell apart; neutral is their grey."""

SENTIMENT_COLOURS: Final = {"negative": "#B2182B", "neutral": "#9A9A9A", "positive": "#2166AC"}
"""The ends of ColorBrewer's diverging RdBu, so that sentiment never borrows an emotion's colour."""


def is_permitted_pair(emotion: str, sentiment: str) -> bool:
    """Whether any annotated utterance carries this emotion together with this sentiment."""
    return (emotion, sentiment) in PERMITTED_PAIRS
