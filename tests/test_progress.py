"""While an analysis runs: it says what it is at and for how long, ends when it is told to, and keeps what is done."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from itertools import islice, pairwise
from pathlib import Path

import pytest
from media_files import write_media
from small_parts import PATIENCE_SECONDS, require_whisper, save_random_checkpoint, spoken_sound, wait_until
from timelines import sample_timeline

from sentiment.datatypes import Timeline
from sentiment.pipeline import LoadedModels, load_models
from sentiment.settings import AnalysisSettings
from sentiment.studio import panels
from sentiment.studio.background import HEARTBEAT_SECONDS, follow
from sentiment.studio.session import Playable, Session, StageProgress, follow_analysis
from sentiment.studio.time_left import USUAL_COSTS, TimeLeft, time_left_in_words
from sentiment.transcription import Transcriber

LINES = ("The party was wonderful tonight.", "Nobody came to the meeting this morning.")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Future[LoadedModels]:
    require_whisper()
    promised: Future[LoadedModels] = Future()
    checkpoint = save_random_checkpoint(tmp_path_factory.mktemp("progress") / "random")
    promised.set_result(load_models(checkpoint, device="cpu"))
    return promised


@pytest.fixture(scope="module")
def long_talk(speech_file: Callable[..., Path], media_folder: Path) -> Path:
    """About half a minute of speech."""
    sound, rate_hz = spoken_sound([speech_file(line) for line in LINES] * 5, pause_seconds=0.8)
    return write_media(media_folder / "long talk.wav", sound=sound, audio_codec="pcm_s16le", rate_hz=rate_hz)


def analysis_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(("analysis", "look-ahead"))]


# ---------------------------------------------------------------- the time left


def run(
    costs: dict[str, float], total: float, window: float, step: float = 10.0
) -> Iterator[tuple[float, float | None, float]]:
    """(now, estimate, truth) during an analysis whose stages cost so many seconds per second of video."""
    ends_at = total * sum(costs.values())
    estimate, now = TimeLeft(), 0.0
    estimate.tell("listen", 0.0, total, now)
    for start in range(0, round(total), round(window)):
        for stage, cost in costs.items():
            parts = 4 if stage == "listen" else round(window / step)
            for part in range(parts):
                now += cost * window / parts
                estimate.tell(stage, start + window * (part + 1) / parts, total, now)
                yield now, estimate.ask(now), ends_at - now


@pytest.mark.parametrize("slowness", [0.3, 1.0, 6.0])
@pytest.mark.parametrize("sound_alone", [False, True])
def test_the_time_left_is_told_early_and_comes_true(slowness: float, sound_alone: bool) -> None:
    costs = {stage: USUAL_COSTS[stage] * slowness for stage in ("listen", "watch", "feel")}
    if sound_alone:
        costs["watch"] = 0.0005
    told = list(run(costs, total=600.0, window=60.0))
    assert told[0][1] is not None
    whole = told[-1][0]
    settled = [(estimate, truth) for now, estimate, truth in told if now > whole / 4]
    assert all(abs(estimate - truth) < 0.25 * whole for estimate, truth in settled)
    assert told[-1][1] == pytest.approx(0.0, abs=0.05 * whole)


def test_the_time_left_does_not_jump() -> None:
    costs = {stage: 2 * USUAL_COSTS[stage] for stage in ("listen", "watch", "feel")}
    told = list(run(costs, total=600.0, window=60.0))
    whole = told[-1][0]
    for (before, left_before, _), (after, left_after, _) in pairwise(told[len(told) // 10 :]):
        assert abs((left_before - left_after) - (after - before)) < 0.1 * whole


def test_the_time_left_falls_while_nothing_is_told_and_is_never_negative() -> None:
    estimate = TimeLeft()
    assert estimate.ask(3.0) is None
    estimate.tell("listen", 0.0, 60.0, 4.0)
    assert estimate.ask(5.0) is None
    estimate.tell("listen", 30.0, 60.0, 8.0)
    told = [estimate.ask(8.0 + seconds) for seconds in range(0, 200, 2)]
    assert told == sorted(told, reverse=True)
    assert told[0] > 5
    assert told[-1] == 0.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "a few seconds left"),
        (12.0, "about 20 s left"),
        (56.0, "about 1 min left"),
        (200.0, "about 3 min left"),
        (3700.0, "about 1 h left"),
        (4300.0, "about 1 h 10 min left"),
    ],
)
def test_the_time_left_in_words(seconds: float, words: str) -> None:
    assert time_left_in_words(seconds) == words


# ---------------------------------------------------------------- what is shown of it


def test_the_card_names_the_stage_and_the_time_left() -> None:
    session = Session("talk.mp4")
    assert "Opening the file" in panels.progress(session)
    session.take(StageProgress("listen", 0.0, 120.0))
    card = panels.progress(session)
    assert "Listening for words" in card
    assert "left" not in card
    session.take(StageProgress("listen", 30.0, 120.0))
    card = panels.progress(session)
    assert " left</b>" in card
    assert card.count('role="progressbar"') == 3
    session.take(StageProgress("translate", 10.0, 120.0))
    session.take(StageProgress("copy", 0.0, 120.0))
    card = panels.progress(session)
    assert [name for name in panels.STAGE_NAMES.values() if f'aria-label="{name}"' in card] == [
        *("Listening", "Translating", "Watching", "Reading", "Copying")
    ]


def test_of_somebody_who_watches_nothing_is_listened_to() -> None:
    session = Session("reaction.mp4")
    session.take(StageProgress("watch", 2.0, 20.0))
    card = panels.progress(session)
    assert "Looking for faces" in card
    assert "Listening" not in card


# ---------------------------------------------------------------- a reader that is slow


def test_a_slow_reader_gets_the_newest_of_each_kind() -> None:
    done = threading.Event()

    def work(emit: Callable[[tuple[str, int]], None]) -> None:
        for number in range(100):
            emit(("progress", number))
        emit(("result", 0))
        emit(("progress", 100))
        done.set()

    events = follow(work, kind_of=lambda event: event[0])
    first = next(event for event in events if event is not None)
    assert done.wait(PATIENCE_SECONDS)
    rest = [event for event in events if event is not None]
    assert len([first, *rest]) <= 103
    assert rest[-2:] == [("result", 0), ("progress", 100)] or first == ("result", 0)
    assert len(rest) <= 4


# ---------------------------------------------------------------- before the models are loaded


def test_who_comes_before_the_models_waits_for_them_and_is_told(
    models: Future[LoadedModels], spoken_sentences: list[Path], tmp_path: Path
) -> None:
    early: Future[LoadedModels] = Future()
    session = Session("hello.wav")
    with closing(follow_analysis(spoken_sentences[0], early, AnalysisSettings(language="en"), tmp_path)) as events:
        wait_until(lambda: session.take(next(events)) or session.stage is not None)
        assert "Loading the models" in panels.progress(session)
        assert all(event is None for event in islice(events, 2))  # and waits
        early.set_result(models.result())
        for event in events:
            session.take(event)
    assert "Loading" not in panels.progress(session)
    assert session.timeline is not None
    assert session.timeline.is_complete


def test_the_page_is_built_before_pytorch_is_imported() -> None:
    """PyTorch takes seconds to import, and a visitor's first look at the page does not wait for it."""
    heavy = "torch", "transformers", "faster_whisper", "ctranslate2"
    code = f"import sys, sentiment.studio; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# ---------------------------------------------------------------- cancelling


