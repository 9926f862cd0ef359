"""MODEL_CARD.md: what a checkpoint is for, what it learned from, how good it is and where it fails.

The fixed words stand here once, the figures come from the checkpoint, so that neither can drift from the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sentiment.checkpoint import MANIFEST, Calibration
from sentiment.errors import CheckpointError
from sentiment.labels import EMOTIONS, MODALITY_NAMES, SENTIMENTS
from train.calibration import NEVER_CERTAIN
from train.settings import Recipe, from_table
from train.sources import corpora_of, start_weights_of

MEASURED_ON: Final = {
    "text": "MELD test",
    "audio": "RAVDESS, actors 21 and up",
    "video": "FER-2013 validation (PublicTest), or test where the data has that part",
}
"""By the keys of the metrics; what `train.evaluate` takes."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """All that a card is rendered from. Keys name modalities, joined by "+" where they were read together."""

    name: str
    recipe: Recipe
    metrics: Mapping[str, Mapping[str, Any]]
    """modalities -> "emotion" or "sentiment" -> what `train.metrics.classification_report` gives."""
    calibration: Calibration
    known_failures: str = ""
    """Markdown: what was seen to go wrong."""


def render_model_card(checkpoint_folder: Path, known_failures: str = "") -> str:
    """The text of MODEL_CARD.md for a checkpoint, from its checkpoint.json.

    Raises CheckpointError where the folder holds none.
    """
    path = checkpoint_folder / MANIFEST
    if not path.is_file():
        raise CheckpointError(f"{checkpoint_folder} is no checkpoint: it has no {MANIFEST}.")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    return render(
        ModelCard(
            manifest["name"],
            from_table(Recipe, manifest["training"], f"{path}: training"),
            manifest["metrics"],
            Calibration(**manifest["calibration"]),
            known_failures,
        )
    )


def render(card: ModelCard) -> str:
    """The card as Markdown, with the front matter that the Hugging Face hub reads."""
    sections = (
        _front_matter(card.recipe),
        f"# {card.name}\n\n" + _INTRODUCTION.strip(),
        _USES,
        "## What it learned from\n\n" + _sources(card.recipe),
        "## How good it is\n\n" + _figures(card),
        "## Calibration\n\n" + _calibration(card.calibration),
        "## Known failures and limits\n\n" + "\n\n".join(filter(None, (card.known_failures.strip(), _LIMITS))),
        "## Class by class\n\n" + "\n\n".join(_class_tables(card)),
    )
    return "\n\n".join(section.strip() for section in sections) + "\n"


_INTRODUCTION: Final = f"""
Reads a stretch of video, one utterance at a time, from its words, the voice and the face, and answers with
probabilities of {len(EMOTIONS)} emotions ({", ".join(EMOTIONS)}) and {len(SENTIMENTS)} sentiments
({", ".join(SENTIMENTS)}). Any of the three signals may be missing.
"""

_USES: Final = """
## What it is for, and what not

It is for research, teaching and other non-commercial work on **expressions**: what a face shows, how a voice
sounds, what words convey, as other people would label it. Nobody's feelings can be read from it: people hide,
act and differ in what they show.

- Not for workplaces or education, hiring included. Inferring people's emotions there is prohibited in the European
  Union, but for medical and safety reasons: AI Act (Regulation (EU) 2024/1689), article 5(1)(f).
- Not for policing, border control, insurance or credit, and not for diagnosis or therapy. It was not made, measured
  or cleared for any of them.
- Not for decisions about a person of any other kind, and not for finding out whether somebody lies.
- Tell the people whose video is analysed, before it is: article 50(3) of the same act asks for it, and so does
  courtesy.

