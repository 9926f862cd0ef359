"""Clips of MELD, decoded once: what `python -m train prepare` writes and training reads.

    DATA/prepared/KEY/train/index.json               every utterance of the part, with its words and labels
    DATA/prepared/KEY/train/dia0_utt0.safetensors    its frames as JPEGs, its sound as 16-bit samples

KEY stands for all that decides what the files hold, so that networks which look at clips in the same way
share them. The folder KEY needs nothing beside it: it can be copied to where training runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch.utils.data import Dataset

from sentiment.clip_datatypes import ClipInputs, ClipSettings
from sentiment.clips import ClipPreprocessor, collate
from sentiment.faces import DEFAULT_SETTINGS as FACE_SETTINGS
from sentiment.labels import EMOTIONS, MODALITIES, SENTIMENTS
from sentiment.media_datatypes import AudioTrack
from train.augment import mask_spectrogram
from train.corpora import Example, Split
from train.corpora.meld import MAX_CLIP_SECONDS, OFFICIAL_SPLITS
from train.dataset import Batch, label_indices, load_image, read_words
from train.errors import DataError

FORMAT: Final = 2
"""Counts up with every change of what the files hold or mean."""

MARGIN: Final = 1 / 7
"""Frames are kept larger than they are looked at, by this share: 128 px for 112 px, from which torchvision's
own recipe for R3D-18 cuts too (references/video_classification)."""

JPEG_QUALITY: Final = 92
"""About 6 kB a frame of 128 px; 16-bit samples at 16 kHz are 32 kB a second."""

_LIGHT, _CONTRAST = 0.15, 0.15
"""Largest change of brightness, as a share of the range, and of contrast."""


def cache_key(settings: ClipSettings) -> str:
    """16 hex digits of the SHA-256 of everything that decides what is kept of a clip."""
    return hashlib.sha256(json.dumps(_deciding(settings), sort_keys=True).encode()).hexdigest()[:16]


def stored_size_px(settings: ClipSettings) -> int:
    """The side of the square frames that are kept: the network's with MARGIN."""
    return round(settings.frame_size_px * (1 + MARGIN))


def cache_folder(data_folder: Path, settings: ClipSettings) -> Path:
    """Where the clips of a data folder are kept, decoded for these settings."""
    return data_folder / "prepared" / cache_key(settings)


def find_cache(data_folder: Path, settings: ClipSettings, split: Split) -> Path:
    """The folder to give to PreparedClips.

    Raises DataError where the part has not been prepared for these settings.
    """
    cache = cache_folder(data_folder, settings)
    if not index_path(cache, split).is_file():
        raise DataError(
            f"{data_folder} has no clips of MELD's {OFFICIAL_SPLITS[split]} part that are prepared for these settings "
            f"({cache.name}); run: python -m train prepare --data {data_folder} with the same recipe."
        )
    return cache


def index_path(cache: Path, split: Split) -> Path:
    """Where the list of a part's utterances stands; it is written last."""
    return cache / OFFICIAL_SPLITS[split] / "index.json"


def _deciding(settings: ClipSettings) -> dict[str, Any]:
    face = {"face_margin": settings.face_margin, "face_settings": asdict(FACE_SETTINGS)}
    return {
        "format": FORMAT,
        "frame_count": settings.frame_count,
        "stored_size_px": stored_size_px(settings),
        "framing": settings.framing,
        **(face if settings.framing == "face" else {}),
        "jpeg_quality": JPEG_QUALITY,
        "sample_rate_hz": settings.sample_rate_hz,
        "max_audio_seconds": settings.max_audio_seconds,
        "max_clip_seconds": MAX_CLIP_SECONDS,
    }


# ---------------------------------------------------------------- one clip


@dataclass(frozen=True, slots=True, eq=False)
class StoredClip:
    """What is kept of one clip. Where something is missing, the reason is given in a few words."""

    seconds: float
    """How long the file is; more than was read where that is capped."""
    frames: tuple[bytes, ...] = ()
    """frame_count JPEGs of one square size, at most `stored_size_px`; () where there is nothing to look at."""
    no_frames: str | None = None
    sound: np.ndarray | None = None
    """(num_samples,) int16 at the settings' sample rate; None where there is nothing to listen to."""
    no_sound: str | None = None


