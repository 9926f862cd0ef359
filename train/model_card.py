"""MODEL_CARD.md: what a checkpoint is for, what it learned from, how good it is and where it fails.

The fixed words stand here once, the figures come from the checkpoint, so that neither can drift from the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sentiment.checkpoint import Calibration, read_manifest
from sentiment.clip_datatypes import ClipSettings
from sentiment.hub import MANIFEST
from sentiment.labels import EMOTIONS, MODALITIES, MODALITY_NAMES, SENTIMENTS
from train.card_figures import (
    Metrics,
    calibration_tables,
    class_tables,
    further_measurements,
    fusion_tables,
    main_table,
    reports,
    table,
)
from train.clips_card import ablation_section, clips_section
from train.joint_settings import JointRecipe
from train.plots import CLIPS_COVERAGE, CLIPS_RELIABILITY, COVERAGE, RELIABILITY, confusion_name
from train.settings import FusionSettings, Recipe, recipe_from_table
from train.sources import corpora_of, is_non_commercial, starts_of

FIGURES_FOLDER: Final = "../../model"
"""Where drawings are looked for, seen from the checkpoint's folder."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """All that a card is rendered from."""

    name: str
    recipe: Recipe | JointRecipe
    metrics: Metrics
    calibration: Calibration
    known_failures: str = ""
    """Markdown: what was seen to go wrong."""
    cost: Mapping[str, Any] | None = None
    """{"hours": float, "machine": str} and, for a joint recipe, "of" what; None where nobody took the time."""
    drawings: tuple[str, ...] = ()
    """Names of those files of `train.plots` that lie in FIGURES_FOLDER."""


def render_model_card(checkpoint_folder: Path, known_failures: str = "") -> str:
    """The text of MODEL_CARD.md for a checkpoint, from its checkpoint.json and the drawings beside it.

    Raises CheckpointError where the folder holds none that this version reads.
    """
    manifest = read_manifest(checkpoint_folder)
    return render(
        ModelCard(
            manifest["name"],
            recipe_from_table(manifest["training"], f"{checkpoint_folder / MANIFEST}: training"),
            manifest["metrics"],
            Calibration(**manifest["calibration"]),
            known_failures,
            manifest.get("cost"),
            drawings_beside(checkpoint_folder),
        )
    )


def render(card: ModelCard) -> str:
    """The card as Markdown, with the front matter that the Hugging Face hub reads."""
    is_joint = isinstance(card.recipe, JointRecipe)
    known_failures = "\n\n".join(filter(None, (card.known_failures.strip(), _LIMITS + _limits_of_measurement(card))))
    sections = (
        _front_matter(card.recipe),
        f"# {card.name}\n\n" + _introduction(card.recipe),
        _USES + (_NOT_COMMERCIAL if is_non_commercial(card.recipe) else _COMMERCIAL),
        "## What it learned from, and the terms\n\n" + _sources(card.recipe),
        "## How good it is on clips\n\n" + clips_section(card.metrics["clips"]) if "clips" in card.metrics else "",
        _single_signals(card.metrics),
        "## Whether its confidence can be believed\n\n" + calibration_tables(card.metrics, card.calibration, is_joint),
        "## Fusion\n\n" + _fusion(card) if len(card.recipe.encoders) > 1 else "",
        "## What each choice is worth\n\n" + ablation_section(card.metrics["ablation"])
        if "ablation" in card.metrics
        else "",
        "## Known failures and limits\n\n" + known_failures,
        "## What it cost\n\n" + _cost(card.cost),
        _with_title("## Class by class", *class_tables(card.metrics)),
        _drawings(card.drawings),
    )
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


def drawings_beside(checkpoint_folder: Path) -> tuple[str, ...]:
    """Names of the drawings that lie where the checkpoint's card links to."""
    return tuple(name for name in _DRAWINGS if (checkpoint_folder / FIGURES_FOLDER / name).is_file())


def _with_title(title: str, *parts: str) -> str:
    return "\n\n".join((title, *parts)) if parts else ""


def _single_signals(metrics: Metrics) -> str:
    """Each signal by itself on corpora of its own; nothing where clips alone were measured."""
    if not any(reports(metrics)):
        return "" if "clips" in metrics else f"## How good it is\n\n{_NOT_MEASURED}"
    title = "## How good each signal is by itself" if "clips" in metrics else "## How good it is"
    return _with_title(title, main_table(metrics), *further_measurements(metrics))


_NOT_MEASURED: Final = "Not measured yet; `python -m train evaluate --store` does it."


def _introduction(recipe: Recipe | JointRecipe) -> str:
    signals = ", ".join(f"the {MODALITY_NAMES[modality]}" for modality in recipe.encoders)
    missing = " Any of these signals may be missing." if len(recipe.encoders) > 1 else ""
    return (
        f"Reads a stretch of video, one utterance at a time, from {signals}, and answers with\n"
        f"{_ANSWER}{missing}{_context(recipe.clip)}"
    )


def _context(clip: ClipSettings) -> str:
    """What else is read than the utterance's own words."""
    around = [
        f"{count} {which}"
        for count, which in ((clip.context_utterances, "earlier"), (clip.following_utterances, "later"))
        if count
    ]
    if "text" not in clip.modalities or not around:
        return ""
    return f"\nThe words are read beside those of up to {' and '.join(around)} utterances of the same recording."


