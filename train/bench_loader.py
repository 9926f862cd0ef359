"""How fast clips come out of the cache, and how fast without it, as JSON on stdout.

python -m train.bench_loader --data DIR [--recipe meld] [--workers 2] [--seconds 10]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from tokenizers import Tokenizer
from torch.utils.data import DataLoader, Dataset

from sentiment.clip_datatypes import ClipInputs, ClipSettings
from sentiment.clips import ClipPreprocessor
from sentiment.errors import SentimentError
from sentiment.hub import STARTER_CHECKPOINT
from sentiment.media_datatypes import AudioTrack
from train.clip_cache import PreparedClips, collate_examples, find_cache
from train.clip_decoding import decode_clip
from train.corpora import meld
from train.dataset import load_image, read_words
from train.settings import load_recipe

BATCH_SIZE: Final = 8


def main(arguments: list[str] | None = None) -> int:
    """Prints items per second of MELD's training part, of those that have a clip."""
    parser = argparse.ArgumentParser(prog="python -m train.bench_loader", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds MELD, prepared for the recipe")
    parser.add_argument("--recipe", default="meld", help="whose clip settings count (default: meld)")
    parser.add_argument("--workers", type=int, default=0, help="of the loader (default: 0, this process)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each is measured (default: 10)")
    options = parser.parse_args(arguments)
    try:
        figures = bench(options.data, load_recipe(options.recipe).clip, options.workers, options.seconds)
    except SentimentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(figures))
    return 0


def bench(data_folder: Path, settings: ClipSettings, workers: int, seconds: float) -> dict[str, Any]:
    """Items per second from the cache, augmented as in training, and decoded anew from their files.

    The words are cut up by the bundled checkpoint's tokenizer, and no speech encoder runs: what is measured is
    reading. Raises DataError where the clips are not there, or not prepared for these settings.
    """
    settings = replace(settings, speech_encoder=None)
    tokenizer = Tokenizer.from_file(str(STARTER_CHECKPOINT / "tokenizer.json"))
    preprocessor = ClipPreprocessor(settings, tokenizer)
    cached = PreparedClips(find_cache(data_folder, settings, "train"), "train", preprocessor, augment_seed=0)
    with_clip = np.flatnonzero(cached.presence[:, 1:].any(dim=1).numpy()).tolist()
    with_cache = _items_per_second(cached, with_clip, workers, seconds)
    without = _items_per_second(_Undecoded(cached, data_folder), with_clip, workers, seconds)
    return {
        "clips": len(with_clip),
        "workers": workers,
        "with_cache_per_second": round(with_cache, 1),
        "without_cache_per_second": round(without, 1),
        "times_faster": round(with_cache / without, 1),
    }


class _Undecoded(Dataset[tuple[ClipInputs, int, int]]):
    """The same utterances, decoded from their clips each time."""

    def __init__(self, cached: PreparedClips, data_folder: Path) -> None:
        self._cached = cached
        self._rows = meld.clip_rows(data_folder, "train")

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i: int) -> tuple[ClipInputs, int, int]:
        row, preprocessor = self._rows[i], self._cached.preprocessor
        assert row.clip is not None
        stored = decode_clip(row.clip, preprocessor.settings, row.max_seconds, row.sound_excluded)
        sound = None
        if stored.sound is not None:
            sound = AudioTrack(stored.sound.astype(np.float32) / 2**15, preprocessor.settings.sample_rate_hz)
        images = [load_image(jpeg) for jpeg in stored.frames]
        words = read_words(row.example, preprocessor.settings, None, flat_punctuation=0.0)
        clip = preprocessor.make(*words, sound, images)
        return clip, int(self._cached.emotion[i]), int(self._cached.sentiment[i])


def _items_per_second(dataset: Dataset[Any], rows: list[int], workers: int, seconds: float) -> float:
    """Over whole batches, after a first one for everything that happens only once."""
    order = list(islice(cycle(rows), 1_000_000))
    loader = DataLoader(dataset, BATCH_SIZE, sampler=order, num_workers=workers, collate_fn=collate_examples)
    batches = iter(loader)
    next(batches)
    read, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        next(batches)
        read += BATCH_SIZE
    return read / (time.perf_counter() - start)


if __name__ == "__main__":
    sys.exit(main())