def write_clip(path: Path, clip: StoredClip, source: Mapping[str, str]) -> None:
    """Writes the file, whole or not at all. `source` says what it was made from, for `read_header`."""
    tensors = {}
    if clip.frames:
        tensors["jpegs"] = np.frombuffer(b"".join(clip.frames), dtype=np.uint8)
        tensors["jpeg_sizes"] = np.array([len(jpeg) for jpeg in clip.frames], dtype=np.int64)
    if clip.sound is not None:
        tensors["sound"] = clip.sound
    header = {"seconds": repr(clip.seconds), "no_frames": clip.no_frames or "", "no_sound": clip.no_sound or ""}
    replace_file(path, save(tensors, {**header, **source}))


def read_header(path: Path) -> dict[str, str] | None:
    """What `write_clip` noted beside the tensors; None where there is no such file, or it is not whole."""
    try:
        with safe_open(path, framework="numpy") as file:
            return file.metadata()
    except (FileNotFoundError, SafetensorError):
        return None


def read_frames(path: Path) -> list[np.ndarray]:
    """The frames, (S, S, 3) uint8 RGB. Raises DataError where the file is gone or damaged."""
    jpegs, sizes = _read(path, "jpegs", "jpeg_sizes")
    ends = np.cumsum(sizes)
    return [load_image(jpegs[end - size : end].tobytes()) for end, size in zip(ends, sizes, strict=True)]


def read_sound(path: Path, sample_rate_hz: int) -> AudioTrack:
    """The sound. Raises DataError where the file is gone or damaged."""
    (samples,) = _read(path, "sound")
    return AudioTrack(samples.astype(np.float32) / 2**15, sample_rate_hz)


