"""From a joint recipe and prepared clips to a checkpoint: the whole network, end to end, then its calibration."""

from __future__ import annotations

import logging
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs

from sentiment.checkpoint import Calibration, open_preprocessor, round_network, save_checkpoint, subset_key
from sentiment.clip_datatypes import ClipSettings
from sentiment.clips import ClipPreprocessor
from sentiment.errors import SettingsError
from sentiment.labels import MODALITIES
from sentiment.model import Fusion
from sentiment.prediction import SUBSETS
from train.bert import load_tokenizer
from train.calibration import calibrate_answers
from train.clip_cache import PreparedClips, find_cache
from train.errors import DataError
from train.fit import write_model_card
from train.joint_figures import Encoded, ask
from train.joint_run import JointRun
from train.joint_settings import JointRecipe, Precision
from train.joint_starts import make_joint_network, sound_statistics

if TYPE_CHECKING:
    from tokenizers import Tokenizer

logger = logging.getLogger(__name__)

LAST_CHECKPOINT = "checkpoint-last"
"""Folder within the run's of what the last epoch left; the checkpoint itself is of the best one."""

_MEL_CLIPS = 500
"""Clips from which the mean and deviation of log-mel power are measured: tens of millions of values."""


def fit_joint(recipe: JointRecipe, data: Path, run: Path, checkpoint_folder: Path) -> None:
    """Trains the recipe's network on the prepared clips of `data` and writes its checkpoint.

    A run that was stopped goes on from the state in `run` that was written last. Several processes, as
    `accelerate launch` starts them, train together.

    Raises DataError where clips are not prepared or weights cannot be had, SettingsError where the recipe cannot be
    trained so, or `run` holds another run.
    """
    if recipe.joint.fusion != "late":
        raise SettingsError(
            f"joint.fusion is {recipe.joint.fusion!r}: fit trains 'late' alone; the others are compared with it by "
            "python -m train ablate."
        )
    accelerator = make_accelerator(recipe.joint.precision)
    caches = {split: find_cache(data, recipe.clip, split) for split in ("train", "selection")}
    with accelerator.main_process_first():  # who fetches weights; the others find them fetched
        network, tokenizer = make_joint_network(recipe), load_tokenizer(recipe.joint.text.start or "")
    preprocessor = _make_preprocessor(recipe, caches["train"], tokenizer)
    augment_seed = recipe.seed if recipe.joint.augment else None
    training = PreparedClips(caches["train"], "train", preprocessor, augment_seed, recipe.joint.flat_punctuation)
    validation = PreparedClips(caches["selection"], "selection", preprocessor)
    joint_run = JointRun(recipe, network, training, validation, run, accelerator)
    joint_run.run_to_the_end()
    finish(joint_run, recipe, preprocessor, accelerator, {"last": run / LAST_CHECKPOINT, "best": checkpoint_folder})
    accelerator.end_training()


def finish(
    joint_run: JointRun,
    recipe: JointRecipe,
    preprocessor: ClipPreprocessor,
    accelerator: Accelerator,
    folders: dict[str, Path],
) -> None:
    """Calibrates what a run that is over left "last", then its "best", and writes both into their folders."""
    for which, folder in folders.items():
        if which == "best":
            joint_run.load_best()
        round_network(joint_run.network)
        encoded = joint_run.encode_validation()
        if accelerator.is_main_process:
            calibration = calibrate(joint_run.network.fusion, encoded)
            cost = cost_of(joint_run.progress.compute_seconds, accelerator)
            save_checkpoint(folder, recipe.name, joint_run.network, preprocessor, calibration, {}, asdict(recipe), cost)
            write_model_card(folder)
            logger.info("the %s epoch's checkpoint: %s", which, folder)
    accelerator.wait_for_everyone()


def make_accelerator(precision: Precision) -> Accelerator:
    """Accelerate's handle on whatever devices and processes there are.

    Raises SettingsError where there is no GPU for fp16.
    """
    has_gpu = torch.cuda.is_available()
    if precision == "fp16" and not has_gpu:
        raise SettingsError("joint.precision 'fp16' needs a GPU, and there is none; 'auto' takes what there is")
    best = "no" if not has_gpu else "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    mixed = {"auto": best, "float32": "no"}.get(precision, precision)
    # A step in which no clip shows its face leaves that encoder without a gradient.
    distributed = DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False)
    accelerator = Accelerator(mixed_precision=mixed, kwargs_handlers=[distributed])
    logging.getLogger("accelerate").setLevel(logging.WARNING)
    logging.getLogger("train").setLevel(logging.INFO if accelerator.is_main_process else logging.ERROR)
    logger.info("%d × %s, mixed precision: %s", accelerator.num_processes, _device_name(accelerator), mixed)
    return accelerator


def calibrate(fusion: Fusion, encoded: Encoded) -> Calibration:
    """Temperature and certainty threshold of every subset of modalities, each from all clips that have all of it.

    Subsets that no clip has are left out.
    """
    temperatures, certain_above = {}, {}
    for subset in SUBSETS:
        logits, rows = ask(fusion, encoded, subset)
        if len(rows):
            key = subset_key(subset)
            fitted = calibrate_answers(logits.numpy(), encoded.emotion[rows].numpy(), encoded.sentiment[rows].numpy())
            temperatures[key], certain_above[key] = fitted
            logger.info("%s, %d clips: temperature %.2f, certain from %.2f", key, len(rows), *fitted)
    return Calibration(temperatures, certain_above)


def cost_of(compute_seconds: float, accelerator: Accelerator) -> dict[str, Any]:
    """For the model card: hours, of what, and on which machine."""
    if accelerator.device.type == "cpu":
        machine, of = f"a machine with {os.cpu_count()} cores", "processor cores"
    else:
        machine, of = f"{accelerator.num_processes} × {_device_name(accelerator)}", "GPUs"
    return {"hours": round(compute_seconds / 3600, 2), "of": of, "machine": machine}


def _device_name(accelerator: Accelerator) -> str:
    device = accelerator.device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _make_preprocessor(recipe: JointRecipe, cache: Path, tokenizer: Tokenizer) -> ClipPreprocessor:
    """Preprocessing by the recipe, with mel statistics of the start that sound has, or else of the training clips."""
    clip = recipe.clip
    statistics = sound_statistics(recipe)
    if statistics is not None:
        clip = replace(clip, mel_mean=statistics[0], mel_std=statistics[1])
    elif recipe.joint.audio is not None:
        clip = _measure_mel(cache, clip, tokenizer)
    return open_preprocessor(clip, tokenizer)


def _measure_mel(cache: Path, settings: ClipSettings, tokenizer: Tokenizer) -> ClipSettings:
    """The settings with the mean and deviation of log-mel power of training clips spread over the corpus."""
    plain = replace(settings, modalities=("audio",), mel_mean=0.0, mel_std=1.0, speech_encoder=None)
    clips = PreparedClips(cache, "train", ClipPreprocessor(plain, tokenizer))
    rows = clips.presence[:, MODALITIES.index("audio")].nonzero().flatten().tolist()
    if not rows:
        raise DataError(f"{cache} has no clip with sound to learn from; leave audio out of clip.modalities.")
    heard = [clips[row][0].log_mel for row in rows[:: -(-len(rows) // _MEL_CLIPS)]]
    values = torch.cat([log_mel.flatten() for log_mel in heard if log_mel is not None])
    return replace(settings, mel_mean=round(values.mean().item(), 4), mel_std=round(values.std().item(), 4))
