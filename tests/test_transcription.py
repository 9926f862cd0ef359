from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from small_parts import require_whisper

from sentiment import whisper_files
from sentiment.errors import TranscriptionError
from sentiment.media import read_audio
from sentiment.media_datatypes import AudioTrack
from sentiment.segmentation import cut_segments
from sentiment.transcription import (
    LIKELY_LOGPROB,
    MAX_COMPRESSION_RATIO,
    MAX_NO_SPEECH_PROBABILITY,
    MIN_AVERAGE_LOGPROB,
    SAMPLE_RATE_HZ,
    Transcriber,
    Transcript,
    _is_speech,
    load_transcriber,
)
from sentiment.whisper_files import OFFLINE_PACKAGES, find_whisper_files
from sentiment.word_pieces import join_pieces
from sentiment.words import MIN_WORD_SECONDS, join_words, separate_spans

Speech = Callable[..., Path]


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    require_whisper()
    return load_transcriber(device="cpu")


def sound(samples: np.ndarray, start_seconds: float = 0.0) -> AudioTrack:
    return AudioTrack(samples.astype(np.float32), SAMPLE_RATE_HZ, start_seconds)


def quiet(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * SAMPLE_RATE_HZ), np.float32)


def text_of(transcript: Transcript) -> str:
    return join_words(word.text for word in transcript.words)


# ---------------------------------------------------------------- real speech


def test_english_speech(transcriber: Transcriber, speech_file: Speech) -> None:
    track = read_audio(speech_file("I am so happy to see you today. This is wonderful news!"))
    transcript = transcriber.transcribe(track)
    assert transcript.language == "en"
    assert transcript.language_probability > 0.5
    heard = text_of(transcript).lower()
    assert "so happy to see you today." in heard
    assert "wonderful news" in heard
    assert all(0 <= word.probability <= 1 for word in transcript.words)


def test_word_times_ascend_inside_of_the_sound_at_times_of_the_file(
    transcriber: Transcriber, speech_file: Speech
) -> None:
    track = read_audio(speech_file("Why did you do that? I hate it. No. Go away."))
    late = AudioTrack(track.samples, track.sample_rate_hz, start_seconds=100.0)
    words = transcriber.transcribe(late).words
    assert len(words) >= 9
    assert words[0].start_seconds >= 100.0
    assert words[-1].end_seconds <= late.end_seconds
    assert all(word.start_seconds < word.end_seconds for word in words)
    assert all(a.end_seconds <= b.start_seconds for a, b in pairwise(words))


def test_a_silence_between_two_sentences_is_found_where_it_is(transcriber: Transcriber, speech_file: Speech) -> None:
    first = read_audio(speech_file("I have never been so happy.")).samples
    second = read_audio(speech_file("Leave me alone right now.", "en-gb")).samples
    track = sound(np.concatenate([first, quiet(4.0), second]))
    segments = cut_segments(transcriber.transcribe(track).words, 0.0, track.duration_seconds)
    assert [s.kind for s in segments] == ["speech", "silent", "speech"]
    silent = segments[1]
    silence_starts = len(first) / SAMPLE_RATE_HZ
    assert silent.start_seconds == pytest.approx(silence_starts, abs=0.6)
    assert silent.end_seconds == pytest.approx(silence_starts + 4.0, abs=0.6)


def test_another_language_is_detected_and_may_be_named(transcriber: Transcriber, speech_file: Speech) -> None:
    track = read_audio(speech_file("Guten Morgen, ich freue mich sehr, dass du heute gekommen bist.", "de"))
    detected = transcriber.transcribe(track)
    assert detected.language == "de"
    assert "Guten Morgen" in text_of(detected)
    named = transcriber.transcribe(track, language=" DE ")
    assert (named.language, named.language_probability) == ("de", 1.0)


def test_threads_may_share_it_and_results_repeat(transcriber: Transcriber, speech_file: Speech) -> None:
    tracks = [read_audio(speech_file(text)) for text in ("The weather is fine today.", "I do not believe you.")]
    alone = [transcriber.transcribe(track) for track in tracks]
    assert alone[0].words
    assert alone[0].words != alone[1].words
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(transcriber.transcribe, tracks)) == alone


