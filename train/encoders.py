"""The three encoders of a recipe, trained one after the other; each is kept in the run folder when done.

A run that was stopped goes on with the first encoder that is not there yet, or that was trained
with other settings.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from sentiment.clips import ClipPreprocessor
from sentiment.model import FusionNetwork, TextEncoder
from train.corpora import Split
from train.corpora.catalog import load_corpora
from train.dataset import ExampleDataset
from train.errors import DataError
from train.inflate import StillEncoder, inflate
from train.installed import installed_folder
from train.loop import EncoderWithHead, class_weights, pair_logits_of
from train.phase import RunFiles, run_phase
from train.picture_teacher import PictureTeacher
from train.settings import EncoderSettings, PhaseSettings, PictureTeacherSettings, Recipe, WordTeacherSettings
from train.word_teacher import WordTeacher

logger = logging.getLogger(__name__)

SEED_STEP = 100
"""From a teacher's seed to the next one's. Seeds of phases are neighbours."""


def start_folder(start: str) -> Path:
    """The folder of the BERT to start from: an installed package that carries one, or a folder.

    Raises DataError where it is neither.
    """
    if Path(start).is_dir():
        return Path(start)
    package = installed_folder(start)
    if package is None:
        raise DataError(
            f"The words' encoder starts from {start!r}, which is neither a folder nor an installed package; "
            "try: pip install -r requirements-train.txt"
        )
    return package / "model"


def bert_settings(start: str) -> dict[str, Any]:
    """What `transformers.BertConfig` needs to build that BERT."""
    table = json.loads((start_folder(start) / "config.json").read_text(encoding="utf-8"))
    wanted = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    return {name: table[name] for name in (*wanted, "max_position_embeddings", "type_vocab_size")}


def fit_encoder(
    modality: str, network: FusionNetwork, preprocessor: ClipPreprocessor, recipe: Recipe, data: Path, run: Path
) -> EncoderWithHead:
    """Trains that encoder of the network in place, phase by phase.

    Returns what was trained last: the encoder itself or, for frames that ended in two dimensions, its twin,
    which says the same of stills for a sixteenth of the work; and its head.

    After each phase the run folder gets a file; a phase whose file is there, made with the same settings,
    is not run again.
    """
    settings: EncoderSettings = recipe.encoders[modality]
    torch.manual_seed(recipe.seed)
    if modality == "text":
        assert settings.start is not None
        start_from_pretrained(network.encoders["text"], settings.start)
    model = EncoderWithHead(modality, network.encoders[modality])
    for number, phase in enumerate(settings.phases):
        model = _in_dimensions_of(phase, model, network)
        file, key = run / f"{modality}-{number}.safetensors", _phase_key(modality, number, recipe)
        if _take_stored(model, file, key):
            continue
        training, selection = (load_examples(phase, data, split, preprocessor) for split in ("train", "selection"))
        logger.info("%s, phase %d: %d examples, %d for selection", modality, number, len(training), len(selection))
        weights = class_weights(training.emotion, settings.class_weight_power)
        course = _Course(training, selection, phase, weights, run, f"{modality}-{number}", key)
        course.complete(model, recipe.seed + number)
    if isinstance(model.encoder, StillEncoder):
        inflate(model.encoder, network.encoders["video"])
    return model


@dataclass(frozen=True, slots=True)
class _Course:
    """One phase of one encoder, with its teachers; each network of it is kept in the run folder when done."""

    training: ExampleDataset
    selection: ExampleDataset
    phase: PhaseSettings
    emotion_weights: torch.Tensor
    run: Path
    name: str
    key: str

    def complete(self, model: EncoderWithHead, seed: int) -> None:
        """Trains the model in place."""
        *seeds_of_teachers, own_seed = (seed + SEED_STEP * number for number in range(self.phase.teachers + 1))
        found = [self._answers_of_twin(model, teacher_seed) for teacher_seed in seeds_of_teachers]
        if self.phase.picture_teacher is not None:
            found.append(self._answers_of_picture_teacher(self.phase.picture_teacher, seed))
        if self.phase.word_teacher is not None:
            found.append(self._answers_of_word_teacher(self.phase.word_teacher, seed))
        if self.phase.own_answers:
            found.append((self._answers_of(model, self.phase, self.phase.own_answers_frame_size_px), 0.0))
        taught = torch.stack([answers for answers, _ in found]).mean(dim=0) if found else None
        cpu_seconds_before = sum(cpu_seconds for _, cpu_seconds in found)
        self._train(model, self.phase, own_seed, self.name, self.key, taught, cpu_seconds_before)

    def _answers_of_twin(self, start: EncoderWithHead, seed: int) -> tuple[torch.Tensor, float]:
        """(N, 8) probabilities of the training examples' pairs, and for how long it was trained."""
        return self._answers_of_teacher(copy.deepcopy(start), self.phase, seed, f"{self.name}-teacher-{seed}")

    def _answers_of_picture_teacher(self, settings: PictureTeacherSettings, seed: int) -> tuple[torch.Tensor, float]:
        """The same of a network of another kind."""
        torch.manual_seed(seed)
        encoder = PictureTeacher(settings.start, settings.frame_size_px, self.training.preprocessor.settings)
        teacher = EncoderWithHead("video", encoder).to(memory_format=torch.channels_last)
        return self._answers_of_teacher(teacher, settings.phase, seed, f"{self.name}-picture-teacher")

    def _answers_of_word_teacher(self, settings: WordTeacherSettings, seed: int) -> tuple[torch.Tensor, float]:
        """The same of a network of another kind."""
        torch.manual_seed(seed)
        teacher = EncoderWithHead("text", WordTeacher(settings.start, self.training.preprocessor.tokenizer))
        return self._answers_of_teacher(teacher, settings.phase, seed, f"{self.name}-word-teacher")

    def _answers_of_teacher(
        self, teacher: EncoderWithHead, phase: PhaseSettings, seed: int, name: str
    ) -> tuple[torch.Tensor, float]:
        key, file = f"{self.key}-{seed}", self.run / f"{name}.safetensors"
        if not _take_stored(teacher, file, key):
            self._train(teacher, phase, seed, name, key)
        return self._answers_of(teacher, phase), _stored_cpu_seconds(file)

    def _answers_of(
        self, model: EncoderWithHead, phase: PhaseSettings, frame_size_px: int | None = None
    ) -> torch.Tensor:
        return pair_logits_of(model, self.training, phase.frame_count, frame_size_px).softmax(dim=1)

    def _train(
        self,
        model: EncoderWithHead,
        phase: PhaseSettings,
        seed: int,
        name: str,
        key: str,
        taught: torch.Tensor | None = None,
        cpu_seconds_before: float = 0.0,
    ) -> None:
        """Trains the model in place and keeps it under that name."""
        files = RunFiles(self.run / f"{name}.state.pt", self.run / "curves" / name, key)
        torch.manual_seed(seed)
        result = run_phase(model, self.training, self.selection, phase, self.emotion_weights, seed, name, files, taught)
        _save(model, self.run / f"{name}.safetensors", key, result.cpu_seconds + cpu_seconds_before)
        files.state.unlink(missing_ok=True)


