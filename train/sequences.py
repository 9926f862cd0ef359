"""What frozen encoders make of clips before anything is averaged: a sequence for words, sound and frames each.

    words   (tokens, hidden)  BERT's last layer, the utterance's own tokens        hidden 768 in BERT-base
    sound   (steps, 256)      the spectrogram CNN, before its mean and maximum     6.25 steps a second with four blocks
    frames  (steps, 512)      R3D-18's last stage, averaged over the picture       2 steps for 16 frames

The ways of fusing in `train.fusion_kinds` read nothing else, so that what differs between them is the fusion alone.
What a frozen speech encoder makes of the sound is not among it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader
from tqdm import tqdm

from sentiment.checkpoint import Checkpoint
from sentiment.clip_datatypes import ClipBatch
from sentiment.labels import MODALITIES
from sentiment.model import encoder_inputs
from train.clip_cache import PreparedClips, collate_examples, find_cache
from train.corpora import Split
from train.corpora.meld import OFFICIAL_SPLITS

BATCH_SIZE: Final = 16
"""Clips that are encoded at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class SequenceBatch:
    """Sequences of some clips, padded with zeros."""

    steps: Mapping[str, torch.Tensor]
    """Modality → (B, longest, size) float32; longest is at least 1."""
    lengths: Mapping[str, torch.Tensor]
    """Modality → (B,) int64 steps that are not padding; 0 where a clip lacks the modality, or shall be taken so."""

    @property
    def presence(self) -> torch.Tensor:
        """(B, 3) bool, in the order of MODALITIES."""
        return _presence(self.lengths)

    def keeping(self, kept: torch.Tensor) -> SequenceBatch:
        """The same clips without the modalities for which `kept` (B, 3) bool is False."""
        return SequenceBatch(self.steps, {m: n * kept[:, MODALITIES.index(m)] for m, n in self.lengths.items()})

    def to(self, device: torch.device) -> SequenceBatch:
        """The same batch with its tensors on another device."""
        steps, lengths = ({m: t.to(device) for m, t in table.items()} for table in (self.steps, self.lengths))
        return SequenceBatch(steps, lengths)


@dataclass(frozen=True, slots=True, eq=False)
class SequenceBank:
    """Sequences of all clips of a part."""

    steps: Mapping[str, torch.Tensor]
    """Modality → (sum of lengths, size) float16: one clip's steps after the other's."""
    lengths: Mapping[str, torch.Tensor]
    """Modality → (N,) int64."""
    emotion: torch.Tensor
    """(N,) int64."""
    sentiment: torch.Tensor
    """(N,) int64."""

    def __len__(self) -> int:
        return len(self.emotion)

    @property
    def sizes(self) -> dict[str, int]:
        """Numbers in each step of a modality."""
        return {modality: steps.shape[1] for modality, steps in self.steps.items()}

    @property
    def presence(self) -> torch.Tensor:
        """(N, 3) bool, in the order of MODALITIES."""
        return _presence(self.lengths)

    def batch(self, rows: torch.Tensor) -> SequenceBatch:
        """The sequences of these rows (B,)."""
        padded, lengths = {}, {}
        for modality, steps in self.steps.items():
            ends = self.lengths[modality].cumsum(0)[rows]
            lengths[modality] = self.lengths[modality][rows]
            starts = ends - lengths[modality]
            taken = [steps[start:end].float() for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
            taken.append(torch.zeros(1, steps.shape[1]))  # so that the longest is at least one step
            padded[modality] = pad_sequence(taken, batch_first=True)[:-1]
        return SequenceBatch(padded, lengths)


def load_sequences(checkpoint: Checkpoint, data: Path, split: Split, workers: int = 0) -> SequenceBank:
    """The sequences of one part of MELD, from beside its prepared clips, or made and put there the first time.

    Raises DataError where the part has not been prepared for the checkpoint's settings.
    """
    cache = find_cache(data, checkpoint.clip_settings, split)
    file = cache / f"sequences-{checkpoint.sha256[:16]}" / f"{OFFICIAL_SPLITS[split]}.safetensors"
    clips = PreparedClips(cache, split, checkpoint.preprocessor)
    if not file.is_file():
        _store(encode_sequences(checkpoint, clips, workers), file)
    tensors = load_file(file)
    modalities = checkpoint.clip_settings.modalities
    return SequenceBank(
        steps={m: tensors[f"{m}.steps"] for m in modalities},
        lengths={m: tensors[f"{m}.lengths"] for m in modalities},
        emotion=clips.emotion,
        sentiment=clips.sentiment,
    )


@torch.inference_mode()
def encode_sequences(checkpoint: Checkpoint, clips: PreparedClips, workers: int = 0) -> SequenceBank:
    """What the checkpoint's encoders make of all clips, without augmentation, in their order."""
    encoders, modalities = checkpoint.network.encoders, checkpoint.clip_settings.modalities
    steps: dict[str, list[torch.Tensor]] = {m: [] for m in modalities}
    lengths = {m: torch.zeros(len(clips), dtype=torch.int64) for m in modalities}
    loader = DataLoader(clips, BATCH_SIZE, collate_fn=collate_examples, num_workers=workers)
    row = 0
    for batch in tqdm(loader, desc="frozen encoders", unit="batch"):
        moved = batch.clips.to(checkpoint.device)
        for modality in modalities:
            here = batch.clips.presence[:, MODALITIES.index(modality)]
            if here.any():
                padded, taken = _steps_of(modality, encoders[modality], moved)
                steps[modality] += [clip[mask].half().cpu() for clip, mask in zip(padded, taken, strict=True)]
                lengths[modality][row : row + len(here)][here] = taken.sum(dim=1).cpu()
        row += len(here)
    sizes = {"text": _hidden_size(encoders), "audio": 256, "video": 512}
    joined = {m: torch.cat([torch.zeros(0, sizes[m], dtype=torch.float16), *clip]) for m, clip in steps.items()}
    return SequenceBank(joined, lengths, clips.emotion, clips.sentiment)


def _steps_of(modality: str, encoder: nn.Module, batch: ClipBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """(B', S, size) and which steps count, (B', S) bool, of the B' clips that have the modality."""
    inputs = encoder_inputs(modality, batch)
    if modality == "text":
        return encoder.steps(*inputs[:3]), inputs[3]
    if modality == "audio":
        heard, lengths = encoder.spectrogram.steps(*inputs[:2])
        return heard, torch.arange(heard.shape[1], device=heard.device) < lengths.unsqueeze(1)
    seen = inputs[0]
    for layer in (encoder.r3d.stem, *(getattr(encoder.r3d, f"layer{i}") for i in range(1, 5))):
        seen = layer(seen)
    looked = seen.mean(dim=(3, 4)).transpose(1, 2)  # (B', 512, T, H, W) -> (B', T, 512)
    return looked, torch.ones(looked.shape[:2], dtype=torch.bool, device=looked.device)


def _hidden_size(encoders: nn.ModuleDict) -> int:
    return encoders["text"].bert.config.hidden_size if "text" in encoders else 0


def _store(bank: SequenceBank, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    named = {f"{m}.steps": steps for m, steps in bank.steps.items()}
    save_file({**named, **{f"{m}.lengths": n for m, n in bank.lengths.items()}}, partial)
    partial.replace(file)


def _presence(lengths: Mapping[str, torch.Tensor]) -> torch.Tensor:
    absent = torch.zeros_like(next(iter(lengths.values())))
    return torch.stack([lengths.get(m, absent) > 0 for m in MODALITIES], dim=1)
