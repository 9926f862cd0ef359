"""From tensors to answers: calibrated probabilities for each segment, and what each signal says by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
import torch

from sentiment.checkpoint import Calibration, Checkpoint, subset_key
from sentiment.clip_datatypes import ClipInputs
from sentiment.clips import collate
from sentiment.datatypes import Affect, FaceBox, ModalitySubset, Segment, SegmentPrediction
from sentiment.labels import MODALITIES
from sentiment.memory import large_work
from sentiment.model import Fusion, log_marginals

SUBSETS: tuple[ModalitySubset, ...] = tuple(
    subset for size in range(1, len(MODALITIES) + 1) for subset in combinations(MODALITIES, size)
)
"""The seven non-empty subsets of the modalities."""

CLIPS_AT_ONCE_ON_CPU: Final = 4
"""Each takes some 12 MB on its way through the encoders; more at once are no faster on a few cores."""

Presence = tuple[bool, bool, bool]
"""Which of MODALITIES a segment has, in their order."""


class Answer(NamedTuple):
    """What the network says of one segment; see `SegmentPrediction`."""

    affect: Affect | None
    evidence: Mapping[ModalitySubset, Affect]
    certain: bool


def predict(
    checkpoint: Checkpoint,
    segments: Sequence[Segment],
    clips: Sequence[ClipInputs],
    faces: Sequence[tuple[FaceBox, ...]],
) -> list[SegmentPrediction]:
    """One answer for each segment, from its clip; `faces` are kept with it for whoever asks why.

    Encoders run once on the whole batch, the fusion once for each subset of modalities. A clip
    in which nothing is present gets no answer.
    """
    if not segments:
        return []
    features = encode(checkpoint, clips)
    presences = [clip.presence for clip in clips]
    answers = answer(checkpoint, features, presences)
    return [
        SegmentPrediction(segment, *answers[i], face=faces[i], features=features[i], presence=presences[i])
        for i, segment in enumerate(segments)
    ]


def encode(checkpoint: Checkpoint, clips: Sequence[ClipInputs]) -> np.ndarray:
    """(B, 3, 128) float32: what the encoders say of B clips, one at least; zeros where a modality is absent."""
    at_once = CLIPS_AT_ONCE_ON_CPU if checkpoint.device.type == "cpu" else len(clips)
    return np.concatenate(
        [_encode_at_once(checkpoint, clips[start : start + at_once]) for start in range(0, len(clips), at_once)]
    )


@torch.inference_mode()
def _encode_at_once(checkpoint: Checkpoint, clips: Sequence[ClipInputs]) -> np.ndarray:
    batch = collate(clips).to(checkpoint.device)
    with large_work(checkpoint.device.type), checkpoint.precision.autocast(checkpoint.device):
        return checkpoint.network.encode(batch).float().cpu().numpy()


@torch.inference_mode()
def answer(checkpoint: Checkpoint, features: np.ndarray, presences: Sequence[Presence]) -> list[Answer]:
    """What the fusion makes of features (B, 3, 128), with these modalities of each row taken as present."""
    network, calibration = checkpoint.network, checkpoint.calibration
    encoded = torch.from_numpy(features).to(checkpoint.device)
    present = [tuple(m for m, here in zip(MODALITIES, presence, strict=True) if here) for presence in presences]
    evidence = [dict[ModalitySubset, Affect]() for _ in presences]
    for subset in SUBSETS:
        rows = [i for i, modalities in enumerate(present) if set(subset) <= set(modalities)]
        for i, from_subset in zip(rows, ask_fusion(network.fusion, calibration, encoded[rows], subset), strict=True):
            evidence[i][subset] = from_subset
    answers = []
    for modalities, found in zip(present, evidence, strict=True):
        affect = found.get(modalities)
        certain = affect is not None and calibration.calls_certain(affect, modalities)
        answers.append(Answer(affect, found, certain))
    return answers


def ask_fusion(
    fusion: Fusion, calibration: Calibration, features: torch.Tensor, subset: ModalitySubset
) -> list[Affect]:
    """The calibrated answers from that subset of the features (B, 3, 128), the others taken as absent."""
    if not len(features):
        return []
    features = features.to(fusion.absent.device)
    presence = torch.tensor([m in subset for m in MODALITIES], device=features.device).expand(len(features), -1)
    temperature = calibration.temperatures.get(subset_key(subset), 1.0)
    emotion, sentiment = log_marginals(fusion(features, presence) / temperature)
    return [Affect(tuple(e), tuple(s)) for e, s in zip(emotion.exp().tolist(), sentiment.exp().tolist(), strict=True)]
