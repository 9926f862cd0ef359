"""The measured parts of a model card: tables in Markdown, made of what `train.evaluate` and its companions store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sentiment.checkpoint import Calibration
from sentiment.labels import MODALITIES, MODALITY_NAMES
from train.calibration import NEVER_CERTAIN
from train.sources import REFERENCES

Metrics = Mapping[str, Mapping[str, Any]]
"""Modality -> task -> report; "fusion" -> modalities joined by "+" -> report; and "spoken", "cross_validation",
"words_only" where somebody measured them. See `train.evaluate`, `train.probes` and `train.crossvalidate`."""

TASKS: Final = ("emotion", "sentiment")


def reports(metrics: Metrics) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(modality, "emotion" or "sentiment", report) for all that was measured of single signals."""
    for modality in MODALITIES:
        for task in TASKS:
            if task in metrics.get(modality, {}):
                yield modality, task, metrics[modality][task]


def main_table(metrics: Metrics) -> str:
    """Accuracy and F1 of each signal by itself, and what others reached."""
    rows = [
        (spoken(modality), report["measured_on"], task, f"{report['n']:,}", *figures_with_guess(report))
        for modality, task, report in reports(metrics)
    ]
    heading = ("read from", "measured on", "task", "n", "accuracy", "weighted F1", "macro F1")
    measured = {(modality, task) for modality, task, _ in reports(metrics)}
    references = [
        (spoken(r.modality), r.task, r.measured_on, r.figure, r.value, r.who)
        for r in REFERENCES
        if (r.modality, r.task) in measured
    ]
    if not references:
        return table(heading, rows)
    beside = table(("read from", "task", "measured on", "figure", "value", "whose"), references)
    return f"{table(heading, rows)}\n\n{_MAIN_NOTE}\n\nFor scale, what others reached:\n\n{beside}"


_MAIN_NOTE: Final = """
In brackets: the bootstrap 95% interval, which takes examples as independent and so does not tell how figures would
change with other speakers; then what a constant guess gets, which always names the most frequent class of the
very examples it is measured on. Each signal was asked by itself.
""".strip()


def further_measurements(metrics: Metrics) -> Iterator[str]:
    """What was measured beside the held-out parts, each as a subsection."""
    if "cross_validation" in metrics:
        yield "### The voice, actor by actor\n\n" + _cross_validation(metrics["cross_validation"])
    if "words_only" in metrics:
        yield "### Trained on words alone\n\n" + _words_only(metrics["words_only"])
    if "spoken" in metrics:
        yield "### Words as they are heard\n\n" + _spoken_lines(metrics["spoken"])
    groups = list(_group_rows(metrics))
    if groups:
        heading = ("read from", "who", "people", "n", "accuracy", "weighted F1", "macro F1")
        yield f"### Women and men apart\n\n{table(heading, groups)}\n\n{_GROUPS_NOTE}"


_GROUPS_NOTE: Final = """
The intervals are of these recordings. So few people tell next to nothing of women and men at large: what looks like
a difference between them may be one between two actors.
""".strip()


def _cross_validation(found: Mapping[str, Any]) -> str:
    folds = "; ".join(", ".join(f"{accuracy:.3f}" for accuracy in seed) for seed in found["folds"])
    seeds = "1 seed" if found["n_seeds"] == 1 else f"{found['n_seeds']} seeds"
    return (
        f"{found['corpus']}, {found['n']:,} recordings, five folds, each judged by a network that never heard its "
        f"actors: mean accuracy **{found['mean']:.3f}** ({_between(found['interval_95'])}), over {seeds}. "
        f"Fold by fold: {folds}. These networks follow the same recipe and are not the one in this folder."
    )


def _words_only(found: Mapping[str, Any]) -> str:
    rows = [
        (task, f"{found[task]['n']:,}", *figures_with_guess(found[task]), f"{found[task]['ece_excess']:+.3f}")
        for task in TASKS
        if task in found
    ]
    heading = ("task", "n", "accuracy", "weighted F1", "macro F1", "calibration error beyond chance")
    return (
        "For those who cannot accept the terms of the other corpora, a recipe trains the words alone. Another network "
        f"than this one, on MELD test:\n\n{table(heading, rows)}"
    )


