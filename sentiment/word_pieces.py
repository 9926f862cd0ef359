"""Whole words with their times, from the pieces in which faster-whisper gives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sentiment.datatypes import Word
from sentiment.media_datatypes import AudioTrack
from sentiment.words import is_unspaced, separate_spans


@dataclass(slots=True)
class WordPiece:
    """A word in the making, at times of the sound that was heard."""

    text: str
    start_seconds: float
    end_seconds: float
    probability: float


def join_pieces(pieces: Iterable[Any]) -> list[WordPiece]:
    """Whole words from faster-whisper's, which come apart at punctuation: " 3" and ".5" are one.

    A blank in front marks a new word. Without one, a piece belongs to the word before, unless the
    script knows no blanks: there each piece stays alone, and only punctuation and vowel signs join.
    Punctuation on its own ("...", "♪") is no word.
    """
    words: list[WordPiece] = []
    for piece in pieces:
        text = piece.word.strip()
        if not text:
            continue
        has_letters = any(c.isalnum() for c in text)
        last = words[-1] if words and not piece.word[0].isspace() else None
        is_apart = last is not None and (is_unspaced(last.text[-1]) or is_unspaced(text[0]))
        if last is not None and not (has_letters and is_apart):
            last.text += text
            last.end_seconds = max(last.end_seconds, float(piece.end))
            last.probability = min(last.probability, float(piece.probability))
        elif has_letters:
            words.append(WordPiece(text, float(piece.start), float(piece.end), float(piece.probability)))
    return words


def place_words(pieces: Sequence[WordPiece], audio: AudioTrack) -> tuple[Word, ...]:
    """Words at times of the file, each of some length, one after the other, inside the sound."""
    offset = audio.start_seconds
    spans = [(piece.start_seconds + offset, piece.end_seconds + offset) for piece in pieces]
    return tuple(
        Word(start, end, piece.text, min(max(piece.probability, 0.0), 1.0))
        for piece, (start, end) in zip(
            pieces, separate_spans(spans, audio.start_seconds, audio.end_seconds), strict=True
        )
    )
