"""What is spoken in another language than the network reads: transcribed, translated by Whisper, and said so."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from html import escape
from pathlib import Path

import numpy as np
import pytest
from media_files import write_media
from pympi.Elan import Eaf
from small_parts import require_whisper, save_random_checkpoint, spoken_sound
from timelines import affect, prediction, timeline_of

from sentiment.__main__ import print_timeline
from sentiment.captions import srt, webvtt
from sentiment.checkpoint import load_checkpoint
from sentiment.datatypes import Segment, SegmentPrediction, Timeline
from sentiment.elan import eaf
from sentiment.errors import TranscriptionError
from sentiment.languages import language_name, language_note
from sentiment.media import read_audio
from sentiment.media_datatypes import AudioTrack
from sentiment.pipeline import LoadedModels, analyze_video, load_models
from sentiment.report import html_report
from sentiment.settings import AnalysisSettings
from sentiment.tables import segments_csv
from sentiment.timeline_json import timeline_to_dict
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
    for answered in (happy, morning):
        assert answered.presence == (True, True, False)
        assert set(answered.evidence) == {("text",), ("audio",), ("text", "audio")}


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


# ---------------------------------------------------------------- what is said of it


def test_every_file_but_the_captions_has_both_texts(german: Timeline, tmp_path: Path) -> None:
    happy = german.segments[0].segment
    row = next(csv.DictReader(io.StringIO(segments_csv(german))))
    assert (row["text"], row["translation"]) == (happy.text, happy.translation)
    assert timeline_to_dict(german)["segments"][0]["translation"] == happy.translation
    assert happy.translation not in webvtt(german) + srt(german)
    assert happy.text in webvtt(german)
    report = html_report(german)
    assert f'<span lang="de">{happy.text}</span>' in report
    assert f'<em class="quiet" lang="en">{escape(happy.translation)}</em>' in report
    assert "German words are read through their English translation: nuance is lost." in report
    (tmp_path / "timeline.eaf").write_text(eaf(german))
    tiers = Eaf(tmp_path / "timeline.eaf")
    assert list(tiers.get_tier_names())[:2] == ["words", "translation"]
    assert tiers.get_annotation_data_for_tier("translation")[0][2] == happy.translation


def test_the_command_line_shows_both_texts(german: Timeline, capsys: pytest.CaptureFixture[str]) -> None:
    print_timeline(german)
    printed = capsys.readouterr().out
    happy = german.segments[0].segment
    assert f"{happy.text} [{happy.translation}]" in printed
    assert "nuance is lost" in printed.splitlines()[-1]


def test_a_note_says_how_much_was_read() -> None:
    def note_of(*segments: SegmentPrediction, language: str | None = "de") -> str:
        return language_note(replace(timeline_of(*segments, duration_seconds=4.0), language=language))

    read = prediction(0, 2, "Ich freue mich.", affect("joy", "positive"))
    translated = replace(read, segment=replace(read.segment, translation="I am glad."))
    heard = affect("fear", "negative")
    shown_only = SegmentPrediction(
        Segment(2, 4, "speech", "Warum?"), heard, {("audio",): heard}, presence=(False, True, False)
    )
    assert note_of(read) == ""
    assert note_of(translated).endswith("nuance is lost.")
    assert note_of(translated, shown_only).endswith(
        "In 1 of 2 lines no translation came out; voice and face count there."
    )
    assert "network does not read them" in note_of(shown_only)
    assert note_of(language=None) == ""
    assert (language_name("de"), language_name("xx")) == ("German", "xx")
