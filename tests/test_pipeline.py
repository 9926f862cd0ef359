"""The whole path on real parts, but for the weights, which are random: what is answered is no matter here."""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from media_files import silence, write_media
from skimage import data
from small_parts import require_whisper, save_random_checkpoint, spoken_sound, write_picture_video

import sentiment
from sentiment import hub, pipeline
from sentiment.checkpoint import load_checkpoint
from sentiment.datatypes import Timeline
from sentiment.errors import CheckpointError, MediaError, SettingsError, TranscriptionError
from sentiment.media_datatypes import VideoFrame
from sentiment.pipeline import LoadedModels, analyze_video, load_models, stream_analysis
from sentiment.settings import AnalysisSettings

ENGLISH = AnalysisSettings(language="en")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pipeline")


@pytest.fixture(scope="module")
def models(folder: Path) -> LoadedModels:
    require_whisper()
    return load_models(save_random_checkpoint(folder / "faces"), device="cpu")


@pytest.fixture(scope="module")
def sound(speech_file: Callable[[str], Path]) -> tuple[np.ndarray, int]:
    """Two sentences, a pause after each."""
    lines = ("I am so happy that you came tonight.", "The meeting starts at nine in the morning.")
    return spoken_sound([speech_file(line) for line in lines], pause_seconds=1.2)


@pytest.fixture(scope="module")
def spoken(folder: Path, sound: tuple[np.ndarray, int]) -> Path:
    samples, rate_hz = sound
    return write_media(folder / "spoken.wav", sound=samples, audio_codec="pcm_s16le", rate_hz=rate_hz)


@pytest.fixture(scope="module")
def talk(folder: Path, sound: tuple[np.ndarray, int]) -> Path:
    """A face that talks, and looks on in silence for six seconds."""
    samples, rate_hz = sound
    return write_picture_video(folder / "talk.mp4", data.astronaut(), len(samples) / rate_hz + 6, samples, rate_hz)


@pytest.fixture(scope="module")
def timelines(talk: Path, models: LoadedModels) -> list[Timeline]:
    """All timelines that were yielded, one after each segment."""
    seen = []
    for timeline in stream_analysis(talk, models, AnalysisSettings(batch_segments=1)):
        seen.append(timeline)
        gc.collect()
        frames_in_memory = sum(type(thing) is VideoFrame for thing in gc.get_objects())
        assert frames_in_memory <= 1, "frames are kept after their segment was answered"
    return seen


