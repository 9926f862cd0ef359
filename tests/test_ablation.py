"""The three ways of fusing: what they read, what they must not read, and that each of them learns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from small_parts import save_random_checkpoint

from sentiment.checkpoint import read_manifest
from sentiment.errors import SettingsError
from sentiment.hub import MANIFEST
from sentiment.labels import EMOTIONS, MODALITIES, SENTIMENTS
from train.ablation import Budget, encoder_row, judge, train_fusion
from train.fusion_kinds import KINDS, SequenceFusion, make_fusion
from train.sequences import SequenceBank, SequenceBatch

SIZES = {"text": 12, "audio": 8, "video": 10}
SHOWN = {"joy": "positive", "neutral": "neutral", "anger": "negative"}
CPU = torch.device("cpu")


def random_batch(lengths: dict[str, list[int]], seed: int = 0) -> SequenceBatch:
    generator = torch.Generator().manual_seed(seed)
    steps = {m: torch.randn(len(n), max(1, *n), SIZES[m], generator=generator) for m, n in lengths.items()}
    return SequenceBatch(steps, {m: torch.tensor(n) for m, n in lengths.items()})


def network(kind: str) -> SequenceFusion:
    torch.manual_seed(0)
    return make_fusion(kind, SIZES, fusion_size=16, dropout=0.1).eval()


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_answers_depend_on_a_clips_own_steps_alone(kind: str) -> None:
    model = network(kind)
    batch = random_batch({"text": [5, 2, 0], "audio": [7, 0, 3], "video": [2, 2, 0]})
    together = model(batch)
    assert together.shape == (3, 8) and together.isfinite().all()
    for row in range(3):
        alone = SequenceBatch(
            {m: s[row : row + 1, : max(1, int(batch.lengths[m][row]))] for m, s in batch.steps.items()},
            {m: n[row : row + 1] for m, n in batch.lengths.items()},
        )
        assert torch.allclose(model(alone)[0], together[row], atol=1e-5)
    padding = {m: s.clone() for m, s in batch.steps.items()}
    padding["text"][1, 2:] = 100.0  # beyond the end of that clip
    padding["audio"][1] = 100.0  # which has no sound
    assert torch.allclose(model(SequenceBatch(padding, batch.lengths)), together, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_every_present_modality_counts_and_an_absent_one_does_not(kind: str) -> None:
    model = network(kind)
    batch = random_batch({m: [3, 3] for m in MODALITIES})
    whole = model(batch)
    for i, modality in enumerate(MODALITIES):
        without = batch.keeping((torch.arange(3) != i).repeat(2, 1))
        assert not torch.allclose(model(without), whole, atol=1e-4)
        other = {**batch.steps, modality: batch.steps[modality] + 1}
        assert torch.allclose(model(SequenceBatch(other, without.lengths)), model(without), atol=1e-5)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(SettingsError, match="late, early, intermediate"):
        make_fusion("sideways", SIZES, 16, 0.1)  # type: ignore[arg-type]


def readable_bank(count: int, seed: int) -> SequenceBank:
    """Clips of three emotions; one step somewhere in the words, the sound or both says which."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, len(SHOWN), (count,), generator=generator)
    steps, lengths = {}, {}
    for m, size in SIZES.items():
        lengths[m] = torch.randint(1, 5, (count,), generator=generator)
        steps[m] = 0.3 * torch.randn(int(lengths[m].sum()), size, generator=generator)
        if m != "video":
            marked = lengths[m].cumsum(0) - 1
            steps[m][marked, labels] += 3
    absent = torch.arange(count) % 3 == 0
    kept = absent.repeat_interleave(lengths["audio"]) == 0
    steps["audio"], lengths["audio"] = steps["audio"][kept], lengths["audio"] * ~absent
    names = [list(SHOWN)[i] for i in labels.tolist()]
    emotion = torch.tensor([EMOTIONS.index(name) for name in names])
    sentiment = torch.tensor([SENTIMENTS.index(SHOWN[name]) for name in names])
    return SequenceBank({m: s.half() for m, s in steps.items()}, lengths, emotion, sentiment)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_learns(kind: str) -> None:
    training, selection, test = (readable_bank(n, seed) for n, seed in ((240, 1), (60, 2), (90, 3)))
    budget = Budget(epochs=4, batch_size=16, learning_rate=2e-3, fusion_size=32)
    model, epoch = train_fusion(kind, training, selection, budget, CPU)
    found = judge(model, test, CPU)
    assert found["emotion"]["n"] == 90 and 1 <= epoch <= 4
    assert found["emotion"]["weighted_f1"] > 0.9 and found["sentiment"]["accuracy"] > 0.9


def test_the_same_budget_gives_the_same_again() -> None:
    training, budget = readable_bank(48, 1), Budget(epochs=1, batch_size=16, fusion_size=8)
    first, again = (train_fusion("intermediate", training, training, budget, CPU)[0] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))


def test_a_row_for_encoders_comes_from_what_a_run_stored(tmp_path: Path) -> None:
    folder = save_random_checkpoint(tmp_path / "words", modalities=("text",))
    assert encoder_row(folder) is None  # neither trained on clips nor evaluated
    figures = {"n": 9, "accuracy": 0.5, "weighted_f1": 0.4, "macro_f1": 0.3, "interval_95": {}, "confusion": []}
    manifest = read_manifest(folder)
    manifest["training"] = {
        "joint": {
            "text": {"start": "a BERT", "from_scratch": True, "trained": "fine-tuned"},
            "audio": None,
            "video": None,
        }
    }
    manifest["metrics"] = {"clips": {"measured_on": "MELD test", "all": {"emotion": figures, "sentiment": figures}}}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    row = encoder_row(folder)
    assert row is not None and row["encoders"] == {"text": {"start": None, "trained": "fine-tuned"}}
    assert row["emotion"]["weighted_f1"] == 0.4 and "confusion" not in row["emotion"]
