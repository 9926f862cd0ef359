"""What is spoken in another language than the network reads: transcribed, translated by Whisper, and said so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from media_files import write_media
from small_parts import require_whisper, save_random_checkpoint, spoken_sound

from sentiment.checkpoint import load_checkpoint
from sentiment.datatypes import AudioTrack, Timeline
from sentiment.errors import TranscriptionError
from sentiment.media import read_audio
from sentiment.pipeline import AnalysisSettings, LoadedModels, analyze_video, load_models
from sentiment.transcription import SAMPLE_RATE_HZ, Transcriber

Speech = Callable[..., Path]

HAPPY = "Ich bin so glücklich, dass du gekommen bist."
MORNING = "Guten Morgen, ich freue mich sehr."
PAUSE_SECONDS = 2.0


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> LoadedModels:
    require_whisper()
    return load_models(save_random_checkpoint(tmp_path_factory.mktemp("languages") / "english"), device="cpu")


@pytest.fixture(scope="module")
def transcriber(models: LoadedModels) -> Transcriber:
    return models.transcriber


@pytest.fixture(scope="module")
def german_file(speech_file: Speech, media_folder: Path) -> Path:
    """Two sentences, a pause after each."""
    sound, rate_hz = spoken_sound([speech_file(HAPPY, "de"), speech_file(MORNING, "de")], PAUSE_SECONDS)
    return write_media(media_folder / "deutsch.wav", sound=sound, audio_codec="pcm_s16le", rate_hz=rate_hz)


@pytest.fixture(scope="module")
def german(german_file: Path, models: LoadedModels) -> Timeline:
    return analyze_video(german_file, models)


# ---------------------------------------------------------------- the translator


def test_each_span_is_translated_by_itself(transcriber: Transcriber, german_file: Path, speech_file: Speech) -> None:
    happy_seconds = read_audio(speech_file(HAPPY, "de")).duration_seconds
    start_seconds = 100.0
    audio = AudioTrack(read_audio(german_file).samples, SAMPLE_RATE_HZ, start_seconds)
    morning_from = start_seconds + happy_seconds + PAUSE_SECONDS
    spans = [
        (start_seconds, start_seconds + happy_seconds),
        (start_seconds + happy_seconds + 0.8, morning_from - 0.8),
        (morning_from, audio.end_seconds - PAUSE_SECONDS),
    ]
    told: list[float] = []
    happy, silence, morning = transcriber.translate(audio, spans, "de", told.append)
    assert "happy" in happy.lower()
    assert silence == ""
    assert morning.startswith("Good morning")
    assert told == sorted(told)
    assert told[0] == start_seconds
    assert len(told) >= 3
    assert transcriber.translate(audio, spans, "de") == (happy, silence, morning)
    assert transcriber.translate(audio, [], "de") == ()


@pytest.mark.parametrize("spans", [[(0.5, 0.5)], [(0.0, 1.0), (0.5, 1.5)], [(-1.0, 1.0)], [(0.0, 3.0)]])
def test_spans_out_of_order_are_refused(transcriber: Transcriber, spans: list[tuple[float, float]]) -> None:
    two_seconds = AudioTrack(np.zeros(2 * SAMPLE_RATE_HZ, np.float32), SAMPLE_RATE_HZ)
    with pytest.raises(ValueError, match=r"ascend within \[0.0, 2.0\) seconds"):
        transcriber.translate(two_seconds, spans, "de")


def test_a_model_that_does_not_translate_says_so(transcriber: Transcriber) -> None:
    silence = AudioTrack(np.zeros(SAMPLE_RATE_HZ, np.float32), SAMPLE_RATE_HZ)
    turbo = replace(transcriber, model_name="turbo", can_translate=False)
    with pytest.raises(TranscriptionError, match="'turbo' does not translate; base, small"):
        turbo.translate(silence, [(0.0, 1.0)], "de")


# ---------------------------------------------------------------- the analysis


def test_words_are_kept_in_their_language_and_read_through_english(german: Timeline) -> None:
    assert german.language == "de"
    happy, morning = [p for p in german.segments if p.segment.kind == "speech"]
    assert "gekommen bist" in happy.segment.text
    assert "happy" in happy.segment.translation.lower()
    assert "Guten Morgen" in morning.segment.text
    assert "Good morning" in morning.segment.translation
    for prediction in (happy, morning):
        assert prediction.presence == (True, True, False)
        assert set(prediction.evidence) == {("text",), ("audio",), ("text", "audio")}


def test_the_translation_is_what_the_network_reads(
    german: Timeline, models: LoadedModels, monkeypatch: pytest.MonkeyPatch, german_file: Path
) -> None:
    def sad(self: Transcriber, audio: AudioTrack, spans: list[object], *_: object) -> tuple[str, ...]:
        return ("I am so sad.",) * len(spans)

    monkeypatch.setattr(Transcriber, "translate", sad)
    other = analyze_video(german_file, models, AnalysisSettings(language="de"))
    assert [p.segment.text for p in other.segments] == [p.segment.text for p in german.segments]
    spoken = [(p, q) for p, q in zip(german.segments, other.segments, strict=True) if p.segment.kind == "speech"]
    for before, after in spoken:
        assert not np.array_equal(before.features[0], after.features[0])
        assert np.array_equal(before.features[1], after.features[1])


def test_without_a_translator_words_are_shown_and_not_read(german_file: Path, models: LoadedModels) -> None:
    turbo = replace(models, transcriber=replace(models.transcriber, can_translate=False))
    timeline = analyze_video(german_file, turbo, AnalysisSettings(language="de"))
    assert "gekommen" in timeline.segments[0].segment.text
    assert {p.segment.translation for p in timeline.segments} == {""}
    assert {p.presence for p in timeline.segments if p.segment.kind == "speech"} == {(False, True, False)}


def test_what_the_network_reads_is_not_translated(
    models: LoadedModels, german_file: Path, german: Timeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> tuple[str, ...]:
        pytest.fail("nothing was to be translated")

    monkeypatch.setattr(Transcriber, "translate", refuse)
    reads_german = load_checkpoint(save_random_checkpoint(tmp_path / "german", languages=("de",)))
    timeline = analyze_video(german_file, replace(models, checkpoint=reads_german))
    assert [p.segment.text for p in timeline.segments] == [p.segment.text for p in german.segments]
    assert {p.segment.translation for p in timeline.segments} == {""}
    assert all(p.presence[0] for p in timeline.segments if p.segment.kind == "speech")
