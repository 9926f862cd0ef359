"""The fusion layer, learned from features of encoders that no longer change.

No corpus of the starter carries all three signals. So half of each batch are single signals as they
are, and half are pairs and triplets matched by label across corpora. Matched witnesses always agree,
which real ones do not; in a part of them, set by the recipe, a signal therefore shows another emotion
than the label, and in another part it shows nothing at all (see `train.junk`). From that the fusion learns
how far to trust each. What such triplets score is no measure of the network on real video, and is not
reported as one.

Of a single signal nothing is known better than by the head that its encoder was trained with. What that head
says, doubts included, is what the fusion learns to say of it (distillation, Hinton et al. 2015): learned from
labels anew, beside all the combinations, its answers were a point worse.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from sentiment.checkpoint import Calibration, subset_key
from sentiment.clip_datatypes import ClipBatch
from sentiment.clips import collate
from sentiment.datatypes import ModalitySubset
from sentiment.labels import EMOTIONS, MODALITIES
from sentiment.model import FEATURE_SIZE, PAIR_EMOTION, Fusion, encoder_inputs, log_marginals
from sentiment.prediction import SUBSETS
from train.calibration import calibrate_answers
from train.dataset import UNKNOWN, ExampleDataset
from train.errors import DataError
from train.junk import junk_clips
from train.loop import EncoderWithHead, by_length, mixed_precision, pair_losses
from train.settings import FusionSettings

logger = logging.getLogger(__name__)

JOINT_SUBSETS = tuple(subset for subset in SUBSETS if len(subset) > 1)

_BANK_BATCH = 64
"""Clips that are encoded at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureBank:
    """What one encoder makes of its examples."""

    features: torch.Tensor
    """(N, 128) float32."""
    emotion: torch.Tensor
    """(N,) int64."""
    sentiment: torch.Tensor
    """(N,) int64, UNKNOWN where the corpus has none."""
    said: torch.Tensor | None = None
    """(N, 8) what the encoder's own head says of them: a probability for each permitted pair."""


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """A batch for the fusion."""

    features: torch.Tensor
    """(B, 3, 128) float32."""
    presence: torch.Tensor
    """(B, 3) bool."""
    emotion: torch.Tensor
    """(B,) int64."""
    sentiment: torch.Tensor
    """(B,) int64, UNKNOWN where nothing says."""
    said: torch.Tensor
    """(B, 8) probabilities of the permitted pairs to be learned instead of the labels; zeros where the labels count."""


def make_bank(
    model: EncoderWithHead,
    dataset: ExampleDataset,
    limit: int | None = None,
    seed: int = 0,
    augmented: bool = False,
    frame_count: int | None = None,
) -> FeatureBank:
    """What an encoder and its head make of at most `limit` random examples; for `frame_count` see `ExampleDataset`."""
    chosen = np.random.default_rng(seed).permutation(len(dataset))[:limit].tolist()
    order = by_length(dataset, chosen, seed if augmented else None)
    batches = dataset.batches(_BANK_BATCH, order, seed if augmented else None, frame_count)
    rows = torch.tensor(order)
    features = _encode(model, (batch.clips for batch in batches))
    with torch.inference_mode():
        said = model.head(features).softmax(dim=1)
    return FeatureBank(features, dataset.emotion[rows], dataset.sentiment[rows], said)


def make_junk_bank(
    model: EncoderWithHead, dataset: ExampleDataset, count: int, seed: int, frame_count: int | None = None
) -> FeatureBank:
    """Features that an encoder gives of what carries no feeling; its labels are UNKNOWN."""
    clips = junk_clips(model.modality, dataset, count, seed)
    batches = (collate(clips[start : start + _BANK_BATCH]) for start in range(0, count, _BANK_BATCH))
    shortened = (
        batch if batch.frames is None else replace(batch, frames=batch.frames[:, :, :frame_count]) for batch in batches
    )
    unknown = torch.full((count,), UNKNOWN)
    return FeatureBank(_encode(model, shortened), unknown, unknown)


@torch.inference_mode()
def _encode(model: EncoderWithHead, batches: Iterable[ClipBatch]) -> torch.Tensor:
    """(N, 128) float32 features of all clips of the batches."""
    model.eval()
    features = []
    for batch in batches:  # made here, one after the other: never in the layers' precision
        with mixed_precision():
            features.append(model.encoder(*encoder_inputs(model.modality, batch)).float())
    return torch.cat(features)


