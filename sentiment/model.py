"""The network: three encoders, one fusion layer, two heads that answer as one.

    words  --BERT-----------> 128 \\
    sound  --CNN on log-mel-> 128  >  384 --fusion--> 7 emotion logits    \\  one joint over the pairs
    frames --ResNet3D-18----> 128 /                   3 sentiment logits  /  that exist
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from sentiment.clip_datatypes import ClipBatch
from sentiment.labels import EMOTIONS, MODALITIES, PERMITTED_PAIRS, SENTIMENTS
from sentiment.relative_positions import RelativePositions

FEATURE_SIZE = 128
"""Numbers that each encoder gives."""

PAIR_EMOTION = torch.tensor([EMOTIONS.index(emotion) for emotion, _ in PERMITTED_PAIRS])
"""(8,) int64: the emotion of each permitted pair."""
PAIR_SENTIMENT = torch.tensor([SENTIMENTS.index(sentiment) for _, sentiment in PERMITTED_PAIRS])
"""(8,) int64: the sentiment of each permitted pair."""


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What must be known to build the network before its weights are read."""

    bert: Mapping[str, Any] = field(default_factory=dict)
    """The configuration of `transformers.BertConfig`; left out, BERT-base uncased. `relative_position_buckets` besides,
    where attention has a bias for relative positions."""
    audio_channels: tuple[int, ...] = (32, 64, 128, 192)
    """Of the blocks of the spectrogram CNN."""
    speech_state_size: int = 0
    """Numbers in each state of the frozen speech encoder that is read beside the CNN; 0 where there is none."""
    fusion_size: int = 256
    dropout: float = 0.2