def replace_file(path: Path, content: bytes) -> None:
    """Writes a file under a passing name and then gives it its own, so that it is never there in part.

    Raises DataError where the disk is full.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror}); run the command again to go on.") from error


def _read(path: Path, *names: str) -> list[np.ndarray]:
    try:
        with safe_open(path, framework="numpy") as file:
            return [file.get_tensor(name) for name in names]
    except (FileNotFoundError, SafetensorError) as error:
        raise DataError(f"{path} is gone or damaged ({error}); run python -m train prepare again.") from error


# ---------------------------------------------------------------- the data set


class PreparedClips(Dataset[tuple[ClipInputs, int, int]]):
    """The utterances of one part of MELD as (tensors, emotion, sentiment), in the order of its CSV file's dialogues.

    Whatever a clip lacks is absent, and of an utterance without a usable clip the words are left: none is missing.
    With an `augment_seed` each epoch changes frames, sound and context at random. What comes out depends on
    the seed, the epoch and the row alone, and neither on the order of reading nor on the number of workers.
    """

    def __init__(
        self,
        cache: Path,
        split: Split,
        preprocessor: ClipPreprocessor,
        augment_seed: int | None = None,
        flat_punctuation: float = 0.0,
    ) -> None:
        """`flat_punctuation` is the share of lines that are read as a recogniser writes them, where augmented.

        Raises DataError where the part is not prepared, or for other settings than the preprocessor's.
        """
        self.preprocessor = preprocessor
        self._folder = index_path(cache, split).parent
        rows = _read_index(cache, split, preprocessor.settings)
        self.examples = [_example(row["example"]) for row in rows]
        self.emotion = label_indices(EMOTIONS, [e.emotion for e in self.examples])
        """(N,) indices into EMOTIONS, or UNKNOWN."""
        self.sentiment = label_indices(SENTIMENTS, [e.sentiment for e in self.examples])
        """(N,) indices into SENTIMENTS, or UNKNOWN."""
        self.presence = torch.tensor([_present(row, preprocessor.settings) for row in rows], dtype=torch.bool)
        """(N, 3), in the order of MODALITIES: what `__getitem__` will give."""
        self._augment_seed = augment_seed
        self._flat_punctuation = flat_punctuation
        # Shared memory: workers of a DataLoader that outlive an epoch see the next one's number, too.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.examples)

    def set_epoch(self, epoch: int) -> None:
        """Call it before each pass; without an `augment_seed` it changes nothing."""
        self._epoch[0] = epoch

    def __getitem__(self, i: int) -> tuple[ClipInputs, int, int]:
        example, settings = self.examples[i], self.preprocessor.settings
        path = clip_path(self._folder, example.key)
        generator = None
        if self._augment_seed is not None:
            generator = np.random.default_rng([self._augment_seed, int(self._epoch), i])
        words = read_words(example, settings, generator, self._flat_punctuation)
        _, has_sound, has_frames = self.presence[i].tolist()
        sound = read_sound(path, settings.sample_rate_hz) if has_sound else None
        images = read_frames(path) if has_frames else None
        if images is not None and generator is not None:
            images = vary_frames(images, generator)
        clip = self.preprocessor.make(*words, sound, images)
        if clip.log_mel is not None and generator is not None:
            clip = replace(clip, log_mel=mask_spectrogram(clip.log_mel, generator))
        return clip, int(self.emotion[i]), int(self.sentiment[i])


def _example(stored: Mapping[str, Any]) -> Example:
    """The example as it was before it became JSON, which knows no tuples."""
    return Example(**{**stored, **{name: tuple(stored[name]) for name in ("context", "following")}})


def collate_examples(items: Sequence[tuple[ClipInputs, int, int]]) -> Batch:
    """What a DataLoader makes a batch with."""
    clips, emotion, sentiment = zip(*items, strict=True)
    return Batch(collate(clips), torch.tensor(emotion), torch.tensor(sentiment))


def vary_frames(images: Sequence[np.ndarray], generator: np.random.Generator) -> list[np.ndarray]:
    """The frames of one clip, (S, S, 3) uint8, cut by up to the margin, maybe mirrored, in another light: all alike."""
    size = images[0].shape[0]
    side = round(size * generator.uniform(1 / (1 + MARGIN), 1.0))
    top, left = generator.integers(0, size - side + 1, 2)
    mirrored = generator.random() < 0.5
    contrast = 1 + generator.uniform(-_CONTRAST, _CONTRAST)
    light = generator.uniform(-_LIGHT, _LIGHT)
    levels = np.clip(((np.arange(256) / 255 - 0.5) * contrast + 0.5 + light) * 255, 0, 255).round().astype(np.uint8)
    cut = (image[top : top + side, left : left + side] for image in images)
    return [cv2.LUT(np.ascontiguousarray(image[:, ::-1] if mirrored else image), levels) for image in cut]


def clip_path(folder: Path, key: str) -> Path:
    """Where a clip is kept in the folder of its part; `key` is such as "test/dia0_utt0"."""
    return folder / f"{key.rpartition('/')[2]}.safetensors"


def _read_index(cache: Path, split: Split, settings: ClipSettings) -> list[dict[str, Any]]:
    path = index_path(cache, split)
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise DataError(f"{path} is missing or damaged; run python -m train prepare.") from error
    if index["deciding"] != _deciding(settings):
        raise DataError(f"{path} was prepared for other settings; run python -m train prepare with the same recipe.")
    return index["rows"]


def write_index(cache: Path, split: Split, settings: ClipSettings, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows are {"example": {...}, "no_sound": reason or None, "no_frames": reason or None} and what else is known."""
    content = {"deciding": _deciding(settings), "rows": list(rows)}
    replace_file(index_path(cache, split), json.dumps(content, ensure_ascii=False, indent=0).encode())


def _present(row: Mapping[str, Any], settings: ClipSettings) -> list[bool]:
    text = row["example"]["text"]
    has = {
        "text": text is not None and bool(text.strip()),
        "audio": row["no_sound"] is None,
        "video": row["no_frames"] is None,
    }
    return [has[modality] and modality in settings.modalities for modality in MODALITIES]
