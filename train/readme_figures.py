"""The short table of figures in a README: one line for each signal and answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sentiment.errors import SettingsError
from sentiment.labels import MODALITY_NAMES
from train.card_figures import Metrics, reports, table

BEGIN: Final = "<!-- figures:begin -->"
END: Final = "<!-- figures:end -->"

_HEADING: Final = (
    *("signal", "answer", "examples", "accuracy", "weighted F1 (95% interval)", "macro F1"),
    *("constant guess: accuracy / weighted F1", "calibration error beyond chance", "certain / right of those"),
)


def short_table(metrics: Metrics) -> str:
    """What was measured of single signals, in Markdown."""
    rows = [(MODALITY_NAMES[modality], task, *_cells(report)) for modality, task, report in reports(metrics)]
    return table(_HEADING, rows)


def write_into_readme(path: Path, metrics: Metrics) -> None:
    """Replaces what stands between the marks. Raises SettingsError where the file has none."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SettingsError(f"{path} has no place for figures: it lacks {BEGIN} and, after it, {END}.")
    path.write_text(f"{before}{BEGIN}\n{short_table(metrics)}\n{END}{after}", encoding="utf-8")


def _cells(report: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = report["interval_95"]["weighted_f1"]
    guess, certain = report["constant_guess"], report.get("certain")
    return (
        f"{report['n']:,}",
        f"{report['accuracy']:.3f}",
        f"{report['weighted_f1']:.3f} ({low:.3f}–{high:.3f})",
        f"{report['macro_f1']:.3f}",
        f"{guess['accuracy']:.3f} / {guess['weighted_f1']:.3f}",
        f"{report['ece_excess']:.3f}",
        f"{certain['coverage']:.0%} / {certain['accuracy']:.0%}" if certain and certain["n"] else "–",
    )
