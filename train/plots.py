"""Drawings of a checkpoint's figures: what is taken for what, and how far its confidence can be believed.

Every drawing is an SVG on a white ground, so that it reads the same on a light and on a dark page.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sentiment.labels import EMOTION_COLOURS, EMOTIONS, MODALITIES, MODALITY_NAMES, SENTIMENT_COLOURS, SENTIMENTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RELIABILITY: Final = "reliability.svg"
COVERAGE: Final = "coverage.svg"
CLIPS_RELIABILITY: Final = "reliability-clips.svg"
CLIPS_COVERAGE: Final = "coverage-clips.svg"

MADE_UP: Final = "made-up combinations, no headline"

_INK: Final = "#222222"
_FAINT: Final = "#BBBBBB"
# The palette that colour-blind readers can tell apart; here a colour stands for a signal and not for an emotion.
_SIGNAL_COLOURS: Final = dict(
    zip(MODALITIES, (EMOTION_COLOURS[e] for e in ("sadness", "anger", "disgust")), strict=True)
)
_LINE_STYLES: Final = ("-", "--", "-.", ":")
TASKS: Final = {"emotion": (EMOTIONS, EMOTION_COLOURS), "sentiment": (SENTIMENTS, SENTIMENT_COLOURS)}
STYLE: Final = {
    "font.size": 9,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _FAINT,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    # Letters stay letters, which takes a third of the space of outlines.
    "svg.fonttype": "none",
    # Names of parts that do not change from run to run, so that equal figures give equal files.
    "svg.hashsalt": "figures",
}


def draw_figures(metrics: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draws what `train.evaluate` measured into the folder, which is made where it is missing.

    Returns the files: "confusion-audio.svg" and the like, one for each modality measured; reliability.svg and
    coverage.svg for all of them, and for the fused answers where those were measured; confusion-clips.svg,
    reliability-clips.svg and coverage-clips.svg for what was measured on clips. Older files of these names are
    replaced.
    """
    import matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    measured = [m for m in MODALITIES if m in metrics]
    with matplotlib.rc_context(STYLE):
        drawings = {confusion_name(m): _confusion(MODALITY_NAMES[m], metrics[m]) for m in measured}
        by_signals = {m: metrics[m]["emotion"] for m in measured if "emotion" in metrics[m]}
        by_signals |= metrics.get("fusion", {})
        if by_signals:
            drawings[RELIABILITY] = _reliability(by_signals)
            drawings[COVERAGE] = _coverage(by_signals)
        if "clips" in metrics:
            drawings |= _of_clips(metrics["clips"])
        for name, figure in drawings.items():
            figure.savefig(folder / name, metadata={"Date": None})
    return [folder / name for name in drawings]


def confusion_name(modality: str) -> str:
    """The file name of a modality's confusion matrices, or of those on "clips"."""
    return f"confusion-{modality}.svg"


