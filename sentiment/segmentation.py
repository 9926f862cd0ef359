"""From words to utterances, and from the gaps between them to windows in which nobody speaks.

    words      |Why did you do that?|   |No.|              |I see, and ...      ... so on.|
    segments   [speech              )   [sp )[silent)[silent)[speech       )[speech       )
               sentence end ^  pause ^       gap >= 2 s, evenly divided     ^ longer than 15 s: at its
                                                                              longest inner pause

Plain arithmetic on times and punctuation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Final

from sentiment.datatypes import Segment, Word
from sentiment.errors import SettingsError
from sentiment.words import join_words, separate_spans


@dataclass(frozen=True, slots=True)
class SegmentationSettings:
    """Where utterances begin and end. All in seconds."""

    pause_seconds: float = 0.8
    """A pause this long ends an utterance even inside a sentence. Pauses of more than a second are a
    class of their own in spontaneous speech (Campione & Véronis 2002), and a recogniser's words reach up
    to 0.2 s into them."""
    abbreviation_pause_seconds: float = 0.25
    """After "p.m.", "U.S." or an initial, where the full stop may be part of the word, a sentence ends only
    with a pause this long: shorter ones belong to articulation (Goldman-Eisler 1968)."""
    max_utterance_seconds: float = 15.0
    """Longer ones are split at their longest inner pause: it is as much sound as the network hears
    (ClipSettings.max_audio_seconds), and one feeling seldom lasts longer."""
    min_utterance_seconds: float = 0.4
    """Shorter ones are joined to a neighbour or widened: a syllable or two, too short for its voice or
    face to be read."""
    min_gap_seconds: float = 2.0
    """A gap this long is looked at on its own; a shorter one belongs to the rhythm of talk."""
    max_silent_seconds: float = 5.0
    """Longer gaps are divided evenly: a face that only watches changes its expression within seconds."""
    watched_seconds: float = 2.0
    """How long the windows are in which somebody is only watched: most expressions of a face last between half a
    second and four (Ekman 2003)."""

    def __post_init__(self) -> None:
        for setting in fields(self):
            value = getattr(self, setting.name)
            if not (math.isfinite(value) and value > 0):
                raise SettingsError(f"segmentation setting {setting.name} must be a positive number, got {value}")
        if self.max_utterance_seconds < 2 * self.min_utterance_seconds:
            raise SettingsError(
                f"segmentation setting max_utterance_seconds must be at least twice min_utterance_seconds, "
                f"got {self.max_utterance_seconds} and {self.min_utterance_seconds}"
            )


DEFAULT_SETTINGS: Final = SegmentationSettings()


def cut_segments(
    words: Sequence[Word],
    start_seconds: float,
    end_seconds: float,
    settings: SegmentationSettings = DEFAULT_SETTINGS,
) -> list[Segment]:
    """The segments of one stretch of a file, in order, inside [start, end), never overlapping.

    Every word is in exactly one segment of kind "speech". Gaps of at least `min_gap_seconds` become
    windows of kind "silent"; what is left between segments is shorter than that. A segment of speech is
    never longer than `max_utterance_seconds`; a single word that claims to be keeps its beginning. It
    is shorter than `min_utterance_seconds` only where its neighbours leave it no room.

    `words` are in the order in which they were said; times outside [start, end), or that overlap, are
    mended. Raises ValueError where end is not after start.
    """
    if not 0 <= start_seconds < end_seconds:
        raise ValueError(f"a stretch needs 0 <= start < end, got [{start_seconds}, {end_seconds}) seconds")
    spans = separate_spans([(w.start_seconds, w.end_seconds) for w in words], start_seconds, end_seconds)
    placed = [Word(start, end, w.text, w.probability) for w, (start, end) in zip(words, spans, strict=True)]
    utterances: list[_Utterance] = []
    for group in _split_at_pauses(placed, settings.pause_seconds):
        sentences = _split_at_sentence_ends(group, settings)
        parts = [part for sentence in sentences for part in _split_long(sentence, settings)]
        utterances += _merge_short(parts, settings)
    _widen_short(utterances, start_seconds, end_seconds, settings.min_utterance_seconds)
    return _fill_gaps(utterances, start_seconds, end_seconds, settings)


@dataclass(slots=True)
class _Utterance:
    """Words that belong together, and the interval that will be their segment's."""

    words: list[Word]
    start_seconds: float
    end_seconds: float

    @classmethod
    def of(cls, words: list[Word]) -> _Utterance:
        return cls(words, words[0].start_seconds, words[-1].end_seconds)

    @property
    def duration_seconds(self) -> float:
        return self.end_seconds - self.start_seconds


