"""The recipe of a whole network that is trained end to end on real clips: what a [joint] table may hold."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from sentiment.clip_datatypes import ClipSettings
from sentiment.errors import SettingsError
from train.settings import ShapeSettings, by_modality, check_modalities

Trained = Literal["frozen", "last stage", "fine-tuned"]
Precision = Literal["auto", "bf16", "fp16", "float32"]
FusionKind = Literal["late", "early", "intermediate"]

KINETICS: Final = "kinetics400"
"""What `start` of the frames' encoder says for torchvision's R3D_18_Weights.KINETICS400_V1."""


@dataclass(frozen=True, slots=True)
class JointEncoderSettings:
    """Where one encoder starts, and how much of it learns."""

    learning_rate: float
    """Its highest, at the end of the warm-up."""
    start: str | None = None
    """Left out: from scratch. Words, where it must be given: a BERT, as an installed package, a folder or a name on
    the hub. Sound: the folder of a checkpoint. Frames: "kinetics400", a file of R3D-18 weights, or the folder of a
    checkpoint."""
    from_scratch: bool = False
    """For words only: of the BERT that `start` names, take the sizes and the tokenizer, and no weights."""
    trained: Trained = "fine-tuned"
    """"last stage" is BERT's last layer, R3D-18's layer4, or the CNN's last block and what follows it. The
    projection to 128 numbers is always trained, with the head's learning rate."""
    frozen_batch_norm: bool = False
    """BatchNorm uses the statistics that it started with, and does not gather those of this corpus."""

    def __post_init__(self) -> None:
        _check_positive(self, "learning_rate")
        _check_choice("trained", self.trained, get_args(Trained))
        if (self.start is None or self.from_scratch) and (self.trained != "fine-tuned" or self.frozen_batch_norm):
            raise SettingsError("an encoder from scratch must be fine-tuned, its BatchNorm included")


@dataclass(frozen=True, slots=True)
class JointSettings:
    """How the network is trained."""

    epochs: int
    batch_size: int
    """Clips behind each step of the optimiser, over all processes together."""
    head_learning_rate: float
    """Of what every recipe starts from scratch: the projections, the fusion and the two heads."""
    text: JointEncoderSettings
    audio: JointEncoderSettings | None = None
    video: JointEncoderSettings | None = None
    fusion: FusionKind = "late"
    """Only "late" is trained end to end, and can be used by the app; the others are compared with it by
    `python -m train ablate`, on features of frozen encoders."""
    micro_batch_size: int | None = None
    """At most so many clips at a time in each process; gradients are summed until batch_size is reached. Left out:
    as many as there are. Where they do not fit into memory the number is halved by itself."""
    warmup_share: float = 0.1
    """Share of all steps in which learning rates climb in a straight line; from there they fall straight to 0."""
    weight_decay: float = 0.01
    gradient_norm_limit: float = 1.0
    modality_dropout: float = 0.5
    """How often a clip shows only a part of what it has: any of its subsets, each as often as the others."""
    class_weight_power: float = 0.0
    """Each emotion's loss is weighted by (its frequency) ** -power: 0 leaves it alone, 1 balances it."""
    label_smoothing: float = 0.0
    """Share of an example's weight that is spread over all permitted pairs."""
    augment: bool = True
    flat_punctuation: float = 0.5
    """How often a line is read as a recogniser writes a flat voice, where examples are augmented; see
    `train.augment`."""
    precision: Precision = "auto"
    """What layers compute in. "auto": bf16 on a GPU that has it, fp16 on one that has not, float32 on the CPU."""
    patience: int | None = None
    """The run ends early after so many epochs without a better one; left out, it runs to its end."""
    save_every_steps: int | None = None
    """How often the state is written within an epoch; left out, at the end of each one."""
    workers: int = 4
    """Processes that read clips, for each process that trains; 0: it reads by itself."""

    def __post_init__(self) -> None:
        _check_positive(self, "epochs", "batch_size", "head_learning_rate", "gradient_norm_limit")
        optional = ("micro_batch_size", "patience", "save_every_steps")
        _check_positive(self, *(name for name in optional if getattr(self, name) is not None))
        for name in ("warmup_share", "modality_dropout", "class_weight_power", "label_smoothing", "flat_punctuation"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"joint setting {name} must lie between 0 and 1, got {getattr(self, name)}")
        for name in ("weight_decay", "workers"):
            if getattr(self, name) < 0:
                raise SettingsError(f"joint setting {name} must be >= 0, got {getattr(self, name)}")
        if self.text.start is None:
            raise SettingsError("joint.text must name a start; from_scratch = true takes its tokenizer and sizes alone")
        if any(encoder is not None and encoder.from_scratch for encoder in (self.audio, self.video)):
            raise SettingsError("from_scratch is for words alone; leave out the start of joint.audio and joint.video")
        _check_choice("precision", self.precision, get_args(Precision))
        _check_choice("fusion", self.fusion, get_args(FusionKind))


@dataclass(frozen=True, slots=True)
class JointRecipe:
    """A whole training run on clips that carry words, voice and face together."""

    name: str
    clip: ClipSettings
    joint: JointSettings
    network: ShapeSettings = field(default_factory=ShapeSettings)
    seed: int = 0

    def __post_init__(self) -> None:
        check_modalities(self.encoders, self.clip)

    @property
    def encoders(self) -> dict[str, JointEncoderSettings]:
        """The settings of each encoder, in the order of MODALITIES."""
        return by_modality(self.joint.text, self.joint.audio, self.joint.video)


def _check_positive(settings: Any, *names: str) -> None:
    for name in names:
        if getattr(settings, name) <= 0:
            raise SettingsError(f"joint setting {name} must be positive, got {getattr(settings, name)}")


def _check_choice(name: str, found: str, choices: Collection[str]) -> None:
    if found not in choices:
        raise SettingsError(f"joint setting {name} must be one of {', '.join(choices)}, got {found!r}")