class TextEncoder(nn.Module):
    """BERT; the mean of its last layer over the utterance's own tokens."""

    def __init__(self, bert: Mapping[str, Any]) -> None:
        """For `bert` see `NetworkSettings`."""
        super().__init__()
        from transformers import BertConfig, BertModel

        sizes = dict(bert)
        buckets = sizes.pop("relative_position_buckets", 0)
        config = BertConfig(**sizes)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.relative_positions = RelativePositions(buckets, config.num_attention_heads) if buckets else None
        self.project = projection(config.hidden_size)

    def forward(
        self,
        token_ids: torch.Tensor,
        token_type_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        utterance_mask: torch.Tensor,
    ) -> torch.Tensor:
        """(B, 128) from the four (B, L) tensors that `ClipBatch` describes."""
        return self.project(masked_mean(self.steps(token_ids, token_type_ids, attention_mask), utterance_mask))

    def steps(
        self, token_ids: torch.Tensor, token_type_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> torch.Tensor:
        """(B, L, hidden size): the last layer's vector of every token."""
        if self.relative_positions is not None:
            attention_mask = self.relative_positions(attention_mask)
        read = self.bert(input_ids=token_ids, token_type_ids=token_type_ids, attention_mask=attention_mask)
        return read.last_hidden_state


class AudioEncoder(nn.Module):
    """A CNN on the log-mel spectrogram and, where there is one, a reader of a frozen speech encoder's states."""

    def __init__(self, n_mels: int, channels: tuple[int, ...], speech_state_size: int, dropout: float) -> None:
        super().__init__()
        self.spectrogram = SpectrogramCNN(n_mels, channels, dropout)
        self.speech = SpeechReader(speech_state_size, dropout) if speech_state_size else None
        size = self.spectrogram.size + (self.speech.size if self.speech else 0)
        self.project = nn.Sequential(nn.Dropout(dropout), projection(size))

    def forward(
        self,
        log_mel: torch.Tensor,
        mel_lengths: torch.Tensor,
        speech_states: torch.Tensor | None = None,
        speech_lengths: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(B, 128) from log_mel (B, n_mels, F), speech_states (B, state_size, S) and their lengths (B,)."""
        heard = [self.spectrogram(log_mel, mel_lengths)]
        if self.speech is not None:
            heard.append(self.speech(speech_states, speech_lengths))
        return self.project(torch.cat(heard, dim=1))


class SpectrogramCNN(nn.Module):
    """Convolutions over bands and time; mean and maximum over the time in which there is sound."""

    def __init__(self, n_mels: int, channels: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        self.size = 2 * 256
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU())
            for before, after in zip((1, *channels), channels, strict=False)
        )
        self.halve = nn.MaxPool2d(2, ceil_mode=True)
        bands = n_mels
        for _ in channels:
            bands = -(-bands // 2)
        self.mix = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels[-1] * bands, 256), nn.ReLU())

    def forward(self, log_mel: torch.Tensor, mel_lengths: torch.Tensor) -> torch.Tensor:
        """(B, size) from log_mel (B, n_mels, F) and the lengths (B,) in spectrogram frames."""
        steps, lengths = self.steps(log_mel, mel_lengths)
        heard = within_lengths(lengths, steps.shape[1])
        loudest = steps.masked_fill(~heard.unsqueeze(2), 0).amax(dim=1)  # ReLU: nothing lies below 0
        return torch.cat([masked_mean(steps, heard), loudest], dim=1)

    def steps(self, log_mel: torch.Tensor, mel_lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What is heard step by step, (B, steps, 256), and how many steps each clip has, (B,)."""
        maps, lengths = log_mel.unsqueeze(1), mel_lengths
        for block in self.blocks:
            # Norms make something of nothing: what lies beyond a clip's end is silenced again after each block.
            maps = block(maps) * within_lengths(lengths, maps.shape[3])[:, None, None]
            maps, lengths = self.halve(maps), -(-lengths // 2)  # (B, channels, bands, steps)
        return self.mix(maps.permute(0, 3, 1, 2).flatten(2)), lengths


class SpeechReader(nn.Module):
    """Mean and deviation over time of a frozen speech encoder's states."""

    def __init__(self, state_size: int, dropout: float) -> None:
        super().__init__()
        self.size = 256
        self.norm = nn.BatchNorm1d(2 * state_size, affine=False)
        self.mix = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * state_size, self.size), nn.ReLU())

    def forward(self, speech_states: torch.Tensor, speech_lengths: torch.Tensor) -> torch.Tensor:
        """(B, size) from speech_states (B, state_size, S) and the lengths (B,) in steps."""
        states = speech_states.transpose(1, 2)
        heard = within_lengths(speech_lengths, states.shape[1])
        mean = masked_mean(states, heard)
        deviation = (masked_mean((states - mean.unsqueeze(1)) ** 2, heard) + 1e-6).sqrt()
        return self.mix(self.norm(torch.cat([mean, deviation], dim=1)))


class VideoEncoder(nn.Module):
    """torchvision's R3D-18 (Tran et al. 2018). In use it sees each clip and its mirror image, which mean the same."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models.video import r3d_18

        self.r3d = r3d_18(weights=None)
        self.project = projection(self.r3d.fc.in_features)
        self.r3d.fc = nn.Identity()

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """(B, 128) from frames (B, 3, T, H, W)."""
        return self.project(with_mirror_image(self.r3d, frames, self.training))


def with_mirror_image(layers: nn.Module, frames: torch.Tensor, training: bool) -> torch.Tensor:
    """(B, channels) what the layers make of frames (B, 3, T, H, W), averaged with what they make of the mirrored ones.

    In training, where pictures are mirrored at random, once is enough.
    """
    if training:
        return layers(frames)
    return (layers(frames) + layers(frames.flip(-1))) / 2


def encoder_inputs(modality: str, batch: ClipBatch) -> tuple[torch.Tensor, ...]:
    """What that modality's encoder takes: the batch's tensors, rows in which it is absent left out."""
    tensors = {
        "text": (batch.token_ids, batch.token_type_ids, batch.attention_mask, batch.utterance_mask),
        "audio": (batch.log_mel, batch.mel_lengths, batch.speech_states, batch.speech_lengths),
        "video": (batch.frames,),
    }[modality]
    here = batch.presence[:, MODALITIES.index(modality)]
    if not here.any():
        raise ValueError(f"no clip of the batch has {modality}")
    return tuple(tensor[here] for tensor in tensors if tensor is not None)


class JointHead(nn.Module):
    """Two heads whose answers are only ever read together.

    p(emotion, sentiment) is proportional to exp(emotion logit + sentiment logit) over the pairs
    that exist, so joy can never be negative.
    """

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.emotion = nn.Linear(in_features, len(EMOTIONS))
        self.sentiment = nn.Linear(in_features, len(SENTIMENTS))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, 8) logits of the permitted pairs from (B, in_features)."""
        emotion, sentiment = self.emotion(features), self.sentiment(features)
        return emotion[:, PAIR_EMOTION.to(emotion.device)] + sentiment[:, PAIR_SENTIMENT.to(emotion.device)]


class Fusion(nn.Module):
    """Features of whichever modalities there are to logits of the permitted pairs."""

    def __init__(self, fusion_size: int, dropout: float) -> None:
        super().__init__()
        self.absent = nn.Parameter(torch.zeros(len(MODALITIES), FEATURE_SIZE))
        """What stands in for each absent modality: learned, and marked by a presence bit besides."""
        self.layer = nn.Sequential(
            nn.Linear(len(MODALITIES) * FEATURE_SIZE + len(MODALITIES), fusion_size), nn.GELU(), nn.Dropout(dropout)
        )
        self.head = JointHead(fusion_size)

    def forward(self, features: torch.Tensor, presence: torch.Tensor) -> torch.Tensor:
        """(B, 8) logits from features (B, 3, 128) and presence (B, 3) bool."""
        filled = torch.where(presence.unsqueeze(2), features, self.absent)
        return self.head(self.layer(torch.cat([filled.flatten(1), presence.to(filled.dtype)], dim=1)))


class FusionNetwork(nn.Module):
    """The whole network. Encoders run once; the fusion may be asked about any subset of them."""

    def __init__(self, settings: NetworkSettings, n_mels: int, modalities: Sequence[str] = MODALITIES) -> None:
        """`modalities` are those that the network has learned to read; there are encoders for no others."""
        super().__init__()
        self.settings = settings
        self.encoders = nn.ModuleDict({modality: _make_encoder(modality, settings, n_mels) for modality in modalities})
        self.fusion = Fusion(settings.fusion_size, settings.dropout)

    def encode_one(self, modality: str, batch: ClipBatch) -> torch.Tensor:
        """(B', 128) features of the B' clips of the batch that have this modality; there must be one."""
        return self.encoders[modality](*encoder_inputs(modality, batch))

    def encode(self, batch: ClipBatch) -> torch.Tensor:
        """(B, 3, 128) float32 features; zeros where a modality is absent."""
        features = torch.zeros(len(batch), len(MODALITIES), FEATURE_SIZE, device=batch.presence.device)
        for i, modality in enumerate(MODALITIES):
            if batch.presence[:, i].any():
                features[batch.presence[:, i], i] = self.encode_one(modality, batch).float()
        return features

    def forward(self, batch: ClipBatch) -> torch.Tensor:
        """(B, 8) logits of the permitted pairs."""
        return self.fusion(self.encode(batch), batch.presence)


def _make_encoder(modality: str, settings: NetworkSettings, n_mels: int) -> nn.Module:
    if modality == "text":
        return TextEncoder(settings.bert)
    if modality == "audio":
        return AudioEncoder(n_mels, settings.audio_channels, settings.speech_state_size, settings.dropout)
    return VideoEncoder()


def log_marginals(pair_logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities of the emotions (B, 7) and of the sentiments (B, 3) from pair logits (B, 8)."""
    log_joint = pair_logits.float().log_softmax(dim=1)

    def over(pair_label: torch.Tensor, num_labels: int) -> torch.Tensor:
        members = pair_label.to(log_joint.device) == torch.arange(num_labels, device=log_joint.device).unsqueeze(1)
        return log_joint.unsqueeze(1).masked_fill(~members, -torch.inf).logsumexp(dim=2)

    return over(PAIR_EMOTION, len(EMOTIONS)), over(PAIR_SENTIMENT, len(SENTIMENTS))


def projection(in_features: int) -> nn.Module:
    """What ends every encoder: (B, in_features) to its (B, 128)."""
    # The norm gives the three encoders one scale, so that none outshouts the others in the fusion.
    return nn.Sequential(nn.Linear(in_features, FEATURE_SIZE), nn.LayerNorm(FEATURE_SIZE))


def within_lengths(lengths: torch.Tensor, num_steps: int) -> torch.Tensor:
    """(B, num_steps) bool: which steps lie before the end of each clip, lengths (B,)."""
    return torch.arange(num_steps, device=lengths.device) < lengths.unsqueeze(1)


def masked_mean(steps: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(B, channels) mean of (B, steps, channels) over the steps where (B, steps) is True."""
    weights = mask.unsqueeze(2).to(steps.dtype)
    return (steps * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
