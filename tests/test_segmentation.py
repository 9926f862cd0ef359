from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from sentiment.datatypes import Segment, Word
from sentiment.errors import SettingsError
from sentiment.segmentation import SegmentationSettings, cut_segments, ends_sentence

SETTINGS = SegmentationSettings()
ROUNDING_SECONDS = 1e-6


def spoken(text: str, start_seconds: float = 0.0, word_seconds: float = 0.3, gap_seconds: float = 0.0) -> list[Word]:
    """Words of equal length at equal distances."""
    step = word_seconds + gap_seconds
    return [
        Word(start_seconds + i * step, start_seconds + i * step + word_seconds, part, 0.9)
        for i, part in enumerate(text.split())
    ]


def texts(segments: list[Segment]) -> list[str]:
    return [segment.text for segment in segments if segment.kind == "speech"]


def times(segments: list[Segment]) -> list[tuple[str, float, float]]:
    return [(s.kind, round(s.start_seconds, 3), round(s.end_seconds, 3)) for s in segments]


def sentences(text: str, gap_seconds: float = 0.0) -> list[str]:
    words = spoken(text, gap_seconds=gap_seconds)
    return texts(cut_segments(words, 0.0, words[-1].end_seconds))


# ---------------------------------------------------------------- sentence ends


def test_a_sentence_glued_to_the_next_is_split_at_its_word_times() -> None:
    segments = cut_segments(spoken("Why did you? I hate it."), 0.0, 1.8)
    assert texts(segments) == ["Why did you?", "I hate it."]
    assert times(segments) == [("speech", 0.0, 0.9), ("speech", 0.9, 1.8)]


@pytest.mark.parametrize(
    "text",
    [
        "Mr. Smith met Dr. Jones there",
        "it costs 3.5 dollars or $1,200.50 Canadian",
        "some fruit, e.g. Apples and pears",
        "meet J. K. Rowling at 5 p.m. Monday",
        "the U.S. Senate voted on No. 5 today",
        "well... Anna, you know... Bob left",
        "and so… Maybe not",
        '"Stop it!" he said and "why?" she asked',
        "am 5. Mai kam Fr. Meyer bzw. Herr Braun",
        "visit example.com Monday or call version 2.0.1 Beta",
        "we met (they laughed!) and left",
    ],
)
def test_full_stops_inside_of_a_sentence_do_not_split_it(text: str) -> None:
    assert sentences(text) == [text]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("I was there.", "You were not."),
        ('He said "go away."', "Then he left."),
        ("(It was late.)", "“Who is it?”"),
        ("What is that?!", "nobody knows it"),
        ("It was in 1999.", "We were young."),
        ("Well, so am I.", "Let us go."),
        ("You told me no.", "I asked again."),
        ("¿Qué quieres hacer?", "¡Nada de nada!"),
        ("यह बहुत अच्छा है।", "मैं खुश हूँ।"),
        ("هل أنت سعيد؟", "نعم أنا سعيد"),
    ],
)
def test_sentences_end_where_they_do(first: str, second: str) -> None:
    assert sentences(f"{first} {second}") == [first, second]


def test_after_an_abbreviation_it_is_the_pause_that_tells() -> None:
    text = "He lives in the U.S. She does not"
    assert sentences(text, gap_seconds=SETTINGS.abbreviation_pause_seconds - 0.05) == [text]
    assert sentences(text, gap_seconds=SETTINGS.abbreviation_pause_seconds + 0.05) == [
        "He lives in the U.S.",
        "She does not",
    ]


def test_ends_sentence_looks_at_the_following_word() -> None:
    stop = Word(0.0, 0.3, "approximately.", 1.0)
    assert ends_sentence(stop, Word(0.3, 0.6, "Five", 1.0))
    assert not ends_sentence(stop, Word(0.3, 0.6, "five", 1.0))
    assert not ends_sentence(stop, Word(0.3, 0.6, '"five', 1.0))


def test_scripts_without_blanks_are_joined_without_blanks() -> None:
    parts = ["今日", "は", "いい", "天気", "です。", "行", "き", "ます", "か？", "はい！"]
    words = [Word(i * 0.3, i * 0.3 + 0.3, part, 1.0) for i, part in enumerate(parts)]
    # The last, of 0.3 s, is too short to stand alone.
    assert texts(cut_segments(words, 0.0, 3.0)) == ["今日はいい天気です。", "行きますか？はい！"]


def test_latin_words_among_han_keep_their_blanks_between_each_other_only() -> None:
    parts = ["我", "喜欢", "Hello", "Kitty", "。"]
    words = [Word(i * 0.3, i * 0.3 + 0.3, part, 1.0) for i, part in enumerate(parts)]
    assert texts(cut_segments(words, 0.0, 1.5)) == ["我喜欢Hello Kitty。"]