def new_figure(rows: int, columns: int, width_inches: float, height_inches: float) -> tuple[Figure, list[Axes]]:
    """A figure that belongs to no window and its panels, row by row."""
    from matplotlib.figure import Figure

    figure = Figure((width_inches, height_inches), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def _of_clips(clips: Mapping[str, Any]) -> dict[str, Figure]:
    """The same three drawings of what was measured on clips, where no combination is made up."""
    everything = {task: {**report, "measured_on": clips["measured_on"]} for task, report in clips["all"].items()}
    by_signals = {s: found["emotion"] for s, found in clips["subsets"].items() if "emotion" in found}
    if not everything or not by_signals:
        return {}
    return {
        confusion_name("clips"): _confusion("all signals", everything),
        CLIPS_RELIABILITY: _reliability(by_signals, clips["measured_on"]),
        CLIPS_COVERAGE: _coverage(by_signals, clips["measured_on"]),
    }


def _confusion(signals: str, tasks: Mapping[str, Any]) -> Figure:
    reports = [(task, tasks[task]) for task in TASKS if task in tasks]
    figure, panels = new_figure(1, len(reports), 5.4 * len(reports), 4.6)
    for panel, (task, report) in zip(panels, reports, strict=True):
        draw_confusion(panel, np.array(report["confusion"]), *TASKS[task])
        panel.set_title(f"{signals.capitalize()}: {task}\n{report['measured_on']}, n = {report['n']:,}")
    return figure


def draw_confusion(panel: Axes, confusion: np.ndarray, labels: tuple[str, ...], colours: Mapping[str, str]) -> None:
    """Rows are true classes in their own colour, the darker the larger the share of the row; counts below shares."""
    from matplotlib.colors import to_rgb

    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    colour = np.array([to_rgb(colours[label]) for label in labels])[:, None, :]
    # Never darker than this, so that dark letters can be read on every cell.
    panel.imshow(1 - 0.75 * shares[..., None] * (1 - colour), aspect="auto")
    for row, column in np.ndindex(confusion.shape):
        text = f"{shares[row, column]:.0%}\n{confusion[row, column]:,}"
        panel.text(column, row, text, ha="center", va="center", fontsize=7.5)
    panel.set_xticks(range(len(labels)), labels, rotation=35)
    panel.set_yticks(range(len(labels)), labels)
    panel.tick_params(length=0)
    panel.set(xlabel="named", ylabel="annotated")


def _reliability(by_signals: Mapping[str, Any], measured_on: str | None = None) -> Figure:
    """`measured_on` says what all were measured on; left out, combinations are made up."""
    columns = min(4, len(by_signals))
    rows = -(-len(by_signals) // columns)
    figure, panels = new_figure(rows, columns, 2.6 * columns, 2.9 * rows)
    for panel, (signals, report) in zip(panels, by_signals.items(), strict=False):
        confidence, accuracy, count = np.array(report["reliability"]).T
        panel.plot([0, 1], [0, 1], color=_FAINT, linewidth=1)
        panel.plot(confidence, accuracy, color=_colour(signals), linewidth=1)
        # Areas go with counts: a bin of few answers may stray far and mean little.
        panel.scatter(confidence, accuracy, 8 + 140 * count / count.sum(), color=_colour(signals), alpha=0.7)
        about = f"n = {report['n']:,}" if measured_on or "+" not in signals else "made up"
        panel.set_title(f"{_spoken(signals)} ({about})\nerror {report['ece']:.3f}, excess {report['ece_excess']:+.3f}")
        panel.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="confidence", ylabel="share of right answers")
        panel.set(xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    for panel in panels[len(by_signals) :]:
        panel.axis("off")
    figure.suptitle("Confidence and how often it is right: on the line, the two agree")
    return figure


def _coverage(by_signals: Mapping[str, Any], measured_on: str | None = None) -> Figure:
    groups = {
        f"Single signals, {measured_on or 'held-out examples'}": {k: v for k, v in by_signals.items() if "+" not in k},
        f"Fused: {measured_on or MADE_UP}": {k: v for k, v in by_signals.items() if "+" in k},
    }
    groups = {title: reports for title, reports in groups.items() if reports}
    figure, panels = new_figure(1, len(groups), 4.6 * len(groups), 3.8)
    for panel, (title, reports) in zip(panels, groups.items(), strict=True):
        for style, (signals, report) in zip(_LINE_STYLES, reports.items(), strict=False):
            _draw_coverage(panel, signals, report, style)
        panel.set_title(title)
        panel.set(xlim=(0, 1.02), ylim=(0, 1.02))
        panel.set(xlabel="share of answers that are given", ylabel="share of them that are right")
        panel.grid(color="#EEEEEE")
        panel.legend(frameon=False, loc="lower left")
    figure.suptitle("What holding back unsure answers buys; the ring is the checkpoint's own threshold")
    return figure


def _draw_coverage(panel: Axes, signals: str, report: Mapping[str, Any], style: str) -> None:
    if report["coverage_curve"]:
        _, coverage, accuracy = np.array(report["coverage_curve"]).T
        panel.plot(coverage, accuracy, style, color=_colour(signals), label=_spoken(signals))
    certain = report["certain"]
    if certain["n"]:
        ring = {"markerfacecolor": "white", "markersize": 8, "color": _colour(signals)}
        panel.plot(certain["coverage"], certain["accuracy"], "o", **ring)


def _colour(signals: str) -> str:
    """Of one signal its own; of several a mixture that stays apart from these."""
    fused = {"text+audio": "fear", "text+video": "surprise", "audio+video": "joy"}
    return _SIGNAL_COLOURS.get(signals) or (EMOTION_COLOURS[fused[signals]] if signals in fused else _INK)


def _spoken(signals: str) -> str:
    return " + ".join(MODALITY_NAMES[modality] for modality in signals.split("+"))