def _gap_seconds(before: Word | _Utterance, after: Word | _Utterance) -> float:
    """Rounded to milliseconds, so that equal gaps compare as equal."""
    return round(after.start_seconds - before.end_seconds, 3)


# ---------------------------------------------------------------- pauses and sentence ends


def _split_at_pauses(words: Sequence[Word], pause_seconds: float) -> list[list[Word]]:
    groups: list[list[Word]] = []
    for word in words:
        if groups and _gap_seconds(groups[-1][-1], word) < pause_seconds:
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def _split_at_sentence_ends(words: Sequence[Word], settings: SegmentationSettings) -> list[list[Word]]:
    sentences: list[list[Word]] = [[]]
    for index, word in enumerate(words):
        sentences[-1].append(word)
        following = words[index + 1] if index + 1 < len(words) else None
        if following is not None and ends_sentence(word, following, settings):
            sentences.append([])
    return sentences


_CLOSING: Final = "\"'”’»›)]}」』】）》"
_OPENING: Final = "\"'“‘«‹([{「『【（《¿¡-–—"

_TITLES: Final = frozenset(
    {"mr", "mrs", "ms", "dr", "prof", "st", "mt", "ft", "gen", "col", "capt", "lt", "sgt", "rev", "hon", "sen", "gov"}
    | {"vs", "dept", "approx"}
    | {"hr", "fr", "frl", "bzw", "ca", "ggf", "inkl"}  # German
    | {"mme", "mlle", "sr", "sra", "srta", "dra", "ud", "uds", "sig", "dott"}  # French, Spanish, Italian
)
"""What stands before something else, so that its full stop never ends a sentence. Not complete: one
that is missing costs a split before a capital letter, no more."""

_COUNTED: Final = frozenset({"no", "nr", "vol", "p", "pp", "fig", "art", "ch"})
"""Likewise, where a number follows: "No. 5", but not "No. I won't"."""

_AMBIGUOUS: Final = re.compile(
    r"(?:[^\W\d_]\.)+[^\W\d_]"  # U.S. e.g. p.m. z.B.
    r"|\d{1,2}"  # "am 5. Mai", "she is 5."
    r"|(?:jr|inc|ltd|co|corp|etc|usw|al|op)",
    re.IGNORECASE,
)
"""Words whose full stop may be their own, the sentence's, or both (matched without it)."""


def ends_sentence(word: Word, following: Word, settings: SegmentationSettings = DEFAULT_SETTINGS) -> bool:
    """Whether a sentence ends with `word`, given the word after it.

    "?", "!" and their kin in other scripts end one. So does a full stop, unless it belongs to an
    abbreviation, or a small letter follows. An ellipsis does not: a voice that trails off makes a pause,
    which is heard anyway. Closing quotes and brackets are looked through: after them, a small letter
    says that the sentence goes on ("Stop!" he said).
    """
    core = word.text.rstrip(_CLOSING)
    goes_on = following.text.lstrip(_OPENING)[:1].islower()
    if core.endswith(("...", "…", "‥")) or not core:
        return False
    if core[-1] in "?!？！؟。｡．।॥۔":
        is_quoted = core != word.text
        return not (is_quoted and goes_on)
    if core[-1] != "." or goes_on:
        return False
    stem = core[:-1].lstrip(_OPENING)
    if stem.lower() in _TITLES or (stem.lower() in _COUNTED and following.text[0].isdigit()):
        return False
    is_initial = len(stem) == 1 and stem.isalpha() and stem != "I"
    if is_initial or _AMBIGUOUS.fullmatch(stem):
        return _gap_seconds(word, following) >= settings.abbreviation_pause_seconds
    return True


# ---------------------------------------------------------------- neither too long nor too short


def _split_long(words: list[Word], settings: SegmentationSettings) -> list[_Utterance]:
    """Halve at the longest inner pause until every part fits; where pauses are equal, nearest the middle."""
    done: list[_Utterance] = []
    todo = [words]
    while todo:
        part = _Utterance.of(todo.pop())
        if part.duration_seconds <= settings.max_utterance_seconds:
            done.append(part)
        elif len(part.words) == 1:
            part.end_seconds = part.start_seconds + settings.max_utterance_seconds
            done.append(part)
        else:
            cut = _best_cut(part, settings.min_utterance_seconds)
            todo += [part.words[cut:], part.words[:cut]]
    return done


