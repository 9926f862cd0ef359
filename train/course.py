"""One phase of an encoder, after its teachers'; each network that comes out is kept in the run folder."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from sentiment.clips import ClipPreprocessor
from train.corpora import Split
from train.corpora.catalog import load_corpora
from train.dataset import ExampleDataset
from train.loop import EncoderWithHead, class_weights, pair_logits_of
from train.phase import RunFiles, run_phase
from train.picture_teacher import PictureTeacher
from train.settings import PhaseSettings, PictureTeacherSettings

logger = logging.getLogger(__name__)

SEED_STEP = 100
"""From a twin's seed to the next one's. Seeds of phases are neighbours."""


@dataclass(frozen=True, slots=True)
class Teacher:
    """A network that has learned, and how it is asked."""

    model: EncoderWithHead
    cpu_seconds: float
    """For how long it was trained."""
    frame_count: int | None = None
    frame_size_px: int | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """What a network goes through in one phase."""

    name: str
    """Of its files in the run folder."""
    phases: tuple[PhaseSettings, ...]
    """Those that the network went through before, and at last this one."""
    facts: Mapping[str, Any]
    """What else, beside phases and seed, decides how the network comes out; ready for JSON."""
    class_weight_power: float
    preprocessor: ClipPreprocessor
    data: Path
    run: Path

    @property
    def phase(self) -> PhaseSettings:
        return self.phases[-1]

    def complete(self, model: EncoderWithHead, seed: int) -> float:
        """Trains the model in place, unless it is in the run folder already; returns its and its teachers' CPU seconds.

        Nothing is taken from the run folder that was made with other settings.
        """
        file, key = self.run / f"{self.name}.safetensors", self._key(seed)
        if not _take_stored(model, file, key):
            teachers = list(self._teachers(model, seed))
            training, selection = self._load("train"), self._load("selection")
            logger.info("%s: %d examples, %d for selection", self.name, len(training), len(selection))
            taught = self._answers(teachers, training, key) if teachers else None
            cpu_seconds = sum(teacher.cpu_seconds for teacher in teachers)
            cpu_seconds += self._train(model, training, selection, seed, key, taught)
            _store(model, file, key, cpu_seconds)
            self._state_file.unlink(missing_ok=True)
            self._answers_file.unlink(missing_ok=True)
        return stored_cpu_seconds(file)

    def _train(
        self,
        model: EncoderWithHead,
        training: ExampleDataset,
        selection: ExampleDataset,
        seed: int,
        key: str,
        taught: torch.Tensor | None,
    ) -> float:
        """Trains the model in place; returns its CPU seconds."""
        own_seed = seed + SEED_STEP * self.phase.teachers
        weights = class_weights(training.emotion, self.class_weight_power)
        files = RunFiles(self._state_file, self.run / "curves" / self.name, key)
        torch.manual_seed(own_seed)
        return run_phase(
            model, training, selection, self.phase, weights, own_seed, self.name, files, taught
        ).cpu_seconds

    def _teachers(self, model: EncoderWithHead, seed: int) -> Iterator[Teacher]:
        """All that teach in this phase, trained; the model as it is now may be one of them."""
        phase = self.phase
        alone = replace(phase, teachers=0, picture_teacher=None, own_answers=False)
        for twin_seed in (seed + SEED_STEP * number for number in range(phase.teachers)):
            twin, name = copy.deepcopy(model), f"{self.name}-teacher-{twin_seed}"
            cpu_seconds = replace(self, name=name, phases=(*self.phases[:-1], alone)).complete(twin, twin_seed)
            yield Teacher(twin, cpu_seconds, phase.frame_count)
        if phase.picture_teacher is not None:
            picture = phase.picture_teacher
            torch.manual_seed(seed)
            seeing = PictureTeacher(picture.start, picture.frame_size_px, self.preprocessor.settings)
            network = EncoderWithHead("video", seeing).to(memory_format=torch.channels_last)
            yield self._trained(network, picture, seed)
        if phase.own_answers:
            yield Teacher(model, 0.0, phase.frame_count, phase.own_answers_frame_size_px)

    def _trained(self, network: EncoderWithHead, settings: PictureTeacherSettings, seed: int) -> Teacher:
        """A network of another kind after all phases of its own."""
        facts = {**self.facts, "teacher": {**asdict(settings), "phases": None}}
        cpu_seconds = 0.0
        for number in range(len(settings.phases)):
            name, phases = f"{self.name}-picture-teacher-{number}", settings.phases[: number + 1]
            cpu_seconds += replace(self, name=name, phases=phases, facts=facts).complete(network, seed + number)
        return Teacher(network, cpu_seconds, settings.phases[-1].frame_count)

    def _answers(self, teachers: Sequence[Teacher], training: ExampleDataset, key: str) -> torch.Tensor:
        """(N, 8) probabilities of the permitted pairs, what the teachers say on average of each example.

        Asked only once, however often the phase is interrupted: a large teacher needs a while for it.
        """
        examples = [[example.corpus, example.key, example.text] for example in training.examples]
        key += hashlib.sha256(json.dumps(examples).encode()).hexdigest()  # the data may have changed in between
        if _stored_key(self._answers_file) == key:
            return load_file(self._answers_file)["answers"]
        said = [pair_logits_of(t.model, training, t.frame_count, t.frame_size_px).softmax(dim=1) for t in teachers]
        answers = torch.stack(said).mean(dim=0)
        _write(self._answers_file, {"answers": answers}, {"phase_key": key})
        return answers

    def _load(self, split: Split) -> ExampleDataset:
        return load_examples(self.phase, self.data, split, self.preprocessor)

    @property
    def _state_file(self) -> Path:
        return self.run / f"{self.name}.state.pt"

    @property
    def _answers_file(self) -> Path:
        return self.run / f"{self.name}.answers.safetensors"

    def _key(self, seed: int) -> str:
        """Changes with everything that decides how the network comes out."""
        facts = [self.facts, self.class_weight_power, [asdict(phase) for phase in self.phases], seed]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def load_examples(phase: PhaseSettings, data: Path, split: Split, preprocessor: ClipPreprocessor) -> ExampleDataset:
    """One split of a phase's corpora, to be read, heard and seen as the phase says."""
    examples = load_corpora(phase.corpora, data, split)
    return ExampleDataset(examples, preprocessor, flat_punctuation=phase.flat_punctuation)


def stored_cpu_seconds(file: Path) -> float:
    """For how long the processor's cores worked on a network of the run folder, and on its teachers."""
    with safe_open(file, framework="pt") as stored:
        return float(stored.metadata()["cpu_seconds"])


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


def _store(model: EncoderWithHead, file: Path, key: str, cpu_seconds: float) -> None:
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    _write(file, tensors, {"phase_key": key, "cpu_seconds": str(round(cpu_seconds))})


def _write(file: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """Writes a file that is there whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    save_file(tensors, partial, metadata)
    partial.replace(file)
