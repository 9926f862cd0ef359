"""GoEmotions (Demszky et al. 2020) in its Ekman mapping: Reddit comments with one of the seven emotions.

A comment that its annotators gave several of the seven is dropped, since the network answers with one;
that is about 9% of the comments. The corpus says nothing of sentiment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sentiment.labels import EMOTIONS
from train.corpora import Example, Split
from train.corpora.archive import CorpusFiles, find_corpus, open_corpus
from train.errors import DataError

NAME: Final = "goemotions"
OFFICIAL_SPLITS: Final[dict[Split, str]] = {"train": "train", "selection": "dev", "test": "test"}


def is_present(data_folder: Path, split: Split | None = None) -> bool:
    """Whether the corpus is there, unpacked or zipped, and has the split that is asked for."""
    if find_corpus(data_folder, NAME) is None:
        return False
    with open_corpus(data_folder, NAME) as files:
        return split is None or files.topmost(f"{OFFICIAL_SPLITS[split]}.tsv") is not None


def load(data_folder: Path, split: Split) -> list[Example]:
    """The comments of one official split ("selection" is dev) that carry exactly one label, in file order.

    Raises DataError where a file is missing or malformed.
    """
    file_name = f"{OFFICIAL_SPLITS[split]}.tsv"
    with open_corpus(data_folder, NAME) as files:
        labels = _read_labels(files)
        source = f"{files.source}: {file_name}"
        examples = []
        for line, row in enumerate(_read_lines(files, file_name), start=1):
            text, emotions, comment_id = _parse_row(row, labels, f"{source}, line {line}")
            if len(emotions) == 1:
                examples.append(Example(NAME, f"{OFFICIAL_SPLITS[split]}/{comment_id}", emotions[0], None, text))
    return examples


def _read_labels(files: CorpusFiles) -> list[str]:
    labels = _read_lines(files, "labels.txt")
    if sorted(labels) != sorted(EMOTIONS):
        raise DataError(
            f"{files.source}: labels.txt must name {', '.join(EMOTIONS)} (the Ekman mapping), got {', '.join(labels)}."
        )
    return labels


def _read_lines(files: CorpusFiles, file_name: str) -> list[str]:
    name = files.topmost(file_name)
    if name is None:
        raise DataError(f"{files.source} has no {file_name}.")
    try:
        text = files.read(name).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{files.source}: {file_name} is not UTF-8 text: {error}.") from error
    # Not splitlines(): comments may hold U+2028 and other things that it takes for the end of a line.
    return [line.removesuffix("\r") for line in text.split("\n") if line.strip()]


def _parse_row(row: str, labels: list[str], place: str) -> tuple[str, list[str], str]:
    """(comment, emotions, comment id) of a line `comment<TAB>id,id<TAB>comment id`."""
    fields = row.split("\t")
    if len(fields) != 3:
        raise DataError(f"{place}: expected 3 fields separated by tabs, got {len(fields)}.")
    text, label_ids, comment_id = fields
    try:
        indices = [int(label_id) for label_id in label_ids.split(",")]
    except ValueError as error:
        raise DataError(f"{place}: labels must be whole numbers separated by commas, got {label_ids!r}.") from error
    if not all(0 <= index < len(labels) for index in indices):
        raise DataError(f"{place}: labels must be from 0 to {len(labels) - 1}, got {label_ids!r}.")
    return text.strip(), [labels[index] for index in indices], comment_id