def test_what_is_heard_is_told_while_it_is_heard(transcriber: Transcriber, speech_file: Speech) -> None:
    track = read_audio(speech_file("I am so happy to see you today. This is wonderful news! Come in and sit down."))
    late = AudioTrack(track.samples, track.sample_rate_hz, start_seconds=100.0)
    told: list[float] = []
    heard = transcriber.transcribe(late, "en", told.append)
    assert heard == transcriber.transcribe(late, "en")
    assert len(told) >= 2
    assert told == sorted(told)
    assert told[0] == 100.0 < told[-1] <= late.end_seconds


class CancelledError(Exception):
    pass


def cancel(_: float) -> None:
    raise CancelledError


def test_who_is_told_may_end_the_hearing(transcriber: Transcriber, speech_file: Speech) -> None:
    track = read_audio(speech_file("I am so happy to see you today."))
    with pytest.raises(CancelledError):
        transcriber.transcribe(track, "en", cancel)
    with pytest.raises(CancelledError):
        transcriber.translate(track, [(0.0, track.duration_seconds)], "en", cancel)


# ---------------------------------------------------------------- what is no speech


def melody(seconds: int = 8) -> np.ndarray:
    """Plucked notes with overtones."""
    rng = np.random.default_rng(0)
    times = np.arange(seconds * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    samples = np.zeros_like(times)
    for start in np.arange(0, seconds, 0.5):
        note = (times >= start) & (times < start + 0.5)
        pitch_hz = 220 * 2 ** (rng.integers(0, 12) / 12)
        for overtone in range(1, 9):
            fading = np.exp(-3 * (times[note] - start)) / overtone
            samples[note] += fading * np.sin(2 * np.pi * pitch_hz * overtone * times[note])
    return samples / np.abs(samples).max() * 0.5


def hum(seconds: int = 8) -> np.ndarray:
    rng = np.random.default_rng(1)
    times = np.arange(seconds * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    return 0.3 * np.sin(2 * np.pi * 50 * times) + 0.02 * rng.standard_normal(len(times))


NO_SPEECH: dict[str, Callable[[], np.ndarray]] = {
    "nothing": lambda: quiet(0.0),
    "an instant": lambda: quiet(0.005),
    "silence": lambda: quiet(8.0),
    "noise": lambda: 0.1 * np.random.default_rng(0).standard_normal(8 * SAMPLE_RATE_HZ),
    "loud noise": lambda: np.random.default_rng(0).uniform(-1, 1, 8 * SAMPLE_RATE_HZ),
    "hum": hum,
    "melody": melody,
}


@pytest.mark.parametrize("name", NO_SPEECH)
def test_what_is_no_speech_gives_no_words_and_no_language(transcriber: Transcriber, name: str) -> None:
    assert transcriber.transcribe(sound(NO_SPEECH[name]())) == Transcript()


def test_silence_has_the_language_that_was_asked_for_or_none(transcriber: Transcriber) -> None:
    assert transcriber.transcribe(sound(quiet(2.0))) == Transcript((), None, 0.0)
    assert transcriber.transcribe(sound(quiet(2.0)), "fr") == Transcript((), "fr", 1.0)


@pytest.mark.parametrize(
    ("compression_ratio", "avg_logprob", "no_speech_prob", "is_speech"),
    [
        (0.8, -0.3, 0.02, True),
        (0.8, LIKELY_LOGPROB + 0.1, 0.9, True),
        (0.8, LIKELY_LOGPROB - 0.1, MAX_NO_SPEECH_PROBABILITY + 0.01, False),
        (0.8, LIKELY_LOGPROB - 0.1, MAX_NO_SPEECH_PROBABILITY - 0.01, True),
        (0.8, MIN_AVERAGE_LOGPROB - 0.1, 0.02, False),
        (MAX_COMPRESSION_RATIO + 0.1, -0.1, 0.02, False),
    ],
)
def test_the_no_speech_gate(
    compression_ratio: float, avg_logprob: float, no_speech_prob: float, is_speech: bool
) -> None:
    segment = SimpleNamespace(
        compression_ratio=compression_ratio, avg_logprob=avg_logprob, no_speech_prob=no_speech_prob
    )
    assert _is_speech(segment) is is_speech


# ---------------------------------------------------------------- refusals


def test_an_unknown_language_is_refused(transcriber: Transcriber) -> None:
    with pytest.raises(TranscriptionError, match=r"does not know the language 'klingon'.* such as en, de"):
        transcriber.transcribe(sound(quiet(1.0)), "klingon")


def test_another_sample_rate_is_refused(transcriber: Transcriber) -> None:
    with pytest.raises(ValueError, match="16000 Hz, got 44100 Hz"):
        transcriber.transcribe(AudioTrack(quiet(1.0), 44_100))


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(TranscriptionError, match=r"'tpu'.*auto, cpu, cuda"):
        load_transcriber(device="tpu")


def test_where_cuda_does_not_work_the_cpu_does_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    import ctranslate2

    require_whisper()
    if ctranslate2.get_cuda_device_count():
        pytest.skip("a CUDA device is there, and may work")
    with caplog.at_level(logging.WARNING):
        transcriber = load_transcriber(device="cuda")
    assert (transcriber.device, transcriber.compute_type) == ("cpu", "int8")
    assert "Whisper runs on the CPU, because CUDA does not work for it" in caplog.text


# ---------------------------------------------------------------- the model's files


@pytest.fixture()
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "video-sentiment"


def test_several_processes_may_join_the_weights_at_once(cache: Path) -> None:
    require_whisper()
    code = "from sentiment.whisper_files import find_whisper_files as find; print(find('base').folder)"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ)
        for _ in range(3)
    ]
    folders = {process.communicate(timeout=120)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    (folder,) = folders
    assert Path(folder).parent == cache
    names = sorted(path.name for path in Path(folder).iterdir())
    assert names == ["config.json", "model.bin", "tokenizer.json", "vocabulary.json"]


def test_damaged_weights_in_the_cache_are_mended(cache: Path) -> None:
    require_whisper()
    weights = find_whisper_files("base").folder / "model.bin"
    whole = weights.stat()
    find_whisper_files("base")
    assert weights.stat().st_mtime_ns == whole.st_mtime_ns, "whole weights are left alone"
    with weights.open("r+b") as stream:
        stream.write(b"oops")
    assert find_whisper_files("base").source == "installed package"
    assert weights.read_bytes()[:4] != b"oops"


def test_damaged_packages_are_refused_and_leave_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_whisper()
    monkeypatch.setattr(whisper_files, "OFFLINE_SHA256", "0" * 64)
    with pytest.raises(TranscriptionError, match=r"are damaged .*pip install --force-reinstall"):
        find_whisper_files("base")
    assert not [path.name for path in cache.rglob("*") if "model" in path.name]


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_whisper()
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(TranscriptionError, match=r"cannot be written to .*XDG_CACHE_HOME"):
        find_whisper_files("base")


def test_a_folder_is_a_model(transcriber: Transcriber, tmp_path: Path) -> None:
    folder = find_whisper_files("base").folder
    assert find_whisper_files(str(folder)).source == "folder"
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(TranscriptionError, match=r"lacks model\.bin$"):
        load_transcriber(str(tmp_path))
    (tmp_path / "model.bin").write_bytes(b"no weights at all")
    with pytest.raises(TranscriptionError, match="cannot be read"):
        load_transcriber(str(tmp_path), device="cpu")


def test_an_unknown_name_is_refused_without_asking_the_hub() -> None:
    with pytest.raises(TranscriptionError, match=r"'huge'.*tiny.*large-v3-turbo"):
        find_whisper_files("huge")
    with pytest.raises(TranscriptionError, match="no Whisper model or folder"):
        find_whisper_files("./no/such/folder")


@pytest.mark.parametrize(
    ("model", "advice"), [("base", "pip install -r requirements-offline.txt"), ("tiny", "take Whisper 'base'")]
)
def test_without_packages_and_internet_it_says_what_to_do(tmp_path: Path, model: str, advice: str) -> None:
    """In a process of its own, for which the hub is a port where nobody listens."""
    code = f"""
import logging, sys
from sentiment import whisper_files
from sentiment.errors import TranscriptionError
logging.basicConfig(format="%(message)s", stream=sys.stderr)
whisper_files.OFFLINE_PACKAGES = ("no_such_package_1", "no_such_package_2")
try:
    whisper_files.find_whisper_files({model!r})
except TranscriptionError as error:
    print("REFUSED", error, file=sys.stderr)
"""
    environment = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120, check=True
    )
    notice, *_, refusal = done.stderr.strip().splitlines()
    assert notice == f"Whisper {model} is not on this machine: it is now downloaded from the Hugging Face hub"
    assert refusal.startswith(f"REFUSED Whisper '{model}' could not be downloaded")
    assert advice in refusal
    assert "folder with a CTranslate2 model" in refusal
    assert done.stdout == ""