def _best_cut(part: _Utterance, min_seconds: float) -> int:
    """Before which word to cut, leaving at least `min_seconds` on either side where that can be."""
    middle = (part.start_seconds + part.end_seconds) / 2

    def worth(cut: int) -> tuple[bool, float, float]:
        before, after = part.words[cut - 1], part.words[cut]
        leaves_enough = (
            before.end_seconds - part.start_seconds >= min_seconds
            and part.end_seconds - after.start_seconds >= min_seconds
        )
        return leaves_enough, _gap_seconds(before, after), -abs(after.start_seconds - middle)

    return max(range(1, len(part.words)), key=worth)


def _merge_short(parts: list[_Utterance], settings: SegmentationSettings) -> list[_Utterance]:
    """Join each part that is too short to the nearer of its neighbours, where both fit into one.

    All parts are of one pause group. Where both are as near, the following one is taken: a short
    "Oh." or "Well." mostly opens what comes next.
    """
    parts = list(parts)
    index = 0
    while index < len(parts):
        part = parts[index]
        if part.duration_seconds >= settings.min_utterance_seconds:
            index += 1
            continue
        candidates = [i for i in (index, index - 1) if i >= 0 and i + 1 < len(parts)]
        candidates.sort(key=lambda i: _gap_seconds(parts[i], parts[i + 1]))
        for left in candidates:
            start, end = parts[left].start_seconds, parts[left + 1].end_seconds
            if end - start <= settings.max_utterance_seconds:
                parts[left : left + 2] = [_Utterance(parts[left].words + parts[left + 1].words, start, end)]
                index = left
                break
        else:
            index += 1
    return parts


def _widen_short(utterances: list[_Utterance], start_seconds: float, end_seconds: float, min_seconds: float) -> None:
    """Give what is still too short some of the silence around it, half from either side if it can be."""
    for index, utterance in enumerate(utterances):
        missing = min_seconds - utterance.duration_seconds
        if missing <= 0:
            continue
        low = utterances[index - 1].end_seconds if index else start_seconds
        high = utterances[index + 1].start_seconds if index + 1 < len(utterances) else end_seconds
        room_before, room_after = utterance.start_seconds - low, high - utterance.end_seconds
        before = min(room_before, max(missing / 2, missing - room_after))
        utterance.start_seconds -= before
        utterance.end_seconds += min(room_after, missing - before)


# ---------------------------------------------------------------- the gaps


def _fill_gaps(
    utterances: Sequence[_Utterance], start_seconds: float, end_seconds: float, settings: SegmentationSettings
) -> list[Segment]:
    """The segments of speech, with silent windows wherever they leave room enough."""
    segments: list[Segment] = []
    cursor = start_seconds
    for utterance in utterances:
        segments += _silent_windows(cursor, utterance.start_seconds, settings)
        text = join_words(word.text for word in utterance.words)
        segments.append(Segment(utterance.start_seconds, utterance.end_seconds, "speech", text))
        cursor = utterance.end_seconds
    return segments + _silent_windows(cursor, end_seconds, settings)


def _silent_windows(start_seconds: float, end_seconds: float, settings: SegmentationSettings) -> list[Segment]:
    gap = end_seconds - start_seconds
    if round(gap, 3) < settings.min_gap_seconds:
        return []
    count = math.ceil(round(gap / settings.max_silent_seconds, 6))
    edges = [start_seconds + gap * i / count for i in range(count)] + [end_seconds]
    return [Segment(low, high, "silent") for low, high in pairwise(edges)]


def cut_watching(start_seconds: float, end_seconds: float, settings: SegmentationSettings) -> list[Segment]:
    """Windows of kind "watched" over [start, end), each `watched_seconds` long.

    What is left at the end is a window of its own if it is at least half as long, and else belongs to the last.
    """
    count = max(1, math.floor((end_seconds - start_seconds) / settings.watched_seconds + 0.5))
    edges = [start_seconds + i * settings.watched_seconds for i in range(count)] + [end_seconds]
    return [Segment(low, high, "watched") for low, high in pairwise(edges)]
