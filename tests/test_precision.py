"""The numbers that encoders compute in: chosen by what the processor has and by the clock, never assumed."""

from __future__ import annotations

import time

import pytest
import torch
from small_parts import save_random_checkpoint
from torch import nn

from sentiment.checkpoint import load_checkpoint
from sentiment.errors import SettingsError
from sentiment.precision import PLAIN, VARIABLE, Precision, choose_precision

CPU = torch.device("cpu")
CLIP = (3, 2, 8, 8)


@pytest.fixture(autouse=True)
def nothing_is_chosen_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)


class Sleeper(nn.Module):
    """Takes as long as it is told in each format."""

    def __init__(self, plain_seconds: float, reduced_seconds: float) -> None:
        super().__init__()
        self.seconds = {False: plain_seconds, True: reduced_seconds}
        self.runs = 0

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        self.runs += 1
        time.sleep(self.seconds[torch.is_autocast_enabled("cpu")])
        return clips


def test_a_processor_without_bfloat16_is_not_even_measured() -> None:
    encoder = Sleeper(0.1, 0.0)
    precision = choose_precision(encoder, CLIP, CPU, lambda: {"avx2": True, "avx512_bf16": False})
    assert precision.number_format == "float32" and encoder.runs == 0
    assert "no bfloat16" in precision.reason


@pytest.mark.parametrize(("reduced_seconds", "chosen"), [(0.002, "bfloat16"), (0.06, "float32")])
def test_bfloat16_is_taken_only_where_it_pays(reduced_seconds: float, chosen: str) -> None:
    precision = choose_precision(Sleeper(0.03, reduced_seconds), CLIP, CPU, lambda: {"avx512_bf16": True})
    assert precision.number_format == chosen and precision.reason.startswith("measured: ")


@pytest.mark.parametrize("number_format", ["float32", "bfloat16"])
def test_what_the_environment_names_is_taken_unmeasured(number_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, number_format)
    encoder = Sleeper(0.1, 0.0)
    precision = choose_precision(encoder, CLIP, CPU, lambda: {"avx512_bf16": True})
    assert precision == Precision(number_format, f"chosen: {VARIABLE}") and encoder.runs == 0


def test_a_format_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "float8")
    with pytest.raises(SettingsError, match=r"float8.*float32 or bfloat16"):
        choose_precision(None, CLIP, CPU)


def test_two_measurements_alike_say_the_same() -> None:
    gains = (choose_precision(Sleeper(s, 0.002), CLIP, CPU, lambda: {"amx_bf16": True}) for s in (0.02, 0.04))
    assert len(set(gains)) == 1


def test_where_no_faces_are_read_there_is_nothing_to_measure() -> None:
    assert choose_precision(None, CLIP, CPU, lambda: {"amx_bf16": True}).number_format == "float32"


def test_cuda_takes_half_precision() -> None:
    assert choose_precision(None, CLIP, torch.device("cuda")).number_format == "float16"


@pytest.mark.parametrize(("number_format", "product"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_encoders_multiply_in_the_chosen_format(number_format: str, product: torch.dtype) -> None:
    with Precision(number_format, "for this test").autocast(CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == product


def test_a_checkpoint_is_loaded_with_the_precision_of_this_machine(tmp_path) -> None:
    checkpoint = load_checkpoint(save_random_checkpoint(tmp_path / "random"))
    assert checkpoint.precision != PLAIN and checkpoint.precision.reason