_ANSWER: Final = f"""
probabilities of {len(EMOTIONS)} emotions ({", ".join(EMOTIONS)}) and {len(SENTIMENTS)} sentiments
({", ".join(SENTIMENTS)}).
""".strip()

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
"""

_NOT_COMMERCIAL: Final = """
For commercial use, train anew on data that you have the rights to: the terms below do not allow it for these weights.
"""

_COMMERCIAL: Final = """
Whether commercial use is possible follows from the terms below. None of these corpora rules it out by its own terms,
but the dialogue of a television series remains its owners'.
"""


def _front_matter(recipe: Recipe | JointRecipe) -> str:
    datasets = [source.hub_name for source in corpora_of(recipe) if source.hub_name]
    starts = [source.hub_name for source in starts_of(recipe) if source.hub_name]
    lines = [
        "---",
        "license: other",
        *(["license_name: research-and-other-non-commercial-use"] if is_non_commercial(recipe) else []),
        "language: en",
        "pipeline_tag: video-classification",
        "tags: [emotion-recognition, sentiment-analysis, multimodal, video, audio, text]",
        *(["datasets: [" + ", ".join(datasets) + "]"] if datasets else []),
        *(["base_model: [" + ", ".join(starts) + "]"] if starts else []),
        "---",
    ]
    return "\n".join(lines)


def _sources(recipe: Recipe | JointRecipe) -> str:
    sources = [*corpora_of(recipe), *starts_of(recipe)]
    rows = [(source.title, source.what, source.terms) for source in sources]
    listed = table(("source", "what it is", "terms"), rows)
    return f"{listed}\n\n{_TERMS_NOTE} The recipe is `{recipe.name}`, seed {recipe.seed}."


_TERMS_NOTE: Final = """
None of the corpora is passed on with the weights, but their terms bind whoever uses what was learned from them; where
one of them says research or non-commercial use, that is what these weights may be used for.
""".strip()


def _fusion(card: ModelCard) -> str:
    if isinstance(card.recipe, JointRecipe):
        return _JOINT
    mix = _MIX.format(rates=_rates(card.recipe.fusion.conflict)) + _junk(card.recipe.fusion)
    if "fusion" not in card.metrics:
        return f"{_NO_JOINT_DATA} Nor was it measured on made-up combinations.\n\n{mix}"
    return f"{_NO_JOINT_DATA} {_MADE_UP}\n\n{mix}\n\n{fusion_tables(card.metrics['fusion'])}"


_JOINT: Final = """
The fusion learned from clips in which words, voice and face of one moment come together. Of a part of them it was shown
only some of the signals, so that it can answer from whatever there is.
""".strip()

_NO_JOINT_DATA: Final = """
**Fusion has not been measured on real video.** Each figure above is of one signal by itself, on a corpus that has only
that one. How good the answer is where words, voice and face of one person come together, which is the usual case, is
not known.
""".strip()

_MADE_UP: Final = """
What follows was measured on made-up combinations of held-out examples: words, voices and faces of separate corpora,
put together by their label. It shows whether the fusion weighs its witnesses sensibly. The figures depend on how the
combinations were made up, and are no headline.
""".strip()

_MIX: Final = """
How they are mixed was fixed beforehand. Each combination has one label, half of the time drawn as often as people
talk that way in the dialogues, half of the time all emotions alike. Each signal is a random example of that label,
but sometimes one of another emotion instead, or one that its encoder errs on: {rates}. So signals contradict each
other, as they do in life, where a smile goes with sad words and a flat voice with a joke.
""".strip()


def _junk(settings: FusionSettings) -> str:
    if not any(settings.junk.values()):
        return ""
    return (
        "\n\nIn training, though not in these figures, a signal was at times nothing at all, such as noise, a wall or "
        f"the wrong words: {_rates(settings.junk)}."
    )


def _rates(rates: Mapping[str, float]) -> str:
    return ", ".join(f"{MODALITY_NAMES[m]} {rates[m]:.0%}" for m in MODALITIES if m in rates)


def _cost(cost: Mapping[str, Any] | None) -> str:
    if cost is None:
        return "Hours of training: not recorded."
    of = cost.get("of", "processor cores for the encoders")
    return f"{cost['hours']:.1f} hours of {of}, on {cost['machine']}."


_DRAWINGS: Final = {
    **{confusion_name(m): f"what is taken for what, {MODALITY_NAMES[m]}" for m in MODALITIES},
    RELIABILITY: "confidence against the share of right answers",
    COVERAGE: "what holding back unsure answers buys",
    confusion_name("clips"): "what is taken for what, all signals on clips",
    CLIPS_RELIABILITY: "confidence against the share of right answers, on clips",
    CLIPS_COVERAGE: "what holding back unsure answers buys, on clips",
}


def _drawings(names: tuple[str, ...]) -> str:
    # Links and no pictures: the card is also read where the drawings are not at hand, such as in the app.
    links = [f"- [{_DRAWINGS[name].capitalize()}]({FIGURES_FOLDER}/{name})" for name in names]
    return "## Drawings\n\n" + "\n".join(links) if links else ""


_LIMITS: Final = """
- **Not validated by sex, age, skin colour, accent or culture** beyond what is shown above. How much worse it is for
  some people than for others is not known. Its corpora are English, mostly American, and partly acted; the labels are
  what annotators saw, and annotators disagree.
- Not tested on irony and sarcasm, nor on words in another language than English, whatever the recogniser understands.
- Not measured on recordings unlike those it learned from. A real voice and a moving face in a video are such, so
  expect less than the figures above.
""".strip()


_ONE_SERIES: Final = """
- Its clips are of one television series with laughter on the sound track. Six actors say most of the lines, in what it
  learned from and in what it was measured on alike.
""".strip()


def _limits_of_measurement(card: ModelCard) -> str:
    if "clips" not in card.metrics:
        return "\n- The face was measured on grey stills alone, not on moving or coloured pictures."
    return f"\n{_ONE_SERIES}"