def _spoken_lines(found: Mapping[str, Any]) -> str:
    rows = []
    for task in TASKS:
        change, low, high = found["difference"][f"{task}_weighted_f1"]
        written, heard = found["gold"][task]["weighted_f1"], found["recognised_of_all"][f"{task}_weighted_f1"]
        rows.append((task, f"{written:.3f}", f"{heard:.3f}", f"{change:+.3f} ({low:+.3f} to {high:+.3f})"))
    heading = ("task", "weighted F1 as written", "as recognised", "paired difference (95% interval)")
    return (
        f"{found['n']:,} lines of MELD test, said by the synthesiser espeak-ng and recognised by Whisper "
        f"`{found['whisper']}`: {found['word_error_rate']:.0%} of the words came out wrong, and of {found['unheard']} "
        "lines none at all, which count as answered wrongly. It measures the synthetic voice as much as this model.\n\n"
        + table(heading, rows)
    )


def _group_rows(metrics: Metrics) -> Iterator[Sequence[str]]:
    for modality, _, report in reports(metrics):
        for who, group in report.get("by_group", {}).items():
            yield spoken(modality), who, str(group["people"]), f"{group['n']:,}", *figures_with_guess(group)


def calibration_tables(metrics: Metrics, calibration: Calibration, on_clips: bool = False) -> str:
    """How far confidence can be believed, and what is gained where the model holds back.

    `on_clips` says that all subsets were calibrated on real clips, none of them made up.
    """
    errors = [
        (
            *_named(signals, task),
            f"{report['n']:,}",
            f"{report['ece']:.3f}",
            f"{report['ece_if_perfect']:.3f}",
            f"**{report['ece_excess']:+.3f}**",
        )
        for signals, task, report in _all_reports(metrics)
    ]
    error_table = table(("read from", "task", "n", "calibration error", "by chance alone", "beyond chance"), errors)
    certain = [
        (*_named(signals, None), *certain_cells(report["certain"]))
        for signals, task, report in _all_reports(metrics)
        if task == "emotion"
    ]
    certain_table = table(("read from", "certain answers", "right among them (95% interval)", "n certain"), certain)
    fitted = [
        (spoken(signals), f"{temperature:.3f}", _threshold(calibration, signals))
        for signals, temperature in calibration.temperatures.items()
    ]
    fitted_table = table(("read from", "temperature", "certain from"), fitted)
    every_voice = metrics.get("cross_validation", {}).get("fusion")
    cross_validated = (
        ("### With every actor's voice", _every_voice_table(every_voice), _EVERY_VOICE) if every_voice else ()
    )
    certainty = ("### Certain or not", certain_table)
    measured = (error_table, _ERROR_NOTE, *cross_validated, *certainty) if errors else ()
    fitted_note = f"{_FITTED_NOTE}\n\n{_FITTED_ON_CLIPS if on_clips else _FITTED_ON_MIXES}"
    return "\n\n".join((*measured, _CERTAIN_NOTE, fitted_table, fitted_note))


_ERROR_NOTE: Final = """
Expected calibration error over 15 bins. Chance alone gives a perfectly calibrated model an error too, the larger the
fewer the examples: it was simulated with the very same confidences. What is beyond it is the model's; where it is
negative, chance was kind. Rows that are made up are combinations of held-out examples (see Fusion) and no headline.
""".strip()


def _every_voice_table(found: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{spoken(signals)} (made up)",
            *(f"{figures[name]:.3f}" for name in ("accuracy", "ece", "ece_if_perfect")),
            f"**{figures['ece_excess']:+.3f}** ({min(figures['folds']):+.3f} to {max(figures['folds']):+.3f})",
            f"{figures['certain']['coverage']:.1%}",
            "–" if figures["certain"]["accuracy"] is None else f"{figures['certain']['accuracy']:.3f}",
        )
        for signals, figures in found.items()
    ]
    beyond = "beyond chance (least and most of a fold)"
    heading = ("read from", "accuracy", "calibration error", "by chance alone", beyond, "certain", "right of these")
    return table(heading, rows)


_EVERY_VOICE: Final = """
The rows with a voice above rest on two actors. Here all actors were left out in turn, in five folds, with words and
faces of the same test data: each fold has a voice's encoder and a fusion of its own, follows the same recipe, and
is not the network in this folder. Its temperature and thresholds are those of the other folds' actors, who are more
than the two that this network was calibrated on: the table judges the recipe, the one above this network. It was added
after that one was known. Figures are means of the folds of every seed above.
""".strip()

_CERTAIN_NOTE: Final = """
An answer counts as certain if its confidence reaches the threshold below and its likeliest emotion and sentiment go
together. The first column of figures is how many of all answers do.
""".strip()

_FITTED_NOTE: Final = """
Fitted on validation data, never on what is measured above. Logits are divided by the temperature. An answer counts as
certain from that probability of its top emotion on at which at least 80% of the validation answers were right, by the
lower end of their 95% Wilson interval; "never" where no probability was high enough for that.
""".strip()