def open_files(path: Path) -> int:
    """How often this process and its decoders have a file open."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return sum(file.path == str(path.resolve()) for process in processes for file in process.open_files())


def test_a_talking_face_is_answered_from_all_three(timelines: list[Timeline]) -> None:
    timeline = timelines[-1]
    assert timeline.is_complete and timeline.language == "en"
    spoken = [p for p in timeline.segments if p.segment.kind == "speech"]
    silent = [p for p in timeline.segments if p.segment.kind == "silent"]
    assert len(spoken) == 2 and "happy" in spoken[0].segment.text and "meeting" in spoken[1].segment.text
    assert {p.presence for p in spoken} == {(True, True, True)}
    assert silent and {p.presence for p in silent} == {(False, False, True)}
    assert all(p.face and p.affect is not None for p in timeline.segments)
    assert len(spoken[0].evidence) == 7 and set(silent[0].evidence) == {("video",)}
    assert timeline.summary.face_share > 0.8 and timeline.summary.unanswered_segments == 0


def test_each_segment_keeps_a_small_picture_of_its_face_that_no_json_holds(timelines: list[Timeline]) -> None:
    for prediction in timelines[-1].segments:
        assert prediction.thumbnail is not None and prediction.thumbnail.startswith(b"\xff\xd8")
        assert len(prediction.thumbnail) < 10_000
    assert "thumbnail" not in json.dumps(sentiment.timeline_to_dict(timelines[-1]))


def test_the_timeline_grows_and_what_was_yielded_stays(timelines: list[Timeline]) -> None:
    assert len(timelines) == len(timelines[-1].segments) + 1
    for before, after in pairwise(timelines):
        assert after.segments[: len(before.segments)] == before.segments
        assert before.analysed_seconds <= after.analysed_seconds
    assert not timelines[0].is_complete and len(timelines[0].segments) == 1


def test_provenance_is_enough_to_repeat_the_result(timelines: list[Timeline], talk: Path, models: LoadedModels) -> None:
    provenance = timelines[-1].provenance
    assert json.loads(json.dumps(provenance))
    assert provenance["file_sha256"] == hashlib.sha256(talk.read_bytes()).hexdigest()
    assert provenance["checkpoint"] == {"name": "random", "sha256": models.checkpoint.sha256}
    assert provenance["transcriber"]["model"] == "base" and provenance["transcriber"]["compute_type"] == "int8"
    assert provenance["version"] == sentiment.__version__
    assert provenance["libraries"]["torch"] and provenance["created_at"].endswith("+00:00")
    assert provenance["settings"]["segmentation"]["max_silent_seconds"] == 5.0
    assert provenance["clip_settings"]["frame_count"] == 4
    assert timelines[-1].video["name"] == "talk.mp4" and timelines[-1].video["width"] == 512


def test_words_that_the_network_cannot_read_are_shown_and_taken_as_absent(
    spoken: Path, models: LoadedModels, folder: Path
) -> None:
    german = load_checkpoint(save_random_checkpoint(folder / "german", languages=("de",)))
    timeline = analyze_video(spoken, replace(models, checkpoint=german), ENGLISH)
    assert timeline.language == "en" and timeline.segments[0].segment.text
    said = [p for p in timeline.segments if p.segment.kind == "speech"]
    assert said and {p.presence for p in said} == {(False, True, False)}


def test_closing_the_iterator_frees_the_file(talk: Path, models: LoadedModels) -> None:
    stream = stream_analysis(talk, models, AnalysisSettings(language="en", batch_segments=1))
    first = next(stream)
    assert open_files(talk) > 0
    stream.close()
    assert open_files(talk) == 0
    assert len(first.segments) == 1 and first.segments[0].affect is not None
    assert next(stream, None) is None


def test_an_exception_from_the_callback_ends_the_analysis(talk: Path, models: LoadedModels) -> None:
    class CancelledError(Exception):
        pass

    def cancel(stage: str, done_seconds: float, total_seconds: float) -> None:
        if stage == "watch":
            raise CancelledError

    with pytest.raises(CancelledError):
        analyze_video(talk, models, ENGLISH, cancel)
    assert open_files(talk) == 0


def test_progress_goes_forward_and_each_stage_ends(spoken: Path, models: LoadedModels) -> None:
    calls: list[tuple[str, float, float]] = []
    timeline = analyze_video(spoken, models, ENGLISH, lambda *call: calls.append(call))
    assert {stage for stage, _, _ in calls} == set(pipeline.STAGES)
    for stage in pipeline.STAGES:
        done = [d for s, d, _ in calls if s == stage]
        assert done == sorted(done) and done[-1] == timeline.duration_seconds
    assert {total for _, _, total in calls} == {timeline.duration_seconds}


def test_short_windows_cover_the_same_talk(talk: Path, models: LoadedModels, timelines: list[Timeline]) -> None:
    timeline = analyze_video(talk, models, replace(ENGLISH, window_seconds=7.0))
    words = " ".join(p.segment.text for p in timeline.segments).lower()
    assert timeline.is_complete and "happy" in words and "meeting" in words
    assert timeline.segments[-1].segment.end_seconds == pytest.approx(
        timelines[-1].segments[-1].segment.end_seconds, abs=2.0
    )


def test_listening_ahead_changes_no_answer(talk: Path, models: LoadedModels, monkeypatch: pytest.MonkeyPatch) -> None:
    short_windows = replace(ENGLISH, window_seconds=7.0)
    ahead = analyze_video(talk, models, short_windows)
    assert ahead.duration_seconds > 7
    monkeypatch.setattr(pipeline.LookAhead, "items", lambda self, on_note: self._generator)
    in_turn = analyze_video(talk, models, short_windows)
    assert [(p.segment, p.affect) for p in ahead.segments] == [(p.segment, p.affect) for p in in_turn.segments]


def test_a_video_without_sound_is_seen(folder: Path, models: LoadedModels) -> None:
    mute = write_picture_video(folder / "mute.mp4", data.astronaut(), 7.0)
    timeline = analyze_video(mute, models, replace(ENGLISH, window_seconds=60.0))
    assert {p.segment.kind for p in timeline.segments} == {"silent"}
    assert {p.presence for p in timeline.segments} == {(False, False, True)}
    assert timeline.segments[0].segment.start_seconds == 0
    assert timeline.segments[-1].segment.end_seconds == pytest.approx(timeline.duration_seconds)
    assert timeline.language is None and timeline.video["has_audio"] is False


def test_sound_alone_is_heard(spoken: Path, models: LoadedModels) -> None:
    timeline = analyze_video(spoken, models, ENGLISH)
    assert {p.presence for p in timeline.segments if p.segment.kind == "speech"} == {(True, True, False)}
    assert timeline.video["width"] is None and timeline.summary.face_share == 0
    assert all(p.face == () for p in timeline.segments)


def test_nothing_to_read_is_no_answer(folder: Path, models: LoadedModels) -> None:
    quiet = write_media(folder / "quiet.wav", sound=silence(6.0), audio_codec="pcm_s16le")
    timeline = analyze_video(quiet, models)
    assert timeline.segments and all(p.affect is None for p in timeline.segments)
    assert timeline.summary.unanswered_segments == len(timeline.segments)
    assert timeline.language is None and timeline.is_complete
    assert sentiment.headline(timeline).startswith("Nothing could be read")


def test_a_network_that_learned_faces_is_not_shown_a_landscape(folder: Path, models: LoadedModels) -> None:
    rows = np.linspace(60, 200, 256, dtype=np.uint8)
    sky = np.repeat(np.stack([rows, rows, np.flip(rows)], axis=1)[:, None], 320, axis=1)
    video = write_picture_video(folder / "sky.mp4", np.ascontiguousarray(sky), 4.0)
    seen = analyze_video(video, models)
    assert seen.segments and all(p.affect is None and p.face == () for p in seen.segments)
    whole = load_models(save_random_checkpoint(folder / "frames", framing="frame"), device="cpu")
    seen = analyze_video(video, whole)
    assert {p.presence for p in seen.segments} == {(False, False, True)}


def test_words_are_read_with_what_was_said_before(folder: Path, spoken: Path, models: LoadedModels) -> None:
    aware = load_models(save_random_checkpoint(folder / "context", context_utterances=1), device="cpu")
    alone, in_context = (analyze_video(spoken, m, ENGLISH).segments for m in (models, aware))
    assert np.array_equal(alone[0].features, in_context[0].features)
    assert not np.array_equal(alone[1].features[0], in_context[1].features[0])
    assert np.array_equal(alone[1].features[1], in_context[1].features[1])  # the voice has no context


def test_words_are_read_with_what_is_said_after(folder: Path, spoken: Path, models: LoadedModels) -> None:
    aware = load_models(save_random_checkpoint(folder / "following", following_utterances=1), device="cpu")
    alone, in_context = (analyze_video(spoken, m, ENGLISH).segments for m in (models, aware))
    first, *_, last = (i for i, p in enumerate(alone) if p.segment.kind == "speech")
    assert np.allclose(alone[last].features, in_context[last].features, atol=1e-5)
    assert not np.allclose(alone[first].features[0], in_context[first].features[0], atol=1e-2)
    assert [p.segment for p in alone] == [p.segment for p in in_context]


def test_bad_input_is_one_sentence(folder: Path, spoken: Path, models: LoadedModels) -> None:
    text = folder / "text.mp4"
    text.write_text("This is no video.")
    with pytest.raises(MediaError, match=r"text\.mp4"):
        analyze_video(text, models)
    with pytest.raises(TranscriptionError, match="klingon"):
        analyze_video(spoken, models, AnalysisSettings(language="klingon"))


def test_missing_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        load_models(tmp_path / "nowhere")
    monkeypatch.setattr(hub, "STARTER_CHECKPOINT", tmp_path / "starter")
    with pytest.raises(CheckpointError, match="no bundled weights"):
        load_models()


def test_the_bundled_weights_lie_in_the_project() -> None:
    assert (hub.STARTER_CHECKPOINT.parents[2] / "pyproject.toml").is_file()


def test_devices(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="tpu"):
        load_models(tmp_path, device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(SettingsError, match="No CUDA device"):
            load_models(tmp_path, device="cuda")


@pytest.mark.parametrize("name", ["window_seconds", "batch_segments", "max_frame_side_px"])
def test_settings_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        AnalysisSettings(**{name: 0})
