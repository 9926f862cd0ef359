"""RAVDESS (Livingstone and Russo 2018): acted speech, two sentences in eight emotions by 24 actors.

Its eighth emotion, calm, counts as neutral: both are the corpus's baselines. It says nothing of sentiment,
and its two sentences are the same for every emotion, so only the sound is kept.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from train.corpora import Example, Split
from train.corpora.archive import CorpusFiles, find_corpus, open_corpus
from train.errors import DataError

NAME: Final = "ravdess"
FOLDER: Final = "ravdess_speech"

EMOTION_CODES: Final = {
    "01": "neutral",
    "02": "neutral",  # calm
    "03": "joy",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
"""The third field of a file's name."""

SELECTION_ACTORS: Final = (19, 20)
FIRST_TEST_ACTOR: Final = 21
"""Actors below those of the selection train; from here on they are measured."""

_FILE_NAME: Final = re.compile(r"03-01-(?P<emotion>\d\d)-\d\d-\d\d-\d\d-(?P<actor>\d\d)\.(flac|wav)")
"""Modality 03 (sound alone), vocal channel 01 (speech), emotion, intensity, sentence, repetition, actor."""


def is_present(data_folder: Path, split: Split | None = None) -> bool:
    """Whether the corpus is there, unpacked or zipped, and has actors of the split that is asked for."""
    if find_corpus(data_folder, FOLDER) is None:
        return False
    with open_corpus(data_folder, FOLDER) as files:
        return split is None or any(
            split_of_actor(_parse_name(name, files.source)[1]) == split for name in _recordings(files)
        )


def load(data_folder: Path, split: Split) -> list[Example]:
    """The recordings of one split's actors in order of their names: 1-18 train, 19-20 select, 21 and up test.

    Raises DataError where the corpus is absent, holds no recording, or one is named in another manner.
    """
    with open_corpus(data_folder, FOLDER) as files:
        recordings = _recordings(files)
        if not recordings:
            raise DataError(f"{files.source} holds no .flac or .wav file.")
        return [
            _to_example(files, name, emotion, actor)
            for name in recordings
            for emotion, actor in [_parse_name(name, files.source)]
            if split_of_actor(actor) == split
        ]


def split_of_actor(actor: int) -> Split:
    """Which split this actor (1-24) belongs to."""
    if actor >= FIRST_TEST_ACTOR:
        return "test"
    return "selection" if actor in SELECTION_ACTORS else "train"


def gender_of_actor(actor: int) -> Literal["male", "female"]:
    """Actors with an odd number are male, those with an even number female."""
    return "male" if actor % 2 else "female"


def _recordings(files: CorpusFiles) -> list[PurePosixPath]:
    return [name for name in files.names if name.suffix.lower() in (".flac", ".wav")]


def _parse_name(name: PurePosixPath, source: Path) -> tuple[str, int]:
    match = _FILE_NAME.fullmatch(name.name)
    if match is None or match["emotion"] not in EMOTION_CODES:
        raise DataError(
            f"{source}: {name} is not named like RAVDESS speech, 03-01-EE-II-SS-RR-AA.flac with EE from 01 to 08."
        )
    return EMOTION_CODES[match["emotion"]], int(match["actor"])


def _to_example(files: CorpusFiles, name: PurePosixPath, emotion: str, actor: int) -> Example:
    return Example(NAME, name.stem, emotion, None, audio=files.locate(name), group=f"actor{actor:02d}")
