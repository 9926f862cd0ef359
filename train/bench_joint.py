"""What a joint recipe costs: `python -m train.bench_joint` takes a few real steps and reckons up a whole run.

The network has the recipe's real sizes and random weights, the clips are noise, as long as the recipe lets them be. So
nothing has to be fetched. On a GPU, give the recipe's own batch: --batch 32.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from sentiment.clip_datatypes import ClipBatch, ClipInputs
from sentiment.clips import collate
from sentiment.errors import SettingsError
from sentiment.labels import EMOTIONS, SENTIMENTS
from sentiment.model import FusionNetwork, NetworkSettings
from train.dataset import Batch
from train.joint import make_accelerator
from train.joint_freezing import freeze, parameter_groups, to_training_mode
from train.joint_settings import JointRecipe
from train.joint_steps import Stepper, Sums
from train.settings import load_recipe

MELD_CLIPS: Final = {"train": 9_989, "validation": 1_109}

PEAK_BF16_FLOPS: Final = {"A100": 312e12, "H100 SXM": 989e12}
"""Dense operations a second by NVIDIA's data sheets."""

UTILISATION: Final = 0.1
"""Assumed: how much of that such a network gets. Large language models reach 0.4; small batches and convolutions over
time are far from it."""

BERT_BASE: Final[Mapping[str, Any]] = {}
"""What `transformers.BertConfig` is by itself, bert-base-uncased."""


def bench(recipe: JointRecipe, batch_size: int, num_steps: int, bert: Mapping[str, Any] = BERT_BASE) -> dict[str, Any]:
    """Takes `num_steps` steps on `batch_size` clips each; gives the figures, ready for JSON.

    Returns device, precision, parameters {total, trained, and each part's}, batch_size, seconds_per_step (the fastest,
    each of them), peak_memory_gib, flops_per_clip {train, validation}, whole_run (see `reckon`).
    """
    accelerator = make_accelerator(recipe.joint.precision)
    torch.manual_seed(recipe.seed)
    network = FusionNetwork(
        NetworkSettings(bert=bert, **asdict(recipe.network)), recipe.clip.n_mels, recipe.clip.modalities
    )
    freeze(network, recipe)
    model, optimizer = accelerator.prepare(network, torch.optim.AdamW(parameter_groups(network, recipe)))
    stepper = Stepper(accelerator, model, optimizer, recipe, torch.ones(len(EMOTIONS)))
    to_training_mode(network, recipe)
    batch = make_batch(recipe, batch_size)
    seconds = []
    for _ in range(num_steps):
        started = time.monotonic()
        stepper.take_step([range(batch_size)], iter([batch]), float(batch_size), 0, Sums())  # waits for the device
        seconds.append(time.monotonic() - started)
    peak_bytes = _peak_bytes(accelerator)
    flops = _count_flops(network, recipe, accelerator)
    return {
        "device": torch.cuda.get_device_name() if accelerator.device.type == "cuda" else accelerator.device.type,
        "precision": accelerator.mixed_precision,
        "parameters": count_parameters(network),
        "batch_size": batch_size,
        "seconds_per_step": {"fastest": round(min(seconds), 3), "all": [round(s, 3) for s in seconds]},
        "peak_memory_gib": round(peak_bytes / 2**30, 2),
        "flops_per_clip": flops,
        "whole_run": reckon(recipe, flops, min(seconds) / batch_size),
    }


def count_parameters(network: FusionNetwork) -> dict[str, Any]:
    """{"total": n, "trained": n, "text": {"total": n, "trained": n}, …} of the network and each of its parts."""

    def count(module: nn.Module) -> dict[str, Any]:
        numbers = [(p.numel(), p.requires_grad) for p in module.parameters()]
        return {"total": sum(n for n, _ in numbers), "trained": sum(n for n, trained in numbers if trained)}

    return count(network) | {name: count(part) for name, part in {**network.encoders, "fusion": network.fusion}.items()}


def make_batch(recipe: JointRecipe, batch_size: int) -> Batch:
    """Clips of noise that have everything the network reads, as long as the recipe's settings let them be."""
    clip, generator = recipe.clip, torch.Generator().manual_seed(0)
    mel_frames = 1 + round(clip.max_audio_seconds * clip.sample_rate_hz) // clip.hop_length
    tensors = {
        "text": {
            "token_ids": torch.randint(5, 100, (clip.max_tokens,), generator=generator),
            "token_type_ids": torch.zeros(clip.max_tokens, dtype=torch.int64),
            "utterance_mask": torch.ones(clip.max_tokens, dtype=torch.bool),
        },
        "audio": {"log_mel": torch.randn(clip.n_mels, mel_frames, generator=generator)},
        "video": {"frames": torch.randn(3, clip.frame_count, *[clip.frame_size_px] * 2, generator=generator)},
    }
    noise = ClipInputs(**{name: t for modality in clip.modalities for name, t in tensors[modality].items()})
    labels = torch.arange(batch_size)
    return Batch(collate([noise] * batch_size), labels % len(EMOTIONS), labels % len(SENTIMENTS))


def reckon(recipe: JointRecipe, flops: Mapping[str, float], seconds_per_clip: float) -> dict[str, Any]:
    """How long all the recipe's epochs on MELD take: here by this machine's own steps, on a GPU by its data sheet.

    Clips are taken to be as long as can be, reading them to keep up with the network, and no epoch to be left out by
    early stopping.
    """
    clips = {part: count * recipe.joint.epochs for part, count in MELD_CLIPS.items()}
    operations = sum(flops[part] * count for part, count in clips.items())
    trained = clips["train"] + clips["validation"] * flops["validation"] / flops["train"]
    return {
        "epochs": recipe.joint.epochs,
        "clips": clips,
        "flops": operations,
        "assumed_utilisation": UTILISATION,
        "hours_here": round(trained * seconds_per_clip / 3600, 1),
        "hours_reckoned": {
            n: round(operations / (peak * UTILISATION) / 3600, 2) for n, peak in PEAK_BF16_FLOPS.items()
        },
    }


def _count_flops(network: FusionNetwork, recipe: JointRecipe, accelerator: Accelerator) -> dict[str, float]:
    """Floating-point operations for one clip: forwards and backwards in training, forwards in validation."""
    clips: ClipBatch = make_batch(recipe, 1).clips.to(accelerator.device)
    to_training_mode(network, recipe)
    with FlopCounterMode(display=False) as in_training:
        network(clips).sum().backward()
    network.eval()
    with FlopCounterMode(display=False) as in_validation, torch.no_grad():
        network(clips)
    return {"train": in_training.get_total_flops(), "validation": in_validation.get_total_flops()}


def _peak_bytes(accelerator: Accelerator) -> int:
    if accelerator.device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit_bytes


def main(arguments: list[str] | None = None) -> None:
    """Prints the figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m train.bench_joint", description=__doc__)
    parser.add_argument("--recipe", default="meld", help="a name in train/recipes, or a TOML file (default: meld)")
    parser.add_argument("--batch", type=int, default=2, help="clips at a time (default: 2)")
    parser.add_argument("--steps", type=int, default=2, help="the first ones are slower (default: 2)")
    options = parser.parse_args(arguments)
    recipe = load_recipe(options.recipe)
    if not isinstance(recipe, JointRecipe):
        raise SettingsError(f"The recipe {recipe.name!r} has no [joint] table.")
    print(json.dumps(bench(recipe, options.batch, options.steps), indent=2))


if __name__ == "__main__":
    main()
