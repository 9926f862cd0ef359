"""What is seen of a joint run while it goes on: figures on validation clips, TensorBoard, and curves as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from sentiment.datatypes import ModalitySubset
from sentiment.labels import EMOTIONS, MODALITIES, MODALITY_NAMES, SENTIMENTS
from sentiment.model import Fusion, log_marginals
from train.corpora import Example
from train.dataset import UNKNOWN
from train.loop import pair_losses
from train.metrics import accuracy, confusion_matrix, macro_f1, weighted_f1
from train.plots import STYLE, TASKS, draw_confusion, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch.utils.tensorboard import SummaryWriter

CURVES: Final = ("curves.png", "curves.svg")

_NUM_SAMPLES: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """What the encoders make of the validation clips."""

    features: torch.Tensor
    """(N, 3, 128) float32, zeros where a modality is absent."""
    presence: torch.Tensor
    """(N, 3) bool."""
    emotion: torch.Tensor
    """(N,) int64, or UNKNOWN."""
    sentiment: torch.Tensor
    """(N,) int64, or UNKNOWN."""
    examples: Sequence[Example]


@torch.inference_mode()
def ask(fusion: Fusion, encoded: Encoded, subset: ModalitySubset | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """(M, 8) pair logits, and the (M,) rows of the clips that they answer.

    All clips by whatever they have; or, given a subset, those that have all of it, by nothing else.
    """
    rows, presence = torch.arange(len(encoded.presence)), encoded.presence
    if subset is not None:
        wanted = torch.tensor([modality in subset for modality in MODALITIES])
        rows = (presence | ~wanted).all(dim=1).nonzero().flatten()
        presence = wanted.expand(len(presence), -1)
    device = fusion.absent.device
    return fusion(encoded.features[rows].to(device), presence[rows].to(device)).float().cpu(), rows


def validation_figures(fusion: Fusion, encoded: Encoded) -> dict[str, Any]:
    """loss, emotion_loss, sentiment_loss (means over the clips, without class weights), emotion_weighted_f1,
    sentiment_weighted_f1, emotion_accuracy, emotion_macro_f1, and "alone": both weighted F1 from each modality.
    """
    logits, rows = ask(fusion, encoded)
    confusions = confusions_of(encoded, logits, rows)
    alone = {}
    for modality in MODALITIES:
        of_one, rows_of_one = ask(fusion, encoded, (modality,))
        if len(rows_of_one):
            found = confusions_of(encoded, of_one, rows_of_one)
            alone[modality] = {f"{task}_weighted_f1": weighted_f1(confusion) for task, confusion in found.items()}
    emotion_losses, sentiment_losses = marginal_losses(logits, encoded.emotion, encoded.sentiment)
    return {
        "loss": pair_losses(logits, encoded.emotion, encoded.sentiment).mean().item(),
        "emotion_loss": emotion_losses.mean().item(),
        "sentiment_loss": sentiment_losses.mean().item(),
        **{f"{task}_weighted_f1": weighted_f1(confusion) for task, confusion in confusions.items()},
        "emotion_accuracy": accuracy(confusions["emotion"]),
        "emotion_macro_f1": macro_f1(confusions["emotion"]),
        "alone": alone,
    }


def marginal_losses(
    pair_logits: torch.Tensor, emotion: torch.Tensor, sentiment: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(B,) cross-entropy of each head's answers by itself, 0 where a label is UNKNOWN, from pair logits (B, 8)."""
    by_head = zip(log_marginals(pair_logits), (emotion, sentiment), strict=True)
    emotion_losses, sentiment_losses = (
        torch.nn.functional.nll_loss(log_probabilities, label, ignore_index=UNKNOWN, reduction="none")
        for log_probabilities, label in by_head
    )
    return emotion_losses, sentiment_losses


def confusions_of(encoded: Encoded, pair_logits: torch.Tensor, rows: torch.Tensor) -> dict[str, np.ndarray]:
    """Confusion matrices "emotion" (7, 7) and "sentiment" (3, 3), rows true, of the answers (M, 8) to those rows."""
    confusions = {}
    labels = (encoded.emotion[rows], encoded.sentiment[rows])
    for task, log_probabilities, true in zip(TASKS, log_marginals(pair_logits), labels, strict=True):
        known = true != UNKNOWN
        predicted = log_probabilities.argmax(dim=1)[known].numpy()
        confusions[task] = confusion_matrix(true[known].numpy(), predicted, log_probabilities.shape[1])
    return confusions


# ---------------------------------------------------------------- TensorBoard