For commercial use, train anew on data that you have the rights to: the terms below do not allow it for these weights.
"""


def _front_matter(recipe: Recipe) -> str:
    datasets = [source.hub_name for source in corpora_of(recipe) if source.hub_name]
    start = start_weights_of(recipe)
    lines = [
        "---",
        "license: other",
        "license_name: research-and-other-non-commercial-use",
        "language: en",
        "pipeline_tag: video-classification",
        "tags: [emotion-recognition, sentiment-analysis, multimodal, video, audio, text]",
        *(["datasets: [" + ", ".join(datasets) + "]"] if datasets else []),
        *([f"base_model: {start.hub_name}"] if start and start.hub_name else []),
        "---",
    ]
    return "\n".join(lines)


def _sources(recipe: Recipe) -> str:
    start = start_weights_of(recipe)
    sources = corpora_of(recipe) + ([start] if start else [])
    rows = [(source.title, source.what, source.terms) for source in sources]
    table = _table(("source", "what it is", "terms"), rows)
    return f"{table}\n\n{_TERMS_NOTE} The recipe is `{recipe.name}`, seed {recipe.seed}."


_TERMS_NOTE: Final = """
None of the corpora is passed on with the weights, but their terms bind whoever uses what was learned from them; where
one of them says research or non-commercial use, that is what these weights may be used for.
""".strip()


def _figures(card: ModelCard) -> str:
    rows = []
    for modalities, task, report in _reports(card):
        guess, interval = report["constant_guess"], report["interval_95"]
        rows.append(
            (
                _spoken(modalities),
                MEASURED_ON.get(modalities, "not stated"),
                task,
                f"{report['n']:,}",
                _figure_with_guess(report["accuracy"], interval["accuracy"], guess["accuracy"]),
                _figure_with_guess(report["weighted_f1"], interval["weighted_f1"], guess["weighted_f1"]),
                f"{report['macro_f1']:.3f}",
                f"{report['ece']:.3f}",
            )
        )
    heading = ("read from", "measured on", "task", "n", "accuracy", "weighted F1", "macro F1", "calibration error")
    return f"{_table(heading, rows)}\n\n{_FIGURES_NOTE}\n\n{_fusion_note(card)}"


_FIGURES_NOTE: Final = """
In brackets: the bootstrap 95% interval, which takes examples as independent and so does not tell how figures would
change with other speakers; then what a constant guess gets, which always names the most frequent class of the
very examples it is measured on. Calibration error: expected calibration error over 15 bins.
""".strip()


def _fusion_note(card: ModelCard) -> str:
    if any("+" in modalities for modalities in card.metrics):
        return "Rows that name several signals were measured on data that carries them together."
    return (
        "**Fusion has not been measured.** Each figure is of one signal by itself, on a corpus that has only that one. "
        "How good the answer is where words, voice and face come together, which is the usual case in a video, is not "
        "known; that it is better than the best single signal is a hope."
    )


def _calibration(calibration: Calibration) -> str:
    rows = []
    for modalities, temperature in calibration.temperatures.items():
        threshold = calibration.certain_above.get(modalities, NEVER_CERTAIN)
        certain_from = "never" if threshold >= NEVER_CERTAIN else f"{threshold:.3f}"
        rows.append((_spoken(modalities), f"{temperature:.3f}", certain_from))
    table = _table(("read from", "temperature", "certain from"), rows)
    return f"{table}\n\n{_CALIBRATION_NOTE}"


_CALIBRATION_NOTE: Final = """
Fitted on validation data, never on what is measured above. Logits are divided by the temperature. An answer counts as
certain from that probability of its top emotion on at which at least 80% of the validation answers were right, by the
lower end of their 95% Wilson interval; "never" where no probability was high enough for that.

Only the rows of a single signal rest on real examples. For several signals together the examples were put together
from different corpora by their label, each signal showing another emotion as often as the recipe supposes that it errs
in real video. Those temperatures and thresholds are as good as that supposition.
""".strip()


_LIMITS: Final = """
- **Not validated by sex, age, skin colour, accent or culture.** How much worse it is for some people than for others
  is not known. Its corpora are English, mostly American, and partly acted; the labels are what annotators saw, and
  annotators disagree.
- Not tested on irony and sarcasm, nor on words in another language than English, whatever the recogniser understands.
- Not measured on recordings unlike those it learned from. A real voice and a moving face in a video are such, so
  expect less than the figures above.
""".strip()


def _class_tables(card: ModelCard) -> Iterator[str]:
    for modalities, task, report in _reports(card):
        rows = [
            (
                label,
                f"{figures['precision']:.3f}",
                f"{figures['recall']:.3f}",
                f"{figures['f1']:.3f}",
                f"{figures['support']:,}",
            )
            for label, figures in report["per_class"].items()
        ]
        title = f"{_spoken(modalities).capitalize()}, {task}"
        yield f"### {title}\n\n{_table(('class', 'precision', 'recall', 'F1', 'examples'), rows)}"


def _reports(card: ModelCard) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(modalities, "emotion" or "sentiment", report) for all that was measured."""
    for modalities, tasks in card.metrics.items():
        for task in ("emotion", "sentiment"):
            if task in tasks:
                yield modalities, task, tasks[task]


def _spoken(modalities: str) -> str:
    return ", ".join(MODALITY_NAMES[modality] for modality in modalities.split("+"))


def _figure_with_guess(figure: float, interval: Sequence[float], guess: float) -> str:
    low, high = interval
    return f"**{figure:.3f}** ({low:.3f} to {high:.3f}; constant guess {guess:.3f})"


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
