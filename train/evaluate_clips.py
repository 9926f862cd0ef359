"""A checkpoint's figures on MELD's clips: words, voice and face of one moment together, as in a video.

Every utterance counts and is answered from what it has. One whose clip cannot be used has its words alone.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from sentiment.checkpoint import Checkpoint, subset_key
from sentiment.clips import collate
from sentiment.datatypes import Affect, ModalitySubset
from sentiment.labels import EMOTIONS, MODALITIES, SENTIMENTS
from sentiment.prediction import SUBSETS, ask_fusion
from sentiment.transcription import Transcriber
from train.answer_report import mixed_emotion_report, sentiment_report
from train.clip_cache import PreparedClips, cache_folder, collate_examples, find_cache, index_path
from train.clip_transcripts import recognised_texts
from train.corpora import Example, Split, with_lines_around
from train.corpora.meld import OFFICIAL_SPLITS
from train.metrics import rounded
from train.probes import paired_difference, weighted_f1_of_all, word_error_rate

logger = logging.getLogger(__name__)

TASKS: Final = {"emotion": EMOTIONS, "sentiment": SENTIMENTS}
BATCH_SIZE: Final = 16
NOTHING: Final = "nothing"
"""What an utterance has that has none of what the network reads."""


def has_prepared_clips(checkpoint: Checkpoint, data: Path, split: Split) -> bool:
    """Whether MELD's clips have been prepared for this checkpoint's settings."""
    return index_path(cache_folder(data, checkpoint.clip_settings), split).is_file()


def evaluate_clips(
    checkpoint: Checkpoint,
    data: Path,
    split: Split = "test",
    transcriber: Transcriber | None = None,
    workers: int = 0,
) -> dict[str, Any]:
    """What stands under "clips" in the JSON of `python -m train evaluate`:

        measured_on  such as "MELD test, clips"
        n            utterances of the part
        had          how many had "text+audio+video", "text", ... of what the network reads, or "nothing"
        unanswered   how many got no answer, for they had nothing; they are in no report
        all          {task: report} of all others, each answered from all that it has
        subsets      "text", "text+audio", ... → {task: report} of that alone, on the utterances that have it
        left_out     modality → what its absence costs, on the utterances that have everything:
                     n, and task → weighted_f1, without_it, difference [mean, low, high]
        recognised   the same utterances with what Whisper hears in place of what MELD writes; see `_recognised`.
                     Only with a `transcriber`

    For the reports see `train.answer_report`.

    Raises DataError where the part has not been prepared for the checkpoint's settings.
    """
    cache = find_cache(data, checkpoint.clip_settings, split)
    clips = PreparedClips(cache, split, checkpoint.preprocessor)
    features, presence = encode_clips(checkpoint, clips, workers), clips.presence
    answers = answer(checkpoint, features, presence)
    had = Counter(_names(row) or NOTHING for row in presence.tolist())
    figures = {
        "measured_on": f"MELD {OFFICIAL_SPLITS[split]}, clips",
        "n": len(clips),
        "had": dict(had.most_common()),
        "unanswered": had[NOTHING],
        "all": _reports(checkpoint, clips.examples, answers, presence),
        "subsets": _by_subset(checkpoint, clips.examples, features, presence),
        "left_out": _left_out(checkpoint, clips.examples, features, presence),
    }
    if transcriber is not None and "text" in checkpoint.clip_settings.modalities:
        texts = recognised_texts(cache, split, clips, transcriber)
        figures["recognised"] = _recognised(checkpoint, clips, texts, features, answers, transcriber.model_name)
    return figures


@torch.inference_mode()
def encode_clips(checkpoint: Checkpoint, clips: PreparedClips, workers: int = 0) -> torch.Tensor:
    """(N, 3, 128) float32 features of all clips in their order; zeros where a clip lacks a modality."""
    loader = DataLoader(clips, BATCH_SIZE, collate_fn=collate_examples, num_workers=workers)
    shown = tqdm(loader, desc="clips", unit="batch")
    return torch.cat([checkpoint.network.encode(b.clips.to(checkpoint.device)).cpu() for b in shown])


@torch.inference_mode()
def answer(checkpoint: Checkpoint, features: torch.Tensor, presence: torch.Tensor) -> list[Affect | None]:
    """The calibrated answer for each clip from what it has, presence (N, 3) bool; None where that is nothing."""
    found: list[Affect | None] = [None] * len(features)
    for subset in SUBSETS:
        rows = (presence == _mask(subset)).all(dim=1).nonzero().flatten()
        given = ask_fusion(checkpoint.network.fusion, checkpoint.calibration, features[rows], subset)
        for row, affect in zip(rows.tolist(), given, strict=True):
            found[row] = affect
    return found


def _by_subset(
    checkpoint: Checkpoint, examples: Sequence[Example], features: torch.Tensor, presence: torch.Tensor
) -> dict[str, Any]:
    """Each subset of what the network reads, by itself, on the clips that have all of it."""
    reports = {}
    for subset in SUBSETS:
        has_it = (presence | ~_mask(subset)).all(dim=1)
        shown = has_it.unsqueeze(1) & _mask(subset)
        if has_it.any():
            reports[subset_key(subset)] = _reports(checkpoint, examples, answer(checkpoint, features, shown), shown)
    return reports


def _left_out(
    checkpoint: Checkpoint, examples: Sequence[Example], features: torch.Tensor, presence: torch.Tensor
) -> dict[str, Any]:
    modalities = checkpoint.clip_settings.modalities
    has_all = (presence | ~_mask(modalities)).all(dim=1)
    if len(modalities) < 2 or not has_all.any():
        return {}
    rows = has_all.nonzero().flatten()
    whole = answer(checkpoint, features[rows], presence[rows])
    members = [examples[i] for i in rows.tolist()]
    found = {}
    for modality in modalities:
        without = answer(checkpoint, features[rows], presence[rows] & ~_mask((modality,)))
        found[modality] = {"n": len(rows), **_compare(members, whole, without, "without_it")}
    return found


def _recognised(
    checkpoint: Checkpoint,
    clips: PreparedClips,
    texts: dict[str, str],
    features: torch.Tensor,
    written: Sequence[Affect | None],
    whisper: str,
) -> dict[str, Any]:
    """What is lost between MELD's own words and those that Whisper hears in the clips, on the clips with sound.

    The context, too, is what was heard. Where no word is heard the segment counts as silent, as in use: then
    there is no voice either, and the face answers alone, or nothing does. No answer is a wrong answer.

    Returns whisper, n, unheard, unanswered, word_error_rate, and task → weighted_f1, recognised,
    difference [mean, low, high]; {} where no clip has sound.
    """
    rows = [i for i, example in enumerate(clips.examples) if example.key in texts]
    if not rows:
        return {}
    examples = [clips.examples[i] for i in rows]
    heard = as_heard(clips.examples, texts)
    features, presence = features[rows].clone(), clips.presence[rows].clone()
    is_heard = torch.tensor([bool(texts[example.key]) for example in examples])
    presence[:, MODALITIES.index("text")] = is_heard
    presence[:, MODALITIES.index("audio")] &= is_heard
    features[is_heard, MODALITIES.index("text")] = _encode_words(
        checkpoint, [heard[i] for i, words in zip(rows, is_heard.tolist(), strict=True) if words]
    )
    found = answer(checkpoint, features, presence)
    return {
        "whisper": whisper,
        "n": len(rows),
        "unheard": int((~is_heard).sum()),
        "unanswered": sum(affect is None for affect in found),
        "word_error_rate": word_error_rate([e.text or "" for e in examples], [texts[e.key] for e in examples]),
        **_compare(examples, [written[i] for i in rows], found, "recognised"),
    }


def as_heard(examples: Sequence[Example], texts: dict[str, str]) -> list[Example]:
    """The examples with the texts, by key, in place of their own, and with what was heard around them as context.

    Of an utterance without a text nothing was heard, so that it is in nobody's context. `examples` are in order of
    their dialogues, which `group` tells apart.
    """
    heard = [replace(example, text=texts.get(example.key, "")) for example in examples]
    dialogues = (list(dialogue) for _, dialogue in groupby(heard, lambda example: example.group))
    return [example for dialogue in dialogues for example in with_lines_around(dialogue)]


@torch.inference_mode()
def _encode_words(checkpoint: Checkpoint, examples: Sequence[Example]) -> torch.Tensor:
    """(N, 128) features of the words of these examples, each of which has some."""
    features = [torch.zeros(0, checkpoint.network.fusion.absent.shape[1])]
    for start in range(0, len(examples), BATCH_SIZE):
        some = examples[start : start + BATCH_SIZE]
        batch = collate([checkpoint.preprocessor.make(e.text, e.context, e.following) for e in some])
        features.append(checkpoint.network.encode_one("text", batch.to(checkpoint.device)).float().cpu())
    return torch.cat(features)


def _reports(
    checkpoint: Checkpoint, examples: Sequence[Example], answers: Sequence[Affect | None], presence: torch.Tensor
) -> dict[str, Any]:
    """{task: report} of the examples that have an answer; {} where none has."""
    answered = [
        (example, affect, _subset(row))
        for example, affect, row in zip(examples, answers, presence.tolist(), strict=True)
        if affect is not None
    ]
    if not answered:
        return {}
    members, found, subsets = zip(*answered, strict=True)
    return {
        "emotion": mixed_emotion_report([e.emotion for e in members], found, checkpoint.calibration, subsets),
        "sentiment": sentiment_report([e.sentiment for e in members], found),
    }


def _compare(
    examples: Sequence[Example], before: Sequence[Affect | None], after: Sequence[Affect | None], name: str
) -> dict[str, Any]:
    """Task → weighted F1 of `before`, of `after` under `name`, and their paired difference; no answer is wrong."""
    compared = {}
    for task, labels in TASKS.items():
        true = np.array([labels.index(getattr(example, task)) for example in examples])
        one, other = (_named(answers, task, len(labels)) for answers in (before, after))
        compared[task] = {
            "weighted_f1": rounded(weighted_f1_of_all(true, one, len(labels))),
            name: rounded(weighted_f1_of_all(true, other, len(labels))),
            "difference": paired_difference(true, one, other, len(labels)),
        }
    return compared


def _named(answers: Sequence[Affect | None], task: str, no_answer: int) -> np.ndarray:
    """(N,) int indices of the likeliest class."""
    return np.array([no_answer if a is None else int(np.argmax(getattr(a, task))) for a in answers])


def _mask(subset: Sequence[str]) -> torch.Tensor:
    """(3,) bool."""
    return torch.tensor([modality in subset for modality in MODALITIES])


def _subset(presence: Sequence[bool]) -> ModalitySubset:
    return tuple(modality for modality, here in zip(MODALITIES, presence, strict=True) if here)


def _names(presence: Sequence[bool]) -> str:
    return subset_key(_subset(presence))
