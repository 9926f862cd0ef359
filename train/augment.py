"""Random changes that leave an example's label alone. All take a generator, so a seed repeats them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from sentiment.media_datatypes import AudioTrack

_FACE_TURN_DEGREES, _FACE_SHIFT, _FACE_ZOOM = 15.0, 0.1, 0.15
"""Largest turn; largest shift in halves of the picture; largest relative zoom."""
_DRIFT = 0.35
"""How far, relative to the above, a pseudo-clip moves from its first frame to its last."""


def pseudo_clips(stills: torch.Tensor, num_frames: int, generator: torch.Generator) -> torch.Tensor:
    """(B, 3, num_frames, H, W) clips that turn, drift, zoom, flicker and flip, from stills (B, 3, 1, H, W).

    With num_frames = 1 this is plain augmentation of pictures.
    """
    count, channels, _, height, width = stills.shape

    def drifting(largest: float) -> torch.Tensor:
        """(B, num_frames): a value for each clip that moves a little over time."""
        start = (torch.rand(count, 1, generator=generator) * 2 - 1) * largest
        drift = (torch.rand(count, 1, generator=generator) * 2 - 1) * largest * _DRIFT
        return start + drift * torch.linspace(0, 1, num_frames)

    angle = drifting(math.radians(_FACE_TURN_DEGREES))
    scale = 1 + drifting(_FACE_ZOOM)
    mirror = torch.where(torch.rand(count, 1, generator=generator) < 0.5, -1.0, 1.0)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    first_row = torch.stack([cos * mirror, -sin, drifting(_FACE_SHIFT)], dim=-1)
    second_row = torch.stack([sin * mirror, cos, drifting(_FACE_SHIFT)], dim=-1)
    affine = torch.stack([first_row, second_row], dim=-2).flatten(0, 1)  # (B * num_frames, 2, 3)
    grid = F.affine_grid(affine, [count * num_frames, channels, height, width], align_corners=False)
    repeated = stills.squeeze(2).repeat_interleave(num_frames, dim=0)
    moved = F.grid_sample(repeated, grid, padding_mode="border", align_corners=False)
    moved = moved.view(count, num_frames, channels, height, width).transpose(1, 2)
    contrast = (1 + drifting(0.2)).view(count, 1, num_frames, 1, 1)
    light = drifting(0.3).view(count, 1, num_frames, 1, 1)
    return erase_boxes(moved * contrast + light, generator)


def erase_boxes(clips: torch.Tensor, generator: torch.Generator, share: float = 0.25) -> torch.Tensor:
    """Covers a random rectangle of a share of the clips (B, 3, T, H, W), as a hand or a microphone would."""
    count, _, _, height, width = clips.shape
    size = torch.rand(count, 2, generator=generator) * 0.3 + 0.1
    corner = torch.rand(count, 2, generator=generator) * (1 - size)
    rows, columns = torch.arange(height) / height, torch.arange(width) / width
    in_rows = (rows >= corner[:, :1]) & (rows < (corner + size)[:, :1])
    in_columns = (columns >= corner[:, 1:]) & (columns < (corner + size)[:, 1:])
    chosen = torch.rand(count, 1, 1, generator=generator) < share
    covered = in_rows.unsqueeze(2) & in_columns.unsqueeze(1) & chosen  # (B, H, W)
    return clips.masked_fill(covered[:, None, None], 0.0)


def roughen_sound(audio: AudioTrack, generator: np.random.Generator) -> AudioTrack:
    """Another speed, a part of the recording, a small room's echo and noise: kitchens instead of studios."""
    samples = audio.samples
    speed = generator.uniform(0.88, 1.14)
    positions = np.arange(0, len(samples) - 1, speed)
    samples = np.interp(positions, np.arange(len(samples)), samples)
    kept = round(len(samples) * generator.uniform(0.75, 1.0))
    first = generator.integers(0, len(samples) - kept + 1)
    samples = samples[first : first + kept]
    if generator.random() < 0.3:
        echo_seconds = generator.uniform(0.02, 0.3)
        length = round(echo_seconds * audio.sample_rate_hz)
        tail = generator.standard_normal(length) * np.exp(-5 * np.arange(length) / length)
        samples = samples + generator.uniform(0.05, 0.3) * _convolve(samples, tail / np.linalg.norm(tail))
    if generator.random() < 0.6:
        noise = generator.standard_normal(len(samples))
        if generator.random() < 0.5:  # brown rather than white: hum and traffic
            noise = np.cumsum(noise)
            noise -= np.linspace(noise[0], noise[-1], len(noise))
        loudness_db = -generator.uniform(8, 40)
        noise *= np.std(samples) / max(np.std(noise), 1e-9) * 10 ** (loudness_db / 20)
        samples = samples + noise
    return AudioTrack(np.clip(samples, -1, 1).astype(np.float32), audio.sample_rate_hz)


def _convolve(samples: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    length = len(samples) + len(kernel) - 1
    return np.fft.irfft(np.fft.rfft(samples, length) * np.fft.rfft(kernel, length), length)[: len(samples)]


def forget_context(context: Sequence[str], generator: np.random.Generator) -> tuple[str, ...]:
    """The latest few of the earlier utterances, any number from none to all: a video may begin anywhere."""
    kept = int(generator.integers(0, len(context) + 1))
    return tuple(context[len(context) - kept :])


def forget_following(following: Sequence[str], generator: np.random.Generator) -> tuple[str, ...]:
    """The next few of the later utterances, any number from none to all: it may also end anywhere."""
    return tuple(following[: int(generator.integers(0, len(following) + 1))])


def flatten_punctuation(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines as recognisers write a voice that they hear no feeling in: "?!" becomes "?",
    "!" and "..." become full stops, dashes commas. Screenwriters and commenters shout on paper; Whisper seldom does.
    """
    return tuple(_PAUSE.sub(", ", _END_PAUSE.sub(".", _SHOUT.sub(".", _ASK.sub("?", line)))) for line in lines)


_ASK = re.compile(r"!*\?[!?]*")
_SHOUT = re.compile(r"!+")
_END_PAUSE = re.compile(r"\s*(?:\.{2,}|…|--+|[—–-])$")
_PAUSE = re.compile(r"\s*(?:\.{2,}|…|--+|[—–])\s*")


def mask_spectrogram(log_mel: torch.Tensor, generator: np.random.Generator) -> torch.Tensor:
    """SpecAugment (Park et al. 2019): two bands and two moments of (n_mels, mel_frames) set to the mean."""
    log_mel = log_mel.clone()
    n_mels, mel_frames = log_mel.shape
    for _ in range(2):
        height = int(generator.integers(0, 12))
        top = int(generator.integers(0, n_mels - height))
        log_mel[top : top + height] = 0
        width = int(generator.integers(0, min(30, mel_frames // 4) + 1))
        left = int(generator.integers(0, mel_frames - width + 1))
        log_mel[:, left : left + width] = 0
    return log_mel
