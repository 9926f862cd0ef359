"""From tensors to answers: calibrated probabilities for each segment, and what each signal says by itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch

from sentiment.checkpoint import Checkpoint, subset_key
from sentiment.clip_datatypes import ClipInputs
from sentiment.clips import collate
from sentiment.datatypes import Affect, FaceBox, ModalitySubset, Segment, SegmentPrediction
from sentiment.labels import MODALITIES
from sentiment.model import log_marginals

SUBSETS: tuple[ModalitySubset, ...] = tuple(
    subset for size in range(1, len(MODALITIES) + 1) for subset in combinations(MODALITIES, size)
)
"""The seven non-empty subsets of the modalities."""


@torch.inference_mode()
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
    batch = collate(clips).to(checkpoint.device)
    with torch.autocast(checkpoint.device.type, enabled=checkpoint.device.type == "cuda"):
        features = checkpoint.network.encode(batch)
    evidence = [dict[ModalitySubset, Affect]() for _ in segments]
    for subset in SUBSETS:
        rows = [i for i, clip in enumerate(clips) if set(subset) <= set(clip.present)]
        for i, affect in zip(rows, ask_fusion(checkpoint, features[rows], subset), strict=True):
            evidence[i][subset] = affect
    return [
        _to_prediction(checkpoint, segment, clip, evidence[i], faces[i], features[i])
        for i, (segment, clip) in enumerate(zip(segments, clips, strict=True))
    ]


def ask_fusion(checkpoint: Checkpoint, features: torch.Tensor, subset: ModalitySubset) -> list[Affect]:
    """The calibrated answers from that subset of the features (B, 3, 128), the others taken as absent."""
    if not len(features):
        return []
    presence = torch.tensor([m in subset for m in MODALITIES], device=features.device).expand(len(features), -1)
    temperature = checkpoint.calibration.temperatures.get(subset_key(subset), 1.0)
    emotion, sentiment = log_marginals(checkpoint.network.fusion(features, presence) / temperature)
    return [Affect(tuple(e), tuple(s)) for e, s in zip(emotion.exp().tolist(), sentiment.exp().tolist(), strict=True)]


def _to_prediction(
    checkpoint: Checkpoint,
    segment: Segment,
    clip: ClipInputs,
    evidence: dict[ModalitySubset, Affect],
    face: tuple[FaceBox, ...],
    features: torch.Tensor,
) -> SegmentPrediction:
    affect = evidence.get(clip.present)
    return SegmentPrediction(
        segment=segment,
        affect=affect,
        evidence=evidence,
        certain=affect is not None and checkpoint.calibration.calls_certain(affect, clip.present),
        face=face,
        features=features.float().cpu().numpy(),
        presence=("text" in clip.present, "audio" in clip.present, "video" in clip.present),
    )
