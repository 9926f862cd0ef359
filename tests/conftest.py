"""Files that several tests share. All are real and small, and made once for a run of the tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from media_files import even_times, silence, speak, tone, write_media, write_recorder_webm

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from studio_app import App

# Otherwise the clock chooses what is computed in: tests that compare two analyses would compare two number formats.
os.environ["VIDEO_SENTIMENT_PRECISION"] = "float32"

ASSETS = Path(__file__).resolve().parent.parent / "assets"


@pytest.fixture(scope="session")
def media_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the session's media files lie; do not write into it."""
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="session")
def small_video(media_folder: Path) -> Path:
    """An mp4 of 2 s, 160x120, 25 frames a second that carry their number, and a tone."""
    return write_media(media_folder / "small.mp4", times_seconds=even_times(2.0), sound=tone(2.0))


@pytest.fixture(scope="session")
def video_without_sound(media_folder: Path) -> Path:
    return write_media(media_folder / "without sound.mp4", times_seconds=even_times(2.0))


@pytest.fixture(scope="session")
def sound_file(media_folder: Path) -> Path:
    """A wav: 1 s of silence, then 1 s of a tone."""
    import numpy as np

    sound = np.concatenate([silence(1.0, 16_000), tone(1.0, rate_hz=16_000)])
    return write_media(media_folder / "sound.wav", sound=sound, audio_codec="pcm_s16le", rate_hz=16_000)


@pytest.fixture(scope="session")
def recorder_webm(media_folder: Path) -> Path:
    """2 s as a browser's MediaRecorder writes them."""
    return write_recorder_webm(media_folder / "recorded.webm", even_times(2.0), tone(2.0))


@pytest.fixture(scope="session")
def text_named_mp4(media_folder: Path) -> Path:
    path = media_folder / "notes.mp4"
    path.write_text("Dear diary, this is not a video.\n" * 100)
    return path


@pytest.fixture(scope="session")
def example_video() -> Path:
    """assets/example.mp4: a synthetic face and synthetic voices."""
    return ASSETS / "example.mp4"


@pytest.fixture(scope="session")
def speech_file(media_folder: Path) -> Callable[..., Path]:
    """speech_file(text, voice="en-us") gives a wav in which espeak-ng says it.

    Skips where espeak-ng is missing, but not where CI is set: there nothing may be skipped.
    """
    if shutil.which("espeak-ng") is None and not os.environ.get("CI"):
        pytest.skip("espeak-ng is not installed")
    spoken: dict[tuple[str, str], Path] = {}

    def file_of(text: str, voice: str = "en-us") -> Path:
        if (text, voice) not in spoken:
            spoken[text, voice] = speak(media_folder / f"speech {len(spoken)}.wav", text, voice)
        return spoken[text, voice]

    return file_of


@pytest.fixture(scope="session")
def meld_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MELD.Raw.tar.gz in miniature, with everything known to be wrong; see `meld_miniature`."""
    from meld_miniature import make_miniature

    return make_miniature(tmp_path_factory.mktemp("meld archive"))


@pytest.fixture(scope="session")
def meld_data(meld_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that holds the miniature unpacked; do not write into it."""
    from train.unpacking import unpack

    folder = tmp_path_factory.mktemp("meld data")
    unpack(meld_archive, folder / "meld")
    return folder


# ---------------------------------------------------------------- the app in a browser


@pytest.fixture(scope="session")
def random_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from small_parts import save_random_checkpoint

    return save_random_checkpoint(tmp_path_factory.mktemp("weights") / "random")


@pytest.fixture(scope="session")
def app(random_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with random weights, asked for a public link: one process for all tests."""
    from studio_app import running_app

    log = tmp_path_factory.mktemp("log") / "stderr.txt"
    with running_app(random_checkpoint, tmp_path_factory.mktemp("app"), log, "--share") as app:
        yield app


@pytest.fixture(scope="session")
def guarded_app(random_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The same app behind `studio_app.LOGIN`, and with its MCP server."""
    from studio_app import LOGIN, running_app

    log, folder = tmp_path_factory.mktemp("log") / "stderr.txt", tmp_path_factory.mktemp("app")
    variables = {"VIDEO_SENTIMENT_AUTH": ":".join(LOGIN)}
    with running_app(random_checkpoint, folder, log, "--mcp", "--max-minutes", "1", variables=variables) as app:
        yield app


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    from studio_app import running_browser

    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def spoken_sentences(speech_file: Callable[..., Path]) -> list[Path]:
    return [
        speech_file("The party was wonderful tonight."),
        speech_file("Nobody came to the meeting this morning.", "en-gb"),
    ]


@pytest.fixture(scope="session")
def talking_face(spoken_sentences: list[Path], media_folder: Path) -> Path:
    """A video of a face that says two sentences, in about seven seconds."""
    from studio_app import spoken_video

    return spoken_video(media_folder / "talking face.mp4", spoken_sentences)


@pytest.fixture(scope="session")
def long_silence(media_folder: Path) -> Path:
    """Half an hour of a face that says nothing, one frame a second: the first answers come long before the last."""
    from studio_app import face

    picture = face()
    return write_media(media_folder / "long.mp4", times_seconds=even_times(1800, rate=1), picture=lambda _: picture)
