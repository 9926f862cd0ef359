"""FER-2013 (Goodfellow et al. 2013): small grey faces, each with one of the seven emotions. Nothing of sentiment."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import Final

from train.corpora import Example, Split
from train.corpora.archive import CorpusFiles, find_corpus, open_corpus
from train.errors import DataError

NAME: Final = "fer2013"

CLASSES: Final = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "joy",
    "neutral": "neutral",
    "sad": "sadness",
    "surprise": "surprise",
}
"""The corpus's folder names, and ours."""

SELECTION_ONE_IN: Final = 10
"""One in so many of the training faces is held back for selection and calibration."""

FOLDERS: Final[dict[Split, tuple[str, ...]]] = {
    "train": ("train",),
    "selection": ("train",),
    "test": ("test", "validation"),
}
"""The folder that each split comes from; the first that exists."""


def is_present(data_folder: Path, split: Split | None = None) -> bool:
    """Whether the corpus is there, unpacked or zipped, and has the folder of the split that is asked for."""
    if find_corpus(data_folder, NAME) is None:
        return False
    with open_corpus(data_folder, NAME) as files:
        return split is None or any(name.parts[-3] in FOLDERS[split] for name in _faces(files))


def load(data_folder: Path, split: Split) -> list[Example]:
    """The faces of one split, in order of their paths.

    "selection" is a tenth of the folder `train`, "train" the rest of it; "test" is the folder `test`
    where there is one, else `validation`.

    Raises DataError where the corpus, its folder or its classes are not as published.
    """
    with open_corpus(data_folder, NAME) as files:
        faces = _faces(files)
        folder = _folder_of_split(split, {name.parts[-3] for name in faces}, files.source)
        examples = [_to_example(files, name) for name in faces if name.parts[-3] == folder]
        if split == "test":
            return examples
        return [e for e in examples if _is_held_back(e) == (split == "selection")]


def _faces(files: CorpusFiles) -> list[PurePosixPath]:
    """Pictures whose last three parts are split, class and file, however deep a copy of the corpus nests them."""
    return [name for name in files.names if len(name.parts) >= 3 and name.suffix.lower() in (".jpg", ".jpeg", ".png")]


def _folder_of_split(split: Split, folders: set[str], source: Path) -> str:
    for folder in FOLDERS[split]:
        if folder in folders:
            return folder
    wanted = " or ".join(FOLDERS[split])
    raise DataError(f"{source} has no faces in a folder {wanted}, sorted into {', '.join(CLASSES)}.")


def _to_example(files: CorpusFiles, name: PurePosixPath) -> Example:
    folder, class_name, _ = name.parts[-3:]
    if class_name not in CLASSES:
        raise DataError(f"{files.source}: {name} lies in class {class_name!r}; FER-2013 has {', '.join(CLASSES)}.")
    return Example(NAME, f"{folder}/{class_name}/{name.name}", CLASSES[class_name], None, image=files.locate(name))


def _is_held_back(example: Example) -> bool:
    """Decided by the content alone: copies of one picture, which FER-2013 has, stay on one side."""
    assert example.image is not None
    content = example.image.read_bytes() if isinstance(example.image, Path) else example.image
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big") % SELECTION_ONE_IN == 0
