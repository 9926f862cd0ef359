"""A recipe: everything that decides what a training run gives. A TOML file fills these dataclasses."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from sentiment.clip_datatypes import ClipSettings
from sentiment.errors import SettingsError
from sentiment.labels import MODALITIES

if TYPE_CHECKING:
    from train.joint_settings import JointRecipe

RECIPES_FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True, slots=True)
class PhaseSettings:
    """One stretch of training: some corpora, one schedule."""

    corpora: tuple[str, ...]
    epochs: int
    batch_size: int
    learning_rate: float
    """Highest value of a one-cycle schedule: a tenth of the steps up, the rest down to nothing."""
    weight_decay: float = 0.01
    examples_per_epoch: int | None = None
    """A random part of the corpora in each epoch; left out, all of it."""
    dimensions: int = 3
    """For frames only: 2 trains the network's two-dimensional twin on stills."""
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    """What layers compute in, bfloat16 where the processor has it; weights and losses are float32 either way."""
    frame_count: int | None = None
    """For frames only: how long the clips are that stills are turned into; left out, as in use."""
    frame_sizes_px: tuple[int, ...] = ()
    """For frames only: pictures grow through these sizes in equal shares of the epochs, which costs a
    fraction of full size throughout (progressive learning, Tan and Le 2021); left out, as in use."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """sgd is with Nesterov's momentum of 0.9."""
    gradient_norm_limit: float = 1.0
    average_decay: float = 0.0
    """Weights are averaged along the run, each step counting this much less than the next; 0: the last are taken."""
    label_smoothing: float = 0.0
    """Share of an example's weight that is spread over all permitted pairs."""
    flat_punctuation: float = 0.0
    """For words only: how often a line is read as a recogniser writes a flat voice, without "!", dashes and dots."""
    teachers: int = 0
    """So many networks are trained first, alike but for their seeds. What they say on average of an example is half of
    its target, the label the other half: one network learns nearly what all of them know together, and less of what
    annotators disagree about (Hinton et al. 2015; Furlanello et al. 2018)."""
    picture_teacher: PictureTeacherSettings | None = None
    """For frames only: a teacher that knows photographs already; see `train.picture_teacher`."""
    own_answers: bool = False
    """What the encoder itself says at the phase's start counts like what a teacher says."""
    own_answers_frame_size_px: int | None = None
    """For frames only: of pictures of this size, which should be what the phase before ended with; left out, as in
    use."""


@dataclass(frozen=True, slots=True)
class PictureTeacherSettings:
    """The network that teaches the frames' encoder, and how it is trained itself."""

    start: str
    """The installed package that carries its weights."""
    phases: tuple[PhaseSettings, ...]
    """One after the other, like an encoder's, each on its own corpora."""
    frame_size_px: int
    """To which it enlarges pictures: it learned from larger ones."""


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How one encoder is trained, by itself with a head of its own."""

    phases: tuple[PhaseSettings, ...]
    start: str | None = None
    """For words: where BERT's weights come from: an installed package or a folder with a BERT, or an MPNet (see
    `train.mpnet`)."""
    tokenizer: str | None = None
    """For words: the package or folder with BERT's tokenizer, if it does not come with the weights, as with MPNet."""
    frozen_layers: int = 0
    """For words: so many layers, from the first one on, stay as they are, and with them the vectors of the tokens,
    which makes training cheaper. What attention adds for relative positions is the same in all layers and goes on
    learning."""
    class_weight_power: float = 0.0
    """Each emotion's loss is weighted by (its frequency) ** -power: 0 leaves it alone, 1 balances it."""


@dataclass(frozen=True, slots=True)
class FusionSettings:
    """How the fusion is trained on features of frozen encoders."""

    steps: int
    batch_size: int
    learning_rate: float
    conflict: Mapping[str, float]
    """For each modality, how often it shows another emotion than the label in a pair or triplet."""
    junk: Mapping[str, float] = field(default_factory=dict)
    """For each modality, how often it carries nothing at all: noise, a wall, a word salad; see `train.junk`."""
    weight_decay: float = 0.01
    features_per_corpus: int = 6000
    junk_per_modality: int = 400


@dataclass(frozen=True, slots=True)
class ShapeSettings:
    """The sizes of the network that are not BERT's."""

    audio_channels: tuple[int, ...] = (32, 64, 128, 192)
    speech_state_size: int = 0
    fusion_size: int = 256
    dropout: float = 0.2


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole training run."""

    name: str
    clip: ClipSettings
    text: EncoderSettings
    fusion: FusionSettings
    audio: EncoderSettings | None = None
    video: EncoderSettings | None = None
    network: ShapeSettings = field(default_factory=ShapeSettings)
    seed: int = 0

    def __post_init__(self) -> None:
        check_modalities(self.encoders, self.clip)

    @property
    def encoders(self) -> dict[str, EncoderSettings]:
        """The settings of each encoder that is trained, in the order of MODALITIES."""
        return by_modality(self.text, self.audio, self.video)


Settings = TypeVar("Settings")


def by_modality(text: Settings | None, audio: Settings | None, video: Settings | None) -> dict[str, Settings]:
    """What is there, in the order of MODALITIES."""
    every = zip(MODALITIES, (text, audio, video), strict=True)
    return {modality: settings for modality, settings in every if settings is not None}


def check_modalities(encoders: Mapping[str, Any], clip: ClipSettings) -> None:
    """Raises SettingsError unless a recipe has settings for the encoders of just what its clips hold."""
    if tuple(encoders) != clip.modalities:
        raise SettingsError(
            f"a recipe must train what its clips hold: there are settings for {', '.join(encoders)}, "
            f"and clip.modalities is {', '.join(clip.modalities)}"
        )


def load_recipe(name_or_path: str) -> Recipe | JointRecipe:
    """The recipe of that name in train/recipes, or in that TOML file: a JointRecipe where it has a [joint] table.

    Raises SettingsError where there is none, or it holds a setting that does not exist.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = RECIPES_FOLDER / f"{name_or_path}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in RECIPES_FOLDER.glob("*.toml")))
        raise SettingsError(f"There is no recipe {name_or_path!r}; give a .toml file or one of: {known}.")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path.name} is no valid TOML: {error}.") from error
    return recipe_from_table(table, path.name)


def recipe_from_table(table: Mapping[str, Any], where: str) -> Recipe | JointRecipe:
    """The recipe that a TOML file or a checkpoint's "training" holds; raises SettingsError like `load_recipe`."""
    from train.joint_settings import JointRecipe  # here, since it builds on this module

    return from_table(JointRecipe if "joint" in table else Recipe, table, where)


def from_table(kind: type, table: Mapping[str, Any], where: str) -> Any:
    """A dataclass of `kind` from nested tables of plain values; names that it does not have are refused."""
    hints = get_type_hints(kind)
    unknown = sorted(set(table) - {f.name for f in dataclasses.fields(kind)})
    if unknown:
        raise SettingsError(f"{where} has settings that do not exist: {', '.join(unknown)}.")
    try:
        return kind(**{name: _convert(hints[name], value, f"{where}: {name}") for name, value in table.items()})
    except TypeError as error:
        raise SettingsError(f"{where}: {error}.") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    if get_origin(hint) is UnionType and value is not None:
        hint = next(kind for kind in get_args(hint) if kind is not type(None))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_table(hint, value, where)
    if get_origin(hint) is tuple:
        return tuple(_convert(get_args(hint)[0], item, where) for item in value)
    return value
