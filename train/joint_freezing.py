"""How much of each encoder learns in a joint run, and how fast."""

from __future__ import annotations

from typing import Any

from torch import nn

from sentiment.model import AudioEncoder, FusionNetwork
from train.joint_settings import JointRecipe
from train.joint_starts import BACKBONE


def backbone(modality: str, encoder: nn.Module) -> list[nn.Module]:
    """All of an encoder but the projection to 128 numbers."""
    parts = [getattr(encoder, BACKBONE[modality])]
    if isinstance(encoder, AudioEncoder) and encoder.speech is not None:
        parts.append(encoder.speech)
    return parts


def last_stage(modality: str, encoder: nn.Module) -> list[nn.Module]:
    """What "last stage" trains of the backbone."""
    if modality == "text":
        return [encoder.bert.encoder.layer[-1]]
    if modality == "video":
        return [encoder.r3d.layer4]
    speech = [] if encoder.speech is None else [encoder.speech.mix]
    return [encoder.spectrogram.blocks[-1], encoder.spectrogram.mix, *speech]


def freeze(network: FusionNetwork, recipe: JointRecipe) -> None:
    """Takes from the optimiser what the recipe does not train."""
    for modality, settings in recipe.encoders.items():
        encoder = network.encoders[modality]
        for part in backbone(modality, encoder):
            part.requires_grad_(settings.trained == "fine-tuned")
        if settings.trained == "last stage":
            for part in last_stage(modality, encoder):
                part.requires_grad_(True)


def to_training_mode(network: FusionNetwork, recipe: JointRecipe) -> None:
    """Training mode, but for what does not learn: no dropout in frozen parts, and norms as the recipe says."""
    network.train()
    for modality, settings in recipe.encoders.items():
        for part in backbone(modality, network.encoders[modality]):
            for module in part.modules():
                is_frozen_norm = settings.frozen_batch_norm and isinstance(module, nn.modules.batchnorm._BatchNorm)
                parameters = list(module.parameters())
                if is_frozen_norm or (parameters and not any(p.requires_grad for p in parameters)):
                    module.eval()


def parameter_groups(network: FusionNetwork, recipe: JointRecipe) -> list[dict[str, Any]]:
    """Groups for AdamW, each with its "name" and rate; norms and biases are not pulled towards zero."""
    rates = {modality: settings.learning_rate for modality, settings in recipe.encoders.items()}
    members: dict[str, list[nn.Parameter]] = {modality: [] for modality in rates}
    for modality in rates:
        members[modality] = [p for part in backbone(modality, network.encoders[modality]) for p in part.parameters()]
    inside = {id(p) for parameters in members.values() for p in parameters}
    members["head"] = [p for p in network.parameters() if id(p) not in inside]
    rates["head"] = recipe.joint.head_learning_rate
    groups = []
    for name, parameters in members.items():
        trained = [p for p in parameters if p.requires_grad]
        for decay, chosen in (
            (recipe.joint.weight_decay, [p for p in trained if p.ndim > 1]),
            (0.0, [p for p in trained if p.ndim <= 1]),
        ):
            if chosen:
                groups.append({"name": name, "params": chosen, "lr": rates[name], "weight_decay": decay})
    return groups