# ---------------------------------------------------------------- pauses, gaps


def test_a_pause_ends_an_utterance_without_any_punctuation() -> None:
    words = spoken("so I said") + spoken("and then he", start_seconds=0.9 + SETTINGS.pause_seconds)
    assert texts(cut_segments(words, 0.0, 3.0)) == ["so I said", "and then he"]
    words = spoken("so I said") + spoken("and then he", start_seconds=0.9 + SETTINGS.pause_seconds - 0.01)
    assert texts(cut_segments(words, 0.0, 3.0)) == ["so I said and then he"]


@pytest.mark.parametrize(
    ("gap_seconds", "windows"), [(1.99, 0), (2.0, 1), (5.0, 1), (5.01, 2), (10.0, 2), (11.0, 3), (60.0, 12)]
)
def test_gaps_become_even_silent_windows(gap_seconds: float, windows: int) -> None:
    words = spoken("here we are.") + spoken("there you go.", start_seconds=0.9 + gap_seconds)
    silent = [s for s in cut_segments(words, 0.0, words[-1].end_seconds) if s.kind == "silent"]
    assert [s.duration_seconds for s in silent] == pytest.approx([gap_seconds / max(windows, 1)] * windows)
    if silent:
        assert silent[0].start_seconds == pytest.approx(0.9)
        assert silent[-1].end_seconds == pytest.approx(0.9 + gap_seconds)


def test_silence_before_and_after_is_seen_too() -> None:
    assert times(cut_segments(spoken("good morning all", 13.0), 10.0, 18.0)) == [
        ("silent", 10.0, 13.0),
        ("speech", 13.0, 13.9),
        ("silent", 13.9, 18.0),
    ]


def test_nobody_speaks() -> None:
    assert times(cut_segments([], 0.0, 12.0)) == [("silent", 0.0, 4.0), ("silent", 4.0, 8.0), ("silent", 8.0, 12.0)]
    assert cut_segments([], 0.0, 1.0) == []


# ---------------------------------------------------------------- too long, too short


def test_a_long_utterance_is_split_at_its_longest_inner_pause() -> None:
    words = spoken("a " * 30) + spoken("b " * 25, start_seconds=9.5)  # 9 s, a pause of 0.5 s, 7.5 s
    assert times(cut_segments(words, 0.0, 17.0)) == [("speech", 0.0, 9.0), ("speech", 9.5, 17.0)]


def test_without_any_pause_it_is_halved() -> None:
    segments = cut_segments(spoken("word " * 60), 0.0, 18.0)
    assert times(segments) == [("speech", 0.0, 9.0), ("speech", 9.0, 18.0)]


def test_a_split_leaves_no_splinters() -> None:
    words = [*spoken("a"), *spoken("b " * 55, start_seconds=0.6)]  # the longest pause is behind the first word
    assert all(s.duration_seconds >= 0.4 for s in cut_segments(words, 0.0, 17.1))


def test_a_long_monologue_needs_no_deep_recursion() -> None:
    words = spoken("word " * 6_000)
    segments = cut_segments(words, 0.0, words[-1].end_seconds)
    assert len(" ".join(texts(segments)).split()) == 6_000


def test_a_single_word_that_claims_to_last_keeps_its_beginning() -> None:
    segments = cut_segments([Word(1.0, 25.0, "Aaah!", 0.9)], 0.0, 25.0)
    assert times(segments) == [("speech", 1.0, 16.0), ("silent", 16.0, 20.5), ("silent", 20.5, 25.0)]


def test_a_short_sentence_joins_the_nearer_neighbour_of_its_pause_group() -> None:
    words = [*spoken("I told him."), Word(1.0, 1.2, "No.", 0.9), *spoken("He went away.", 1.7)]
    assert texts(cut_segments(words, 0.0, 2.6)) == ["I told him. No.", "He went away."]
    words = [*spoken("I told him."), Word(1.4, 1.6, "No.", 0.9), *spoken("He went away.", 1.7)]
    assert texts(cut_segments(words, 0.0, 2.6)) == ["I told him.", "No. He went away."]


def test_a_short_sentence_as_near_to_both_opens_the_next() -> None:
    words = [*spoken("I told him."), Word(0.9, 1.1, "Oh.", 0.9), *spoken("He went away.", 1.1)]
    assert texts(cut_segments(words, 0.0, 2.0)) == ["I told him.", "Oh. He went away."]


def test_a_short_sentence_does_not_join_across_a_pause_but_is_widened() -> None:
    words = [*spoken("I told him."), Word(2.0, 2.2, "No.", 0.9), *spoken("He went away.", 3.5)]
    assert times(cut_segments(words, 0.0, 4.4)) == [
        ("speech", 0.0, 0.9),
        ("speech", 1.9, 2.3),
        ("speech", 3.5, 4.4),
    ]