class Mixer:
    """Draws batches of single signals, and of pairs and triplets matched by label."""

    def __init__(
        self,
        banks: Mapping[str, FeatureBank],
        conflict: Mapping[str, float],
        seed: int,
        junk_banks: Mapping[str, FeatureBank] | None = None,
        junk: Mapping[str, float] | None = None,
    ) -> None:
        """`conflict` and `junk` give, for each modality, how often it shows another emotion, and nothing at all."""
        self._banks = banks
        self._conflict = conflict
        self._junk_banks = junk_banks or {}
        self._junk = junk or {}
        self._rng = np.random.default_rng(seed)
        self._counts = {m: np.bincount(bank.emotion.numpy(), minlength=len(EMOTIONS)) for m, bank in banks.items()}
        self._by_emotion = {m: np.argsort(bank.emotion.numpy(), kind="stable") for m, bank in banks.items()}
        # A small corpus may lack an emotion altogether; what cannot be shown is not asked for.
        self._shown_by_all = np.flatnonzero(np.all([counts > 0 for counts in self._counts.values()], axis=0))
        if len(self._shown_by_all) < 2:
            raise DataError("The corpora share fewer than two emotions, too few to learn from them together.")
        counts = self._counts["text"][self._shown_by_all]
        # Half as people talk, half all emotions alike: else the rare ones would hardly be met together.
        self._prior = (counts / counts.sum() + 1 / len(counts)) / 2

    def singles(self, modality: str, count: int) -> Mix:
        """Examples of one modality as they are; junk in place of some, which says nothing of its label."""
        bank = self._banks[modality]
        rows = self._rng.integers(0, len(bank.emotion), count)
        junked = self._rng.random(count) < self._junk.get(modality, 0.0)
        guess = self._shown_by_all[self._rng.choice(len(self._shown_by_all), count, p=self._prior)]
        emotion = torch.where(torch.from_numpy(junked), torch.from_numpy(guess), bank.emotion[rows])
        sentiment = torch.where(torch.from_numpy(junked), UNKNOWN, bank.sentiment[rows])
        features = torch.zeros(count, len(MODALITIES), FEATURE_SIZE)
        features[:, MODALITIES.index(modality)] = self._with_junk(modality, bank.features[rows], junked)
        said = _no_answers(count) if bank.said is None else bank.said[rows]
        said = said.masked_fill(torch.from_numpy(junked).unsqueeze(1), 0.0)
        return Mix(features, _presence((modality,), count), emotion, sentiment, said)

    def joint(self, subset: ModalitySubset, count: int) -> Mix:
        """Pairs or triplets: one label each, which every signal shows, or fails to show as often as it is set to."""
        number_of_emotions = len(self._shown_by_all)
        label = self._rng.choice(number_of_emotions, count, p=self._prior)
        features = torch.zeros(count, len(MODALITIES), FEATURE_SIZE)
        sentiment = torch.full((count,), UNKNOWN)
        for modality in subset:
            bank = self._banks[modality]
            other = (label + self._rng.integers(1, number_of_emotions, count)) % number_of_emotions
            chance = self._rng.random(count)
            conflicting = chance < self._conflict[modality]
            junked = ~conflicting & (chance < self._conflict[modality] + self._junk.get(modality, 0.0))
            rows = self._random_rows(modality, self._shown_by_all[np.where(conflicting, other, label)])
            features[:, MODALITIES.index(modality)] = self._with_junk(modality, bank.features[rows], junked)
            if modality == "text":  # the only one whose corpora know whether a surprise is good or bad
                sentiment = torch.where(torch.from_numpy(conflicting | junked), UNKNOWN, bank.sentiment[rows])
        emotion = torch.from_numpy(self._shown_by_all[label])
        return Mix(features, _presence(subset, count), emotion, sentiment, _no_answers(count))

    def _with_junk(self, modality: str, features: torch.Tensor, junked: np.ndarray) -> torch.Tensor:
        """(B, 128) the features, random junk in place of the rows where `junked` (B,) says so."""
        if not junked.any():
            return features
        junk = self._junk_banks[modality].features
        return torch.where(
            torch.from_numpy(junked).unsqueeze(1), junk[self._rng.integers(0, len(junk), len(junked))], features
        )

    def _random_rows(self, modality: str, emotion: np.ndarray) -> np.ndarray:
        """(B,) rows of the bank, each a random example of the emotion (B,) asked for."""
        counts = self._counts[modality]
        first = np.cumsum(counts) - counts
        return self._by_emotion[modality][first[emotion] + self._rng.integers(0, counts[emotion])]

    def batch(self, count: int) -> Mix:
        """Half singles, half pairs and triplets, each kind as often as the others."""
        joint_subsets = [subset for subset in JOINT_SUBSETS if set(subset) <= set(self._banks)]
        parts = [self.singles(m, count // 2 // len(self._banks)) for m in self._banks]
        parts += [self.joint(subset, count // 2 // len(joint_subsets)) for subset in joint_subsets]
        return Mix(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Mix)})


def fit_fusion(
    fusion: Fusion,
    banks: Mapping[str, FeatureBank],
    junk_banks: Mapping[str, FeatureBank],
    settings: FusionSettings,
    seed: int,
) -> None:
    """Trains the fusion in place."""
    torch.manual_seed(seed)
    mixer = Mixer(banks, settings.conflict, seed, junk_banks, settings.junk)
    optimizer = torch.optim.AdamW(fusion.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=settings.steps)
    fusion.train()
    losses = []
    for step in range(settings.steps):
        mix = mixer.batch(settings.batch_size)
        loss = _losses(fusion(mix.features, mix.presence), mix).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if (step + 1) % 500 == 0:
            logger.info("fusion step %d/%d  loss %.3f", step + 1, settings.steps, np.mean(losses[-500:]))
    fusion.eval()


def _losses(pair_logits: torch.Tensor, mix: Mix) -> torch.Tensor:
    """(B,) cross-entropy with what an encoder's own head says, or, where none is asked, with what the labels allow."""
    from_heads = -(mix.said * pair_logits.log_softmax(dim=1)).sum(dim=1)
    return torch.where(mix.said.any(dim=1), from_heads, pair_losses(pair_logits, mix.emotion, mix.sentiment))


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A fusion, and features of examples from which neither it nor the encoders have learned."""

    fusion: Fusion
    banks: Mapping[str, FeatureBank]


@torch.inference_mode()
def calibrate(trials: Sequence[Trial], expected_error: Mapping[str, float], seed: int) -> Calibration:
    """Temperature and certainty threshold of every subset of modalities, from the trials' answers together.

    Single signals are calibrated on real examples. Pairs and triplets are made up as in training; since
    signals that the encoders have not learned from err by themselves, only as many conflicts are added
    as it takes for each to be wrong as often as the recipe expects.
    """
    mixers = [Mixer(one.banks, conflict_to_add(one.fusion, one.banks, expected_error), seed) for one in trials]
    count = 4000 // len(trials)
    temperatures, certain_above = {}, {}
    for subset in (subset for subset in SUBSETS if set(subset) <= set(trials[0].banks)):
        mixes = [
            whole_bank(one.banks[subset[0]], subset[0]) if len(subset) == 1 else mixer.joint(subset, count)
            for one, mixer in zip(trials, mixers, strict=True)
        ]
        logits = torch.cat([one.fusion(m.features, m.presence) for one, m in zip(trials, mixes, strict=True)])
        emotion, sentiment = torch.cat([m.emotion for m in mixes]), torch.cat([m.sentiment for m in mixes])
        key = subset_key(subset)
        fitted = calibrate_answers(logits.numpy(), emotion.numpy(), sentiment.numpy())
        temperatures[key], certain_above[key] = fitted
        logger.info("%s: temperature %.2f, certain from %.2f", key, *fitted)
    return Calibration(temperatures, certain_above)


def whole_bank(bank: FeatureBank, modality: str) -> Mix:
    """All of a bank's examples, each by itself."""
    features = torch.zeros(len(bank.emotion), len(MODALITIES), FEATURE_SIZE)
    features[:, MODALITIES.index(modality)] = bank.features
    count = len(bank.emotion)
    return Mix(features, _presence((modality,), count), bank.emotion, bank.sentiment, _no_answers(count))


def conflict_to_add(
    fusion: Fusion, banks: Mapping[str, FeatureBank], expected_error: Mapping[str, float]
) -> dict[str, float]:
    """How often signals that encoders have not learned from must conflict besides, to be as wrong as is expected."""
    errors = {m: _error(fusion, whole_bank(bank, m)) for m, bank in banks.items()}
    return {m: max(0.0, (expected_error.get(m, 0.0) - e) / (1 - e)) for m, e in errors.items()}


@torch.inference_mode()
def _error(fusion: Fusion, mix: Mix) -> float:
    emotion, _ = log_marginals(fusion(mix.features, mix.presence))
    return (emotion.argmax(dim=1) != mix.emotion).float().mean().item()


def _no_answers(count: int) -> torch.Tensor:
    return torch.zeros(count, len(PAIR_EMOTION))


def _presence(subset: ModalitySubset, count: int) -> torch.Tensor:
    return torch.tensor([[m in subset for m in MODALITIES]]).expand(count, -1)
