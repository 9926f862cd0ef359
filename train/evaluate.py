"""A checkpoint's figures on whatever held-out parts a data folder has, exactly as it answers in use."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch

from sentiment.checkpoint import Calibration, Checkpoint, read_manifest
from sentiment.datatypes import Affect
from sentiment.labels import MODALITIES
from sentiment.prediction import ask_fusion
from sentiment.transcription import Transcriber
from train.answer_report import emotion_report, sentiment_report
from train.corpora import Example, Split, fer2013, meld, ravdess
from train.corpora.catalog import CORPORA
from train.dataset import ExampleDataset
from train.errors import DataError
from train.evaluate_clips import evaluate_clips, has_prepared_clips
from train.fusion import FeatureBank, conflict_to_add
from train.fusion_report import fusion_report
from train.loop import by_length

logger = logging.getLogger(__name__)

HELD_OUT: Final = {"text": meld.NAME, "audio": ravdess.NAME, "video": fer2013.NAME}
"""The corpus that each modality is measured on."""


def evaluate(
    checkpoint: Checkpoint, data: Path, split: Split = "test", transcriber: Transcriber | None = None, workers: int = 0
) -> dict[str, Any]:
    """{"text": {"emotion": figures, "sentiment": figures}, "audio": {...}, "video": {...}, "fusion": {...}} for JSON.

    Each modality is asked by itself; "fusion", {"text+audio": figures, ...}, is asked about made-up combinations
    (see `train.fusion_report`) where all three corpora are there and the checkpoint says how it was trained. Where
    MELD's clips have been prepared, "clips" has the figures on them (see `train.evaluate_clips`), on their own sound
    as recognised, too, with a `transcriber`; `workers` are the processes that read clips.
    Corpora that are absent are left out, and signals that the network does not read, and the sentiment of corpora
    that have none. For the figures see `train.answer_report` and `train.metrics`; "measured_on" names the examples,
    "by_group" has women and men apart.

    Raises DataError where the folder has none of the corpora.
    """
    figures: dict[str, Any] = {}
    banks = {}
    fusion, calibration = checkpoint.network.fusion, checkpoint.calibration
    for modality, name in HELD_OUT.items():
        corpus = CORPORA[name]
        if modality not in checkpoint.clip_settings.modalities or not corpus.is_present(data, split):
            continue
        dataset = ExampleDataset(corpus.load(data, split), checkpoint.preprocessor)
        logger.info("evaluate: %s on %d examples of %s", modality, len(dataset), name)
        features = encode(checkpoint, dataset)
        found = ask_fusion(fusion, calibration, features, (modality,))
        figures[modality] = _report(calibration, modality, dataset.examples, found, _part(dataset.examples, split))
        banks[modality] = FeatureBank(features[:, MODALITIES.index(modality)], dataset.emotion, dataset.sentiment)
    if has_prepared_clips(checkpoint, data, split):
        logger.info("evaluate: words, voice and face together on MELD's clips")
        figures["clips"] = evaluate_clips(checkpoint, data, split, transcriber, workers)
    if not figures:
        raise DataError(f"{data} has no {split} part of any of {', '.join(HELD_OUT.values())}.")
    mix = read_manifest(checkpoint.folder)["training"].get("fusion")
    if mix is not None and len(banks) == len(HELD_OUT):
        logger.info("evaluate: fusion on made-up combinations")
        conflict = conflict_to_add(fusion, banks, mix["conflict"])
        figures["fusion"] = fusion_report(fusion, calibration, banks, conflict)
    return figures


@torch.inference_mode()
def encode(checkpoint: Checkpoint, dataset: ExampleDataset, batch_size: int = 32) -> torch.Tensor:
    """(N, 3, 128) float32 features of all examples; zeros where an example lacks a modality."""
    order = by_length(dataset, range(len(dataset)))  # else most of what a batch reads is padding
    batches = dataset.batches(batch_size, order)
    encoded = torch.cat([checkpoint.network.encode(b.clips.to(checkpoint.device)).float().cpu() for b in batches])
    return encoded[torch.tensor(order).argsort()]


def answers(checkpoint: Checkpoint, modality: str, dataset: ExampleDataset) -> list[Affect]:
    """The calibrated answer for each example, from this modality alone."""
    return ask_fusion(checkpoint.network.fusion, checkpoint.calibration, encode(checkpoint, dataset), (modality,))


def _report(
    calibration: Calibration, modality: str, examples: Sequence[Example], found: Sequence[Affect], part: str
) -> dict[str, Any]:
    report = {}
    felt = [(e, a) for e, a in zip(examples, found, strict=True) if e.emotion is not None]
    if felt:
        report["emotion"] = {**_emotion_report(calibration, modality, felt), "measured_on": part}
        groups = _by_gender(felt)
        if groups:
            report["emotion"]["by_group"] = {
                name: {**_emotion_report(calibration, modality, members), "people": len({e.group for e, _ in members})}
                for name, members in groups.items()
            }
    rated = [(e.sentiment, a) for e, a in zip(examples, found, strict=True) if e.sentiment is not None]
    if rated:
        true, of_rated = zip(*rated, strict=True)
        report["sentiment"] = {**sentiment_report(true, of_rated), "measured_on": part}
    return report


def _emotion_report(
    calibration: Calibration, modality: str, answered: Sequence[tuple[Example, Affect]]
) -> dict[str, Any]:
    true = [example.emotion for example, _ in answered]
    return emotion_report(true, [affect for _, affect in answered], calibration, (modality,))


def _by_gender(answered: Sequence[tuple[Example, Affect]]) -> dict[str, list[tuple[Example, Affect]]]:
    """The answers for "women" and "men", where the corpus says who is which: RAVDESS alone."""
    groups: dict[str, list[tuple[Example, Affect]]] = {}
    for example, affect in answered:
        if example.corpus == ravdess.NAME and example.group is not None:
            gender = ravdess.gender_of_actor(int(example.group.removeprefix("actor")))
            groups.setdefault({"female": "women", "male": "men"}[gender], []).append((example, affect))
    return dict(sorted(groups.items(), reverse=True))


def _part(examples: Sequence[Example], split: Split) -> str:
    """What these examples of one corpus are, in words: "MELD test", "RAVDESS, actors 21 and 22"."""
    corpus = examples[0].corpus
    if corpus == ravdess.NAME:
        actors = sorted({int(e.group.removeprefix("actor")) for e in examples if e.group is not None})
        return f"RAVDESS, actors {_listed(actors)}"
    if corpus == fer2013.NAME:
        return f"FER-2013 {examples[0].key.split('/')[0]}" + (", a tenth held back" if split == "selection" else "")
    return f"MELD {meld.OFFICIAL_SPLITS[split]}"


def _listed(numbers: Sequence[int]) -> str:
    return " and ".join(filter(None, (", ".join(map(str, numbers[:-1])), str(numbers[-1]))))
