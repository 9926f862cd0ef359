"""MELD (Poria et al. 2019): utterances of *Friends* with emotion and sentiment.

`load` gives the words alone; `clip_rows` gives the same utterances with the video file of each, where there is
one that shows and sounds what was annotated.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sentiment.labels import EMOTIONS, SENTIMENTS, is_permitted_pair
from train.corpora import Example, Split, with_lines_around
from train.corpora.archive import find_corpus, open_corpus
from train.errors import DataError

NAME: Final = "meld"
OFFICIAL_SPLITS: Final[dict[Split, str]] = {"train": "train", "selection": "dev", "test": "test"}
COLUMNS: Final = ("Utterance", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")

CLIP_FOLDERS: Final[dict[Split, str]] = {
    "train": "train_splits",
    "selection": "dev_splits_complete",
    "test": "output_repeated_splits_test",
}
"""What the archives of the clips unpack to."""

MAX_CLIP_SECONDS: Final = 30.0
"""Clips are read no further. The longest utterance whose timestamps can be believed, dev dia74_utt19, takes 28.5 s."""

UNUSABLE_CLIPS: Final = {
    # No decoder opens it (declare-lab/MELD, issues 39 and 52).
    "train/dia125_utt3": "corrupt",
    # Cut by timestamps that are wrong (declare-lab/MELD, issue 20): somewhere in them the utterance may be said.
    "train/dia309_utt0": "timestamps lie: 41 s",
    "test/dia38_utt4": "timestamps lie: 305 s",
    "test/dia220_utt0": "timestamps lie: 235 s",
    "test/dia155_utt3": "timestamps lie: 0 s",
}
"""Clips that are there and must not be looked at or listened to, and why. A re-cut of the same utterance may."""

KNOWN_MISSING_CLIPS: Final = frozenset({"dev/dia110_utt7"})
"""In no copy of the corpus (declare-lab/MELD, issue 22). Any other that is missing was lost on the way."""

ALMOST_SILENT_CLIPS: Final = frozenset(
    {
        *("dev/dia99_utt3", "dev/dia108_utt5"),
        *("train/dia71_utt0", "train/dia179_utt8", "train/dia312_utt9"),
        *("train/dia332_utt1", "train/dia406_utt2", "train/dia523_utt10"),
    }
)
"""Two video frames long, 0.084 s: there is something to see, and too little to hear."""


@dataclass(frozen=True, slots=True)
class ClipRow:
    """An annotated utterance, and the file that shows it."""

    example: Example
    """Its words; `key` is such as "test/dia38_utt4"."""
    clip: Path | None
    """None where there is none that may be used: such utterances are kept for their words."""
    excluded: str | None
    """Why there is no clip, in a few words; None where there is one."""
    sound_excluded: str | None = None
    """Why the clip's sound must not be listened to; None where it may be."""
    max_seconds: float = MAX_CLIP_SECONDS
    """How much of the clip may be read, from its beginning."""


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
    """The utterances of one dialogue in their order, each with those around it."""
    # MELD counts its dialogues from 0 in each split, so an id needs the split's name in it.
    group = f"{OFFICIAL_SPLITS[split]}/dia{dialogue}"
    examples = [
        Example(NAME, f"{group}_utt{number}", row["Emotion"], row["Sentiment"], row["Utterance"].strip(), group=group)
        for number, row in sorted(utterances.items())
    ]
    return with_lines_around(examples)


# ---------------------------------------------------------------- clips


def clip_rows(data_folder: Path, split: Split) -> list[ClipRow]:
    """Every utterance that `load` gives, in the same order, with its clip.

    The folders of the clips may lie at any depth. What macOS leaves behind (`._name`) and clips without an
    annotation are passed over; of a clip and its corrected re-cut the re-cut is taken.

    Raises DataError where the CSV file is missing or malformed, or where there is not a single clip of the split.
    """
    examples = load(data_folder, split)
    clips = _find_clips(data_folder, split)
    if not clips:
        raise DataError(
            f"{data_folder} has no clips of MELD's {OFFICIAL_SPLITS[split]} part: expected is a folder "
            f"{CLIP_FOLDERS[split]} with files such as dia0_utt0.mp4; get them by: python -m train download meld "
            f"--to {data_folder}"
        )
    return [_to_clip_row(example, clips.get(example.key)) for example in examples]


def has_clips(data_folder: Path, split: Split) -> bool:
    """Whether there is any clip of the split."""
    return bool(_find_clips(data_folder, split))


def clips_without_annotation(data_folder: Path, split: Split) -> list[Path]:
    """Clips of utterances that the CSV file does not have, sorted; of an utterance that has two, the re-cut."""
    annotated = {example.key for example in load(data_folder, split)}
    return sorted(path for key, path in _find_clips(data_folder, split).items() if key not in annotated)


def is_recut(clip: Path) -> bool:
    """Whether a clip is a corrected re-cut, of which there are 132 in the test part."""
    match = _CLIP_NAME.fullmatch(clip.name)
    return match is not None and match["recut"] is not None


_CLIP_NAME: Final = re.compile(r"(?P<recut>final_videos_test)?dia(?P<dialogue>\d+)_utt(?P<utterance>\d+)\.mp4")


def _to_clip_row(example: Example, clip: Path | None) -> ClipRow:
    if clip is None:
        return ClipRow(example, None, "missing in every copy" if example.key in KNOWN_MISSING_CLIPS else "missing")
    if example.key in UNUSABLE_CLIPS and not is_recut(clip):
        return ClipRow(example, None, UNUSABLE_CLIPS[example.key])
    return ClipRow(example, clip, None, "almost no sound" if example.key in ALMOST_SILENT_CLIPS else None)


def _find_clips(data_folder: Path, split: Split) -> dict[str, Path]:
    """The clip to use by the key of its utterance. Of copies at several depths the nearest to the top wins."""
    found: dict[str, Path] = {}
    for path in _clip_files(data_folder, split):
        match = _CLIP_NAME.fullmatch(path.name)
        if match is None:
            continue
        key = f"{OFFICIAL_SPLITS[split]}/dia{int(match['dialogue'])}_utt{int(match['utterance'])}"
        if key not in found or (match["recut"] and not is_recut(found[key])):
            found[key] = path
    return found


def _clip_files(data_folder: Path, split: Split) -> Iterator[Path]:
    folders = [path for path in data_folder.rglob(CLIP_FOLDERS[split]) if path.is_dir()]
    for folder in sorted(folders, key=lambda path: (len(path.parts), path)):
        yield from sorted(path for path in folder.rglob("*.mp4") if path.is_file())