def test_cancelling_within_a_window_ends_the_work_and_keeps_what_is_done(
    long_talk: Path, models: Future[LoadedModels], tmp_path: Path
) -> None:
    settings = AnalysisSettings(language="en", window_seconds=16.0, batch_segments=1)
    session = Session(long_talk.name)
    with closing(follow_analysis(long_talk, models, settings, tmp_path)) as events:
        for event in events:
            session.take(event)
            if session.timeline is not None:
                break
    wait_until(lambda: not analysis_threads())
    kept = session.timeline
    assert isinstance(kept, Timeline)
    assert kept.segments
    assert not kept.is_complete
    assert session.done_seconds["feel"] < session.total_seconds
    assert session.playable == long_talk


def test_the_listening_itself_is_told_and_can_be_cancelled(
    long_talk: Path, models: Future[LoadedModels], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is one window: what is told within it is what ends it."""
    ended_by: list[BaseException] = []
    transcribe = Transcriber.transcribe

    def spied(self: Transcriber, *arguments: object) -> object:
        try:
            return transcribe(self, *arguments)
        except BaseException as error:
            ended_by.append(error)
            raise

    monkeypatch.setattr(Transcriber, "transcribe", spied)
    settings = AnalysisSettings(language="en", window_seconds=300.0)
    with closing(follow_analysis(long_talk, models, settings, tmp_path)) as events:
        wait_until(lambda: isinstance(next(events), StageProgress))
    wait_until(lambda: not analysis_threads())
    assert len(ended_by) == 1


def test_a_copy_for_the_player_is_a_stage_and_can_be_cancelled(
    models: Future[LoadedModels], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[float] = []

    def write(path: Path, target: Path, on_progress: Callable[[float], None]) -> None:
        for percent in range(101):
            time.sleep(0.01)
            on_progress(percent / 100)
            written.append(percent / 100)

    def analyse(path: Path, models: LoadedModels, settings: AnalysisSettings, tell: Callable[..., None]) -> Iterator:
        tell("listen", 1.0, 40.0)
        yield sample_timeline()

    for name, function in {
        "write_playable_copy": write,
        "stream_analysis": analyse,
    }.items():
        monkeypatch.setattr(f"sentiment.studio.session.{name}", function)
    video = write_media(tmp_path / "film.mkv", times_seconds=[0.0, 0.1, 0.2])
    session = Session(video.name)
    with closing(follow_analysis(video, models, AnalysisSettings(), tmp_path)) as events:
        for event in events:
            session.take(event)
            if session.done_seconds.get("copy", 0.0) > 4.0:
                break
    wait_until(lambda: not analysis_threads())
    assert len(written) < 100
    assert session.total_seconds == 40.0
    told = [e for e in follow_analysis(video, models, AnalysisSettings(), tmp_path) if e is not None]
    assert isinstance(told[-1], Playable)
    assert HEARTBEAT_SECONDS <= 1.0
