"""The parts of a model card that come from real clips: `train.evaluate_clips` and `train.ablation`, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sentiment.labels import EMOTIONS, MODALITY_NAMES, SENTIMENTS
from train.card_figures import TASKS, certain_cells, figures_with_guess, spoken, table
from train.sources import REFERENCES

_LABELS: Final = {"emotion": EMOTIONS, "sentiment": SENTIMENTS}


def clips_section(clips: Mapping[str, Any]) -> str:
    """Everything that was measured on clips, as subsections; `clips` is what `evaluate_clips` returns."""
    return "\n\n".join(
        (
            _how_many(clips),
            table(("read from", "task", "n", "accuracy", "weighted F1", "macro F1"), list(_main_rows(clips))),
            _NOTE,
            _references(clips),
            *_left_out(clips),
            *_recognised(clips),
            "### Confidence on clips\n\n" + _calibration(clips),
            *_classes(clips["all"]),
        )
    )


_NOTE: Final = """
In brackets: the bootstrap 95% interval over utterances, taken as independent, then what a constant guess gets. "all" is
every utterance that has anything, read from what it has; below it, one set of signals alone, on the utterances that
have all of them.
""".strip()


def _how_many(clips: Mapping[str, Any]) -> str:
    had = "; ".join(f"{spoken(signals) if signals != 'nothing' else signals}: {n:,}" for signals, n in _had(clips))
    unanswered = clips["unanswered"]
    without = f" {unanswered:,} had nothing to be read and got no answer; they are in no row." if unanswered else ""
    return f"{clips['measured_on']}: {clips['n']:,} utterances, by what they had – {had}.{without}"


def _had(clips: Mapping[str, Any]) -> list[tuple[str, int]]:
    return sorted(clips["had"].items(), key=lambda item: -item[1])


def _main_rows(clips: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    of_all = {"all": clips["all"], **{spoken(signals): found for signals, found in clips["subsets"].items()}}
    for name, found in of_all.items():
        for task in TASKS:
            if task in found:
                yield name, task, f"{found[task]['n']:,}", *figures_with_guess(found[task])


def _references(clips: Mapping[str, Any]) -> str:
    rows = [
        (spoken(r.modality), r.task, r.figure, r.value, r.who)
        for r in REFERENCES
        if clips["measured_on"].startswith(r.measured_on)
    ]
    if not rows:
        return "No published figures are known for this part."
    return "For scale, what others reached:\n\n" + table(("read from", "task", "figure", "value", "whose"), rows)


def _left_out(clips: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (f"without {MODALITY_NAMES[m]}", task, f"{found['n']:,}", *_paired_cells(found[task], "without_it"))
        for m, found in clips["left_out"].items()
        for task in TASKS
    ]
    if rows:
        heading = ("read from", "task", "n", "weighted F1 with it", "without it", "paired difference (95% interval)")
        yield (
            "### What each signal adds\n\nOn utterances that have all signals: the same network, asked with one of "
            f"them taken away.\n\n{table(heading, rows)}"
        )


def _recognised(clips: Mapping[str, Any]) -> Iterator[str]:
    found = clips.get("recognised")
    if not found:
        return
    rows = [(task, *_paired_cells(found[task], "recognised")) for task in TASKS]
    heading = ("task", "weighted F1 as written", "as recognised", "paired difference (95% interval)")
    yield (
        f"### Words as they are heard in the clips\n\nThe {found['n']:,} utterances with sound, read from what Whisper "
        f"`{found['whisper']}` recognises of it, context included: {found['word_error_rate']:.0%} of the words came "
        f"out wrong, in {found['unheard']:,} none was heard, and {found['unanswered']:,} got no answer, which counts "
        f"as wrong.\n\n{table(heading, rows)}"
    )


def _paired_cells(found: Mapping[str, Any], name: str) -> Iterator[str]:
    change, low, high = found["difference"]
    yield f"{found['weighted_f1']:.3f}"
    yield f"{found[name]:.3f}"
    yield f"{change:+.3f} ({low:+.3f} to {high:+.3f})"


def _calibration(clips: Mapping[str, Any]) -> str:
    rows = []
    for name, found in {"all": clips["all"], **clips["subsets"]}.items():
        if "emotion" in found:
            report = found["emotion"]
            certain = certain_cells(report["certain"])
            rows.append((name if name == "all" else spoken(name), f"{report['ece']:.3f}", _excess(report), *certain))
    heading = ("read from", "calibration error, emotion", "beyond chance", "certain answers", "right of them", "n")
    return table(heading, rows)


def _excess(report: Mapping[str, Any]) -> str:
    return f"**{report['ece_excess']:+.3f}**"


def _classes(found: Mapping[str, Any]) -> Iterator[str]:
    """Each task's figures by class, and what is taken for what."""
    for task in TASKS:
        if task not in found:
            continue
        report, labels = found[task], _LABELS[task]
        by_class = [
            (label, *(f"{figures[n]:.3f}" for n in ("precision", "recall", "f1")), f"{figures['support']:,}")
            for label, figures in report["per_class"].items()
        ]
        taken = [
            (label, *(f"{count:,}" for count in row)) for label, row in zip(labels, report["confusion"], strict=True)
        ]
        yield (
            f"### All signals, {task}\n\n{table(('class', 'precision', 'recall', 'F1', 'examples'), by_class)}\n\n"
            f"Rows are annotated, columns named:\n\n{table(('', *labels), taken)}"
        )


def ablation_section(ablation: Mapping[str, Any]) -> str:
    """What each choice is worth; `ablation` is what `python -m train ablate` stores."""
    rows = [
        (kind, f"{found['parameters']:,}", task, *(_short(found[part][task]) for part in ("dev", "test")))
        for kind, found in ablation["fusion"].items()
        for task in TASKS
    ]
    heading = ("fusion", "parameters", "task", "MELD dev, weighted F1", "MELD test, weighted F1")
    budget = ablation["budget"]
    parts = [
        "Three ways of fusing, each trained on what this checkpoint's encoders make of the clips, frozen: "
        f"{budget['epochs']} epochs, the one that was best on dev, seed {budget['seed']}. In brackets the bootstrap "
        f"95% interval; smaller differences mean nothing.\n\n{table(heading, rows)}"
    ]
    encoders = [
        (row["name"], _encoders(row["encoders"]), row["measured_on"], task, _short(row[task]))
        for row in ablation.get("encoders", ())
        for task in TASKS
    ]
    if encoders:
        heading = ("run", "encoders", "measured on", "task", "weighted F1")
        parts.append("Where the encoders started, and how much of them learned:\n\n" + table(heading, encoders))
    return "\n\n".join(parts)


def _encoders(encoders: Mapping[str, Mapping[str, Any]]) -> str:
    return "; ".join(
        f"{MODALITY_NAMES[m]}: {found['start'] or 'from scratch'}, {found['trained']}" for m, found in encoders.items()
    )


def _short(report: Mapping[str, Any]) -> str:
    low, high = report["interval_95"]["weighted_f1"]
    return f"**{report['weighted_f1']:.3f}** ({low:.3f} to {high:.3f})"