_FITTED_ON_CLIPS: Final = "Every row rests on real clips, the other signals taken away."

_FITTED_ON_MIXES: Final = """
Only the rows of a single signal rest on real examples. For several signals together the examples were put together
from different corpora by their label, each signal showing another emotion as often as the recipe supposes that it errs
in real video. Those temperatures and thresholds are as good as that supposition.
""".strip()


def fusion_tables(fusion: Mapping[str, Any]) -> str:
    """What several signals together give on made-up combinations, against the best of them alone."""
    gains, doubts = [], []
    for signals, report in fusion.items():
        best, gain = report["best_alone"], report["gain"]
        low, high = gain["interval_95"]
        gains.append(
            (
                spoken(signals),
                f"{report['n']:,}",
                f"{report['accuracy']:.3f}",
                f"{report['alone'][best]:.3f} ({MODALITY_NAMES[best]})",
                f"{gain['mean']:+.3f} ({low:+.3f} to {high:+.3f})",
            )
        )
        doubts += [
            (spoken(signals), _who_disagrees(who), *_doubt_cells(cells)) for who, cells in report["doubt"].items()
        ]
    gain_heading = ("made up of", "n", "fused accuracy", "best single signal", "fused less best (95% interval)")
    doubt_heading = ("made up of", "where", "mean confidence", "certain answers")
    return "\n\n".join((table(gain_heading, gains), _GAIN_NOTE, table(doubt_heading, doubts), _DOUBT_NOTE))


_GAIN_NOTE: Final = """
The best single signal is the one with the highest accuracy on the very same combinations. One recording stands in many
combinations; the interval therefore comes from drawing recordings anew, not combinations.
""".strip()

_DOUBT_NOTE: Final = """
Confidence should fall where signals disagree: here all of them show the label, or one of them always shows another
emotion.
""".strip()


def class_tables(metrics: Metrics) -> Iterator[str]:
    """Precision, recall and F1 of each class, a subsection for each signal and task."""
    for modality, task, report in reports(metrics):
        rows = [
            (label, *(f"{figures[name]:.3f}" for name in ("precision", "recall", "f1")), f"{figures['support']:,}")
            for label, figures in report["per_class"].items()
        ]
        title = f"{spoken(modality).capitalize()}, {task}"
        yield f"### {title}\n\n{table(('class', 'precision', 'recall', 'F1', 'examples'), rows)}"


def spoken(signals: str) -> str:
    """What people call these signals: "words, face" for "text+video"."""
    return ", ".join(MODALITY_NAMES[modality] for modality in signals.split("+"))


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _all_reports(metrics: Metrics) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Those of single signals, then those of made-up combinations."""
    yield from reports(metrics)
    for signals, report in metrics.get("fusion", {}).items():
        yield signals, "emotion", report


def _named(signals: str, task: str | None) -> tuple[str, ...]:
    name = spoken(signals) + (" (made up)" if "+" in signals else "")
    return (name,) if task is None else (name, task)


def figures_with_guess(report: Mapping[str, Any]) -> Iterator[str]:
    """Cells for accuracy, weighted and macro F1, each with its interval and a constant guess's."""
    for name in ("accuracy", "weighted_f1", "macro_f1"):
        within = _between(report["interval_95"][name])
        guess = report["constant_guess"].get(name)
        beside = "" if guess is None else f"; constant guess {guess:.3f}"
        yield f"**{report[name]:.3f}** ({within}{beside})"


def certain_cells(certain: Mapping[str, Any]) -> tuple[str, str, str]:
    """Cells for the share of certain answers, how many of them are right, and their number."""
    right = "none" if not certain["n"] else f"{certain['accuracy']:.3f} ({_between(certain['interval_95'])})"
    return f"{certain['coverage']:.1%}", right, f"{certain['n']:,}"


def _threshold(calibration: Calibration, signals: str) -> str:
    threshold = calibration.certain_above.get(signals, NEVER_CERTAIN)
    return "never" if threshold >= NEVER_CERTAIN else f"{threshold:.3f}"


def _who_disagrees(who: str) -> str:
    return "all show the label" if who == "agreeing" else f"another emotion in the {MODALITY_NAMES[who]}"


def _doubt_cells(cells: Mapping[str, float]) -> tuple[str, str]:
    return f"{cells['mean_confidence']:.3f}", f"{cells['coverage']:.1%}"


def _between(interval: Sequence[float]) -> str:
    low, high = interval
    return f"{low:.3f} to {high:.3f}"