def load_examples(phase: PhaseSettings, data: Path, split: Split, preprocessor: ClipPreprocessor) -> ExampleDataset:
    """One split of a phase's corpora, to be read, heard and seen as the phase says."""
    examples = load_corpora(phase.corpora, data, split)
    return ExampleDataset(examples, preprocessor, flat_punctuation=phase.flat_punctuation)


def _in_dimensions_of(phase: PhaseSettings, model: EncoderWithHead, network: FusionNetwork) -> EncoderWithHead:
    """The model that a phase trains: for frames in 2D the still network, which later phases inflate."""
    if model.modality != "video":
        return model
    encoder = network.encoders["video"]
    if phase.dimensions == 2 and model.encoder is encoder:
        still = EncoderWithHead("video", StillEncoder(encoder.project), model.head)
        return still.to(memory_format=torch.channels_last)
    if phase.dimensions == 3 and model.encoder is not encoder:
        inflate(model.encoder, encoder)
        encoder.to(memory_format=torch.channels_last_3d)
        return EncoderWithHead("video", encoder, model.head)
    return model


def start_from_pretrained(encoder: TextEncoder, start: str) -> None:
    """Loads that BERT's weights into the encoder."""
    tensors = {}
    with safe_open(start_folder(start) / "model.safetensors", framework="pt") as file:
        wanted = encoder.bert.state_dict()
        for name in file.keys():  # noqa: SIM118  (a safetensors file is no dict)
            short = name.removeprefix("bert.")
            if short in wanted:
                tensors[short] = file.get_tensor(name).float()
    encoder.bert.load_state_dict(tensors)


_CLIP_SETTINGS_OF = {
    "text": ("max_tokens", "context_utterances", "following_utterances"),
    "audio": (
        "sample_rate_hz",
        "n_fft",
        "hop_length",
        "n_mels",
        "mel_dynamic_range_log10",
        "max_audio_seconds",
        "speech_encoder",
        "speech_encoder_layers",
    ),
    "video": ("frame_size_px", "frame_count", "colour", "frame_mean", "frame_std"),
}
"""What an encoder's training depends on; the others' settings may change without it."""


def _phase_key(modality: str, number: int, recipe: Recipe) -> str:
    """Changes with everything that decides how the encoder comes out of this phase."""
    settings = asdict(recipe.encoders[modality])
    settings["phases"] = settings["phases"][: number + 1]
    clip = {name: getattr(recipe.clip, name) for name in _CLIP_SETTINGS_OF[modality]}
    facts = [modality, settings, clip, asdict(recipe.network) if modality == "audio" else None, recipe.seed]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _take_stored(model: EncoderWithHead, file: Path, key: str) -> bool:
    """Whether the file holds what this key stands for; the model then has its weights."""
    if _stored_key(file) != key:
        return False
    logger.info("%s: taken from %s", file.stem, file)
    model.load_state_dict(load_file(file))
    return True


def _stored_key(file: Path) -> str | None:
    if not file.is_file():
        return None
    with safe_open(file, framework="pt") as stored:
        return (stored.metadata() or {}).get("phase_key")


def cpu_hours(recipe: Recipe, run: Path) -> float:
    """For how long the processor's cores worked together on the encoders of a finished run, and on their teachers."""
    files = [run / f"{m}-{number}.safetensors" for m, s in recipe.encoders.items() for number in range(len(s.phases))]
    return sum(map(_stored_cpu_seconds, files)) / 3600


def _stored_cpu_seconds(file: Path) -> float:
    with safe_open(file, framework="pt") as stored:
        return float(stored.metadata()["cpu_seconds"])


def _save(model: EncoderWithHead, file: Path, key: str, cpu_seconds: float) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    metadata = {"phase_key": key, "cpu_seconds": str(round(cpu_seconds))}
    save_file({n: t.contiguous() for n, t in model.state_dict().items()}, partial, metadata)
    partial.replace(file)
