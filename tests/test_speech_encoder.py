"""The first layers of a real Whisper's encoder."""

from __future__ import annotations

from pathlib import Path

import ctranslate2
import numpy as np
import pytest

from sentiment.errors import TranscriptionError
from sentiment.speech_encoder import WhisperEncoder, first_layers, load_whisper_encoder
from sentiment.whisper_files import find_whisper_files


@pytest.fixture(scope="module")
def encoder() -> WhisperEncoder:
    return load_whisper_encoder("base", 3)


def random_log_mel(num_frames: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-8, 0, (num_frames, 80)).astype(np.float32).T


def test_it_gives_fifty_states_a_second_and_a_second_around(encoder: WhisperEncoder) -> None:
    for num_frames in (1, 99, 400, 1001):
        states = encoder.encode(random_log_mel(num_frames))
        assert states.shape == (512, 100 + (num_frames + 1) // 2) and states.dtype == np.float32
        assert np.isfinite(states).all()
        assert np.array_equal(states, encoder.encode(random_log_mel(num_frames)))


def test_all_layers_of_the_cut_model_say_what_the_whole_model_says() -> None:
    folder = find_whisper_files("base").folder
    whole = WhisperEncoder(ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="float32"))
    log_mel = random_log_mel(300)
    assert np.array_equal(load_whisper_encoder("base", 6).encode(log_mel), whole.encode(log_mel))


def test_fewer_layers_say_something_else_and_weigh_less(encoder: WhisperEncoder) -> None:
    log_mel = random_log_mel(300)
    assert not np.allclose(encoder.encode(log_mel), load_whisper_encoder("base", 4).encode(log_mel), atol=0.1)
    with (find_whisper_files("base").folder / "model.bin").open("rb") as file:
        assert len(first_layers(file, 3)) < 35e6


@pytest.mark.parametrize("num_layers", [0, 7])
def test_as_many_layers_must_be_there(num_layers: int) -> None:
    with pytest.raises(TranscriptionError, match=f"its encoder has 6 layers; {num_layers} of them are asked for"):
        load_whisper_encoder("base", num_layers)


@pytest.mark.parametrize("content", [b"", b"PK", b"\x06\0\0\0\x05\0Other", b"\x09\0\0\0\x0c\0WhisperSpec\0"])
def test_another_file_is_refused_in_a_sentence(content: bytes, tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(TranscriptionError, match=r"the encoder of the Whisper model in .* cannot be read"):
        load_whisper_encoder(str(tmp_path), 3)


def test_a_file_that_breaks_off_is_refused(tmp_path: Path) -> None:
    whole = find_whisper_files("base").folder
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    content = (whole / "model.bin").read_bytes()
    (tmp_path / "model.bin").write_bytes(content[: len(content) // 2])
    with pytest.raises(TranscriptionError, match="cannot be read"):
        load_whisper_encoder(str(tmp_path), 3)