def write_epoch(curves: SummaryWriter, entry: Mapping[str, Any], fusion: Fusion, encoded: Encoded, step: int) -> None:
    """An epoch's scalars for each head and modality, confusion matrices as pictures, and sample answers as text."""
    for part in ("train", "validation"):
        for name, value in entry[part].items():
            if name != "alone":
                curves.add_scalar(f"{part}/{name}", value, step)
    for modality, figures in entry["validation"]["alone"].items():
        for name, value in figures.items():
            curves.add_scalar(f"validation_{MODALITY_NAMES[modality]}_alone/{name}", value, step)
    for task, picture in _confusion_pictures(fusion, encoded).items():
        curves.add_figure(f"validation/{task}_confusion", picture, step)
    curves.add_text("validation/samples", sample_answers(fusion, encoded), step)
    curves.flush()


def _confusion_pictures(fusion: Fusion, encoded: Encoded) -> dict[str, Figure]:
    import matplotlib

    pictures = {}
    with matplotlib.rc_context(STYLE):
        for task, confusion in confusions_of(encoded, *ask(fusion, encoded)).items():
            pictures[task], (panel,) = new_figure(1, 1, 5.4, 4.6)
            draw_confusion(panel, confusion, *TASKS[task])
    return pictures


def sample_answers(fusion: Fusion, encoded: Encoded) -> str:
    """A Markdown table of a dozen clips, the same ones each time: what was said, annotated and answered."""
    chosen = sorted(set(np.linspace(0, len(encoded.examples) - 1, _NUM_SAMPLES).round().astype(int).tolist()))
    answers = {"all": ask(fusion, encoded)}
    answers |= {MODALITY_NAMES[m]: ask(fusion, encoded, (m,)) for m in MODALITIES}
    lines = [f"| said | annotated | {' | '.join(answers)} |", "|---" * (2 + len(answers)) + "|"]
    for row in chosen:
        example = encoded.examples[row]
        said = (example.text or "").replace("|", "/")
        found = (_named(logits, rows, row) for logits, rows in answers.values())
        lines.append(f"| {said} | {example.emotion}, {example.sentiment} | {' | '.join(found)} |")
    return "\n".join(lines)


def _named(pair_logits: torch.Tensor, rows: torch.Tensor, row: int) -> str:
    """The answer to one row in words, such as "joy 61%, positive"; a dash where there is none."""
    place = (rows == row).nonzero().flatten()
    if not len(place):
        return "–"
    emotion, sentiment = (head[0].exp() for head in log_marginals(pair_logits[place]))
    return f"{EMOTIONS[int(emotion.argmax())]} {float(emotion.max()):.0%}, {SENTIMENTS[int(sentiment.argmax())]}"


# ---------------------------------------------------------------- curves


def draw_curves(history: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """curves.png and curves.svg: loss and weighted F1 of both heads over the epochs, on training and validation clips.

    Both lines still falling: it has not learned enough (underfitting). Training falls and validation rises: it
    learns its clips by heart (overfitting).
    """
    import matplotlib

    epochs = [entry["epoch"] for entry in history]
    with matplotlib.rc_context(STYLE):
        figure, panels = new_figure(1, 3, 12.0, 3.6)
        for panel, (names, title) in zip(panels, _PANELS.items(), strict=True):
            for part, style in (("train", "--"), ("validation", "-")):
                values = [sum(entry[part][name] for name in names) for entry in history]
                panel.plot(epochs, values, style, marker="o", markersize=3, color="#222222", label=_PARTS[part])
            panel.set(title=title, xlabel="epoch")
            panel.xaxis.get_major_locator().set_params(integer=True)
            if title != _LOSS_TITLE:
                _draw_alone(panel, epochs, history, names[0])
                panel.set_ylim(bottom=0)
            panel.grid(color="#EEEEEE")
            panel.legend(frameon=False, fontsize=7.5)
        for name in CURVES:
            figure.savefig(folder / name, metadata={"Date": None} if name.endswith("svg") else None, dpi=120)


def _draw_alone(panel: Axes, epochs: list[int], history: Sequence[Mapping[str, Any]], name: str) -> None:
    alone = [entry["validation"]["alone"] for entry in history]
    for modality in (m for m in MODALITIES if m in alone[0]):
        values = [figures[modality][name] for figures in alone]
        panel.plot(epochs, values, "-", linewidth=1, alpha=0.7, label=f"{MODALITY_NAMES[modality]} alone")


_LOSS_TITLE: Final = "loss of both heads, each clip counted alike"
# Not the loss that is minimised: class weights and smoothing would keep training and validation apart.
_PANELS: Final = {
    ("emotion_loss", "sentiment_loss"): _LOSS_TITLE,
    ("emotion_weighted_f1",): "emotion: weighted F1",
    ("sentiment_weighted_f1",): "sentiment: weighted F1",
}
_PARTS: Final = {"train": "training (augmented, with modality dropout)", "validation": "validation"}