def test_nothing_is_printed_to_stdout(capfd: pytest.CaptureFixture[str], speech_file: Speech) -> None:
    require_whisper()
    assert load_transcriber(device="cpu").transcribe(read_audio(speech_file("Good evening."))).words
    assert capfd.readouterr().out == ""


def test_the_packages_are_those_of_the_offline_requirements() -> None:
    lines = (Path(__file__).parent.parent / "requirements-offline.txt").read_text().splitlines()
    named = {line.split("==")[0].strip().replace("-", "_") for line in lines}
    assert set(OFFLINE_PACKAGES) <= named


# ---------------------------------------------------------------- from pieces to words


def pieces(*texts: str) -> list[SimpleNamespace]:
    return [SimpleNamespace(word=t, start=i * 0.2, end=i * 0.2 + 0.2, probability=0.9) for i, t in enumerate(texts)]


@pytest.mark.parametrize(
    ("heard", "words"),
    [
        ((" It", " costs", " 3", ".5", " dollars."), ["It", "costs", "3.5", "dollars."]),
        ((" a", " well", "-known", " fact"), ["a", "well-known", "fact"]),
        ((" ...", " yes", " ♪"), ["yes"]),
        ((" ", " "), []),
        (("今日", "は", "天気", "。"), ["今日", "は", "天気。"]),
        (("ก", "ิ", "น"), ["กิ", "น"]),
        (("我", "用", "Chat", "G", "PT", " Plus"), ["我", "用", "ChatGPT", "Plus"]),
    ],
)
def test_pieces_become_whole_words(heard: tuple[str, ...], words: list[str]) -> None:
    assert [word.text for word in join_pieces(pieces(*heard))] == words


