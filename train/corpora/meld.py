"""MELD (Poria et al. 2019): utterances of *Friends* with emotion and sentiment. Its words alone are read here."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from pathlib import Path
from typing import Final

from sentiment.labels import EMOTIONS, SENTIMENTS, is_permitted_pair
from train.corpora import MAX_CONTEXT_UTTERANCES, Example, Split
from train.corpora.archive import find_corpus, open_corpus
from train.errors import DataError

NAME: Final = "meld"
OFFICIAL_SPLITS: Final[dict[Split, str]] = {"train": "train", "selection": "dev", "test": "test"}
COLUMNS: Final = ("Utterance", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")


def is_present(data_folder: Path, split: Split | None = None) -> bool:
    """Whether the CSV file of that split, or of any, stands somewhere below the folder or in its meld.zip."""
    return any(_find_csv(data_folder, wanted) is not None for wanted in ([split] if split else OFFICIAL_SPLITS))


def load(data_folder: Path, split: Split) -> list[Example]:
    """The utterances of one official split ("selection" is MELD's dev), in order of dialogue and utterance.

    Raises DataError where the CSV file is missing or malformed.
    """
    found = _find_csv(data_folder, split)
    if found is None:
        raise DataError(f"{data_folder} has no {_csv_name(split)} in it, in any folder below it or in {NAME}.zip.")
    path, content = found
    dialogues: dict[int, dict[int, dict[str, str]]] = defaultdict(dict)
    for line, row in _read_rows(path, content):
        dialogue, utterance = (_to_number(row[column], column, path, line) for column in COLUMNS[3:])
        if utterance in dialogues[dialogue]:
            raise DataError(f"{path}, line {line}: utterance {utterance} of dialogue {dialogue} stands there twice.")
        _check_labels(row, path, line)
        dialogues[dialogue][utterance] = row
    return [
        example for number in sorted(dialogues) for example in _dialogue_to_examples(split, number, dialogues[number])
    ]


def decode(content: bytes, source: Path) -> str:
    """The text of a CSV file: UTF-8 if it is valid UTF-8 throughout, else Windows-1252.

    MELD circulates in both. Windows-1252 punctuation such as a lone 0x92 is never valid UTF-8, so the
    choice is made once for the whole file and cannot mix the two. Some UTF-8 copies passed through
    Latin-1 on their way and hold the C1 control U+0092 for an apostrophe; those are put right too.

    Raises DataError where the file is neither.
    """
    try:
        return content.decode("utf-8-sig").translate(_C1_TO_PUNCTUATION)
    except UnicodeDecodeError:
        pass  # not UTF-8: then it is the other encoding in which MELD circulates
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError as error:
        raise DataError(f"{source} is neither UTF-8 nor Windows-1252 text: {error}.") from error


def _c1_punctuation() -> dict[int, str]:
    """What Windows-1252 means by the bytes that Latin-1 reads as C1 controls."""
    undefined = {0x81, 0x8D, 0x8F, 0x90, 0x9D}
    return {code: bytes([code]).decode("cp1252") for code in range(0x80, 0xA0) if code not in undefined}


_C1_TO_PUNCTUATION: Final = _c1_punctuation()


def _csv_name(split: Split) -> str:
    return f"{OFFICIAL_SPLITS[split]}_sent_emo.csv"


def _find_csv(data_folder: Path, split: Split) -> tuple[Path, bytes] | None:
    """Where the split's CSV file stands, and its content; None where there is none.

    Distributions of MELD put the files at differing depths: the copy nearest to the folder is taken.
    """
    found = min(data_folder.rglob(_csv_name(split)), key=lambda path: (len(path.parts), path), default=None)
    if found is not None:
        return found, found.read_bytes()
    if find_corpus(data_folder, NAME) is None:
        return None
    with open_corpus(data_folder, NAME) as files:
        name = files.topmost(_csv_name(split))
        return None if name is None else (files.source / name, files.read(name))


def _read_rows(path: Path, content: bytes) -> list[tuple[int, dict[str, str]]]:
    """(line number, row) for each row; every row has all of COLUMNS."""
    reader = csv.DictReader(io.StringIO(decode(content, path), newline=""), strict=True)
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise DataError(f"{path} has no column {', '.join(missing)}; MELD's files have {', '.join(COLUMNS)}.")
    rows = []
    try:
        for row in reader:
            if any(row[column] is None for column in COLUMNS):
                raise DataError(f"{path}, line {reader.line_num}: the row has fewer fields than the heading.")
            rows.append((reader.line_num, row))
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: not valid CSV ({error}).") from error
    return rows


def _to_number(field: str, column: str, path: Path, line: int) -> int:
    try:
        return int(field)
    except ValueError as error:
        raise DataError(f"{path}, line {line}: {column} must be a whole number, got {field!r}.") from error


def _check_labels(row: dict[str, str], path: Path, line: int) -> None:
    for column, labels in (("Emotion", EMOTIONS), ("Sentiment", SENTIMENTS)):
        if row[column] not in labels:
            raise DataError(f"{path}, line {line}: {column} must be one of {', '.join(labels)}, got {row[column]!r}.")
    if not is_permitted_pair(row["Emotion"], row["Sentiment"]):
        raise DataError(f"{path}, line {line}: {row['Emotion']} with {row['Sentiment']} is no pair that MELD has.")


def _dialogue_to_examples(split: Split, dialogue: int, utterances: dict[int, dict[str, str]]) -> list[Example]:
    """The utterances of one dialogue in their order, each with those before it as its context."""
    examples: list[Example] = []
    said: list[str] = []
    # MELD counts its dialogues from 0 in each split, so an id needs the split's name in it.
    group = f"{OFFICIAL_SPLITS[split]}/dia{dialogue}"
    for number, row in sorted(utterances.items()):
        text = row["Utterance"].strip()
        context = tuple(said[-MAX_CONTEXT_UTTERANCES:])
        key = f"{group}_utt{number}"
        examples.append(Example(NAME, key, row["Emotion"], row["Sentiment"], text, context, group=group))
        said.append(text)
    return examples