def test_at_the_edge_a_short_sentence_is_widened_to_the_other_side() -> None:
    assert times(cut_segments([Word(0.05, 0.2, "Hi.", 0.9)], 0.0, 1.5)) == [("speech", 0.0, 0.4)]
    assert times(cut_segments([Word(1.3, 1.5, "Hi.", 0.9)], 0.0, 1.5)) == [("speech", 1.1, 1.5)]


def test_a_short_sentence_that_fits_nowhere_stays_short() -> None:
    words = [*spoken("a " * 50)[:-1], Word(14.7, 14.9, "end.", 0.9), Word(14.9, 15.1, "No.", 0.9)]
    words += [*spoken("B " * 49, start_seconds=15.1), Word(29.8, 30.05, "B.", 0.9)]
    segments = cut_segments(words, 0.0, words[-1].end_seconds)
    assert [round(s.duration_seconds, 3) for s in segments] == [14.9, 0.2, 14.95]


# ---------------------------------------------------------------- what must hold for anything


def random_words(rng: random.Random, start_seconds: float) -> list[Word]:
    """Anything a recogniser might come up with, from none to many words, squeezed and stretched."""
    cursor, words = start_seconds + rng.choice([0, 0, 1, 3, 12]), []
    for i in range(rng.randint(0, 80)):
        cursor += rng.choice([0, 0, 0.1, 0.3, 0.79, 0.8, 2, 2.5, 6, 20]) * (rng.random() < 0.4)
        length = rng.choice([0.02, 0.1, 1, 3, 22]) if rng.random() < 0.3 else rng.uniform(0.02, 0.6)
        words.append(Word(cursor, cursor + length, f"w{i}{rng.choice(['', '', '.', '?', '...', ','])}", 1.0))
        cursor += length
    return words


@pytest.mark.parametrize("seed", range(300))
def test_invariants(seed: int) -> None:
    rng = random.Random(seed)
    start = rng.uniform(0, 50)
    words = random_words(rng, start)
    end = (words[-1].end_seconds if words else start) + rng.choice([0.01, 1, 2, 7, 30])
    segments = cut_segments(words, start, end)

    assert " ".join(texts(segments)).split() == [word.text for word in words]
    edges = [start, *(t for s in segments for t in (s.start_seconds, s.end_seconds)), end]
    assert edges == sorted(edges)
    longest = {"speech": SETTINGS.max_utterance_seconds, "silent": SETTINGS.max_silent_seconds}
    assert all(s.duration_seconds <= longest[s.kind] + ROUNDING_SECONDS for s in segments)
    gaps = [after - before for before, after in zip(edges[::2], edges[1::2], strict=True)]
    assert all(gap < SETTINGS.min_gap_seconds for gap in gaps)
    for i, segment in enumerate(segments):
        if segment.duration_seconds < SETTINGS.min_utterance_seconds - ROUNDING_SECONDS:
            assert gaps[i] + gaps[i + 1] < ROUNDING_SECONDS, "there was room to widen it"


def test_times_outside_of_the_stretch_and_overlaps_are_mended() -> None:
    words = [Word(0.0, 1.0, "One", 1.0), Word(0.5, 0.6, "two", 1.0), Word(3.0, 3.5, "three.", 1.0)]
    segments = cut_segments(words, 0.2, 2.0)
    assert " ".join(texts(segments)) == "One two three."
    assert segments[0].start_seconds >= 0.2
    assert segments[-1].end_seconds <= 2.0
    assert all(a.end_seconds <= b.start_seconds for a, b in pairwise(segments))


def test_a_stretch_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match="start < end"):
        cut_segments([], 3.0, 3.0)


# ---------------------------------------------------------------- settings


def test_settings_are_obeyed() -> None:
    settings = SegmentationSettings(pause_seconds=0.2, max_utterance_seconds=2.0, min_gap_seconds=1.0)
    words = spoken("one two three four five six seven eight nine ten")
    segments = cut_segments(words, 0.0, 4.5, settings)
    assert times(segments) == [("speech", 0.0, 1.5), ("speech", 1.5, 3.0), ("silent", 3.0, 4.5)]
    assert len(texts(cut_segments(spoken("a b c", word_seconds=0.5, gap_seconds=0.3), 0.0, 3.0, settings))) == 3


@pytest.mark.parametrize("name", SegmentationSettings.__dataclass_fields__)
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_settings_are_refused(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match=name):
        replace(SETTINGS, **{name: value})


def test_an_utterance_must_be_divisible() -> None:
    with pytest.raises(SettingsError, match="at least twice"):
        SegmentationSettings(max_utterance_seconds=0.7)