def test_a_joined_word_spans_its_pieces_and_is_as_sure_as_the_least() -> None:
    first, second = pieces(" 3", ".5")
    second.probability = 0.4
    (word,) = join_pieces([first, second])
    assert (word.start_seconds, word.end_seconds, word.probability) == (0.0, 0.4, 0.4)


def test_join_words() -> None:
    assert join_words(["It", "is", "3.5."]) == "It is 3.5."
    assert join_words(["今日は", "いい", "天気。"]) == "今日はいい天気。"
    assert join_words(["안녕하세요", "여러분"]) == "안녕하세요 여러분"
    assert join_words([]) == ""


@pytest.mark.parametrize("seed", range(100))
def test_spans_are_separated(seed: int) -> None:
    rng = random.Random(seed)
    low = rng.uniform(0, 100)
    high = low + rng.choice([0.1, 1.0, 30.0])
    spans = []
    for _ in range(rng.randint(0, 40)):
        start = rng.uniform(low - 0.2, high + 0.2)
        spans.append((start, start + rng.choice([-0.1, 0.0, 0.0, 0.3])))
    if rng.random() < 0.7:
        spans.sort()
    mended = separate_spans(spans, low, high)
    assert len(mended) == len(spans)
    edges = [low, *(edge for span in mended for edge in span), high]
    assert edges == sorted(edges)
    assert all(start < end for start, end in mended)


def test_spans_that_are_in_order_stay_as_they_are() -> None:
    spans = [(1.0, 1.5), (1.5, 1.6), (2.0, 4.0)]
    assert separate_spans(spans, 0.0, 4.0) == spans
    stretched = separate_spans([(1.0, 1.0), (1.0, 1.0), (1.5, 2.0)], 0.0, 4.0)
    step = MIN_WORD_SECONDS
    assert np.array(stretched) == pytest.approx(np.array([(1.0, 1 + step), (1 + step, 1 + 2 * step), (1.5, 2.0)]))
