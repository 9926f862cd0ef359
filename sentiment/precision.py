"""In which numbers the encoders compute: chosen once, when they are loaded, by what the processor has and by the clock.

Half as many bits are twice as fast where the processor multiplies them itself. Where it does not, they are emulated,
and many times slower: so they are taken only where they have shown to pay, on the machine that runs. Who wants the very
digits of another machine names its format in the variable VIDEO_SENTIMENT_PRECISION.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import nn

from sentiment.errors import SettingsError

logger = logging.getLogger(__name__)

NumberFormat = Literal["float32", "bfloat16", "float16"]

VARIABLE: Final = "VIDEO_SENTIMENT_PRECISION"
"""Of the environment: float32 or bfloat16, for processors. It stands above the clock."""

FAST_BF16: Final = ("avx512_bf16", "amx_bf16", "bf16")
"""PyTorch's names of what multiplies bfloat16 in hardware: AVX-512, AMX, and ARM's extension."""

MIN_GAIN: Final = 1.3
"""How many times faster bfloat16 must be to be worth its three digits."""

TRIALS: Final = 3


@dataclass(frozen=True, slots=True)
class Precision:
    """How encoders are run."""

    number_format: NumberFormat
    reason: str
    """Why this one, in a few words; it goes into the provenance of results."""

    def autocast(self, device: torch.device) -> torch.autocast:
        """Within this, matrices and kernels are multiplied in the chosen format."""
        is_reduced = self.number_format != "float32"
        return torch.autocast(
            device.type, dtype=getattr(torch, self.number_format) if is_reduced else None, enabled=is_reduced
        )


PLAIN: Final = Precision("float32", "not chosen: the plain one")


def hardware_bfloat16(capabilities: Callable[[], object] = torch.cpu.get_capabilities) -> list[str]:
    """PyTorch's names of what this processor multiplies bfloat16 with; none where that would be emulated."""
    has = dict(capabilities())  # type: ignore[call-overload]
    return [name for name in FAST_BF16 if has.get(name)]


def choose_precision(
    encoder: nn.Module | None,
    clip_shape: tuple[int, ...],
    device: torch.device,
    capabilities: Callable[[], object] = torch.cpu.get_capabilities,
) -> Precision:
    """What pays on this device for the encoder that takes the longest, from a few clips of (3, T, H, W).

    `encoder` takes (B, 3, T, H, W) and is what the choice is measured on; None where the network reads no faces.
    Only processors that multiply bfloat16 themselves are measured, which takes a second, and only where the
    environment's VIDEO_SENTIMENT_PRECISION names none. Raises SettingsError where it names another than float32 or
    bfloat16.
    """
    if device.type == "cuda":
        return Precision("float16", "CUDA")
    match os.environ.get(VARIABLE):
        case ("float32" | "bfloat16") as number_format:
            return Precision(number_format, f"chosen: {VARIABLE}")
        case str(other) if other:
            raise SettingsError(f"{VARIABLE} is {other!r}; it can be float32 or bfloat16.")
    fast = hardware_bfloat16(capabilities)
    if not fast:
        return Precision("float32", "the processor has no bfloat16")
    if encoder is None:
        return Precision("float32", "nothing to gain: no faces are read")
    clips = torch.zeros(2, *clip_shape, device=device)
    reduced = Precision("bfloat16", "")
    plain_seconds, reduced_seconds = _fastest(encoder, clips, (PLAIN, reduced))
    gain = plain_seconds / reduced_seconds
    logger.info("bfloat16 (%s) is %.1f times as fast as float32 here", ", ".join(fast), gain)
    pays = gain >= MIN_GAIN
    # Without the number, which is another one each time: two analyses alike should say the same.
    by_how_much = f"{'at least' if pays else 'less than'} {MIN_GAIN} times as fast as float32"
    reason = f"measured: bfloat16 ({', '.join(fast)}) is {by_how_much}"
    return Precision("bfloat16" if pays else "float32", reason)


@torch.inference_mode()
def _fastest(encoder: nn.Module, clips: torch.Tensor, precisions: Sequence[Precision]) -> list[float]:
    """Seconds that the encoder takes for the clips in each: the fastest of some trials, after one that does not count.

    In turns, so that whatever else the machine does for a while slows all of them.
    """
    seconds: list[list[float]] = [[] for _ in precisions]
    for _ in range(1 + TRIALS):
        for precision, found in zip(precisions, seconds, strict=True):
            started = time.perf_counter()
            with precision.autocast(clips.device):
                encoder(clips)
            found.append(time.perf_counter() - started)
    return [min(found[1:]) for found in seconds]
