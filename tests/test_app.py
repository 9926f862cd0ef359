"""The app as a visitor meets it: app.py as its own process, a real Chromium, real files.

One process serves all tests. Its weights are random: what is said here is that answers arrive and are shown,
not that they are right.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from media_files import even_times, write_media
from playwright.sync_api import Browser, Page, expect, sync_playwright
from small_parts import require, require_whisper, save_random_checkpoint, spoken_sound, write_picture_video

from sentiment.labels import EMOTIONS, SENTIMENTS

APP = Path(__file__).parents[1] / "app.py"

PATIENCE_SECONDS = 240
"""For a busy machine. Nothing waits this long unless it fails."""

NO_INTERNET = {name: "http://127.0.0.1:9" for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")}
"""A proxy at the discard port, where nothing answers."""

CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

expect.set_options(timeout=PATIENCE_SECONDS * 1000)


class App(NamedTuple):
    process: subprocess.Popen[str]
    url: str
    folder: Path
    """The only place where it may write."""
    errors: Path
    """Its stderr."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def app_command(*options: str | Path) -> list[str]:
    return [sys.executable, str(APP), "--device", "cpu", *map(str, options)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_checkpoint(tmp_path_factory.mktemp("weights") / "random")


@pytest.fixture(scope="module")
def app(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app, asked for a public link where there is no internet."""
    require_whisper()
    folder, errors = tmp_path_factory.mktemp("app"), tmp_path_factory.mktemp("log") / "stderr.txt"
    environment = {**os.environ, **NO_INTERNET, "NO_PROXY": "127.0.0.1,localhost", "TMPDIR": str(folder)}
    command = app_command("--port", str(free_port()), "--checkpoint", checkpoint, "--share")
    with errors.open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, cwd=folder)
    line = process.stdout.readline()
    if not line.startswith("Running on "):
        pytest.fail(f"the app did not start: {line}{errors.read_text()}")
    yield App(process, line.removeprefix("Running on ").strip(), folder, errors)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 0
    assert not list(folder.glob("video-sentiment-*")), "the visitors' files outlived the app"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    require(chromium is not None, "Chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)


@pytest.fixture
def page(app: App, browser: Browser) -> Iterator[Page]:
    page = visit(app, browser)
    yield page
    page.close()


@pytest.fixture(scope="module")
def analysed(app: App, browser: Browser, talk: Path) -> Page:
    """The page after the talk was analysed, shared by the tests that only look at it."""
    page = visit(app, browser)
    analyse(page, talk)
    return page


def visit(app: App, browser: Browser) -> Page:
    page = browser.new_page(viewport=DESKTOP, accept_downloads=True)
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    page.goto(app.url)
    expect(page.locator("#analyse")).to_be_visible()
    return page


@pytest.fixture(scope="module")
def sentences(speech_file: Callable[..., Path]) -> list[Path]:
    return [
        speech_file("The party was wonderful tonight."),
        speech_file("Nobody came to the meeting this morning.", "en-gb"),
    ]


@pytest.fixture(scope="module")
def talk(sentences: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face that says two sentences, in about seven seconds."""
    return spoken_video(tmp_path_factory.mktemp("talk") / "talk.mp4", sentences)


def spoken_video(path: Path, sentences: list[Path]) -> Path:
    sound, rate_hz = spoken_sound(sentences, pause_seconds=0.8)
    return write_picture_video(path, face(), len(sound) / rate_hz, sound, rate_hz)


@pytest.fixture(scope="module")
def long_silence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half an hour of a face that says nothing, one frame a second: the first answers come long before the last."""
    path, picture = tmp_path_factory.mktemp("silence") / "long.mp4", face()
    return write_media(path, times_seconds=even_times(1800, rate=1), picture=lambda _: picture)


def face() -> np.ndarray:
    """(240, 320, 3) uint8 RGB."""
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut()[:240, :320])


def choose(page: Page, path: Path) -> None:
    page.set_input_files("#upload input[type=file]", path)
    expect(page.locator("#upload")).to_contain_text(path.stem)


def analyse(page: Page, path: Path) -> None:
    choose(page, path)
    page.click("#analyse")
    expect(page.locator("#downloads")).to_be_visible()


def download(page: Page, kind: str) -> Path:
    with page.expect_download() as event:
        page.click(f"#download-{kind}")
    return event.value.path()


# ---------------------------------------------------------------- a video goes in


def test_a_video_becomes_plots_a_transcript_captions_and_files(analysed: Page) -> None:
    page = analysed
    expect(page.locator("#emotion-plot .scatterlayer .trace")).to_have_count(len(EMOTIONS))
    expect(page.locator("#sentiment-plot .barlayer .trace")).not_to_have_count(0)
    for name in (*EMOTIONS, *SENTIMENTS):
        expect(page.locator("#timeline .legend", has_text=name).first).to_be_visible()

    rows = page.locator("#transcript tbody tr")
    transcript = " ".join(rows.all_inner_texts()).lower()
    assert "wonderful" in transcript
    assert "meeting" in transcript
    assert "0:00" in rows.first.inner_text()
    assert any(emotion in rows.first.inner_text() for emotion in EMOTIONS)
    assert page.locator("#verdict .headline").inner_text().endswith(".")
    expect(page.locator("#verdict .chips")).to_contain_text(re.compile(r"face \d+%"))
    assert page.locator("#in-words li").count() == rows.count()

    timeline = json.loads(download(page, "json").read_text(encoding="utf-8"))
    assert len(timeline["segments"]) == rows.count()
    assert timeline["video"]["name"] == "talk.mp4"
    assert timeline["summary"]["headline"] == page.locator("#verdict .headline").inner_text()
    assert download(page, "csv").read_text(encoding="utf-8-sig").startswith("start_seconds")
    assert download(page, "vtt").read_text(encoding="utf-8").startswith("WEBVTT")


def test_the_player_plays_with_captions_and_a_click_on_the_timeline_moves_it(analysed: Page) -> None:
    page = analysed
    page.wait_for_function("document.querySelector('#player video')?.readyState >= 1")
    page.wait_for_function("document.querySelector('#player video').textTracks[0]?.cues?.length >= 1")
    duration_seconds = page.evaluate("document.querySelector('#player video').duration")

    page.locator("#emotion-plot .nsewdrag").first.scroll_into_view_if_needed()
    box = page.locator("#emotion-plot .nsewdrag").first.bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.wait_for_function("document.querySelector('#player video').currentTime > 0.5")
    moved_to = page.evaluate("document.querySelector('#player video').currentTime")
    assert moved_to == pytest.approx(0.5 * duration_seconds, abs=0.05 * duration_seconds)

    head = page.locator(".playhead").bounding_box()
    assert head["x"] == pytest.approx(box["x"] + 0.5 * box["width"], abs=4)

    page.locator("#transcript tbody tr").first.click()
    page.wait_for_function("document.querySelector('#player video').currentTime < 0.5")


def test_both_plots_share_their_time_axis_to_the_pixel(analysed: Page) -> None:
    page = analysed
    expect(page.locator("#timeline .js-plotly-plot .nsewdrag").first).to_be_visible()
    for viewport in (PHONE, DESKTOP):
        page.set_viewport_size(viewport)
        page.wait_for_function("document.querySelector('#timeline .js-plotly-plot .main-svg').clientWidth < innerWidth")
        page.wait_for_timeout(500)  # Plotly redraws some time after a resize, and says so nowhere
        spans = page.evaluate(
            "[...document.querySelectorAll('#timeline .js-plotly-plot')].map((plot) => {"
            " const axis = plot._fullLayout.xaxis; const left = plot.getBoundingClientRect().left + axis._offset;"
            " return [left, left + axis._length]; })"
        )
        assert len(spans) == 2
        assert spans[0] == pytest.approx(spans[1], abs=0.01)
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], "the page scrolls sideways"


def test_a_sound_file_is_a_valid_video_without_a_face(page: Page, sentences: list[Path]) -> None:
    analyse(page, sentences[0])
    expect(page.locator("#verdict .chips")).to_contain_text("face 0%")
    expect(page.locator("#transcript")).to_contain_text("wonderful")


def test_a_recording_of_the_webcam_is_analysed(page: Page) -> None:
    """Chromium's pretended camera shows a disc and beeps: no words, no face, and hence no answer."""
    webcam = page.locator("#webcam")
    page.get_by_role("tab", name="Webcam").click()
    webcam.get_by_text("Click to Access Webcam").click()
    webcam.locator("button", has_text="Record").click()
    expect(webcam.locator("button", has_text="Stop")).to_be_visible()
    page.wait_for_timeout(4000)
    webcam.locator("button", has_text="Stop").click()
    page.wait_for_function("document.querySelector('#webcam video')?.currentSrc")
    page.click("#analyse")
    expect(page.locator("#downloads")).to_be_visible()
    expect(page.locator("#verdict .headline")).to_contain_text("Nothing could be read")
    timeline = json.loads(download(page, "json").read_text(encoding="utf-8"))
    assert timeline["video"]["has_audio"] is True
    assert timeline["video"]["width"] <= 1280
    page.wait_for_function("document.querySelector('#player video')?.duration > 1")  # the copy knows its duration


# ---------------------------------------------------------------- what goes wrong


def test_a_text_file_named_mp4_is_refused_in_one_sentence(page: Page, tmp_path: Path) -> None:
    notes = tmp_path / "notes.mp4"
    notes.write_text("Dear diary, this is not a video.\n" * 50)
    choose(page, notes)
    page.click("#analyse")
    toast = page.locator(".toast-body")
    expect(toast).to_contain_text("notes.mp4")
    assert "Traceback" not in toast.inner_text()
    expect(page.locator("#analyse")).to_be_visible()  # and one may choose another file
    expect(page.locator("#running")).to_be_hidden()


def test_analyse_without_a_file_asks_for_one(page: Page) -> None:
    page.click("#analyse")
    expect(page.locator(".toast-body")).to_contain_text("Choose a video")


def test_cancel_keeps_what_is_done(page: Page, long_silence: Path) -> None:
    choose(page, long_silence)
    page.click("#analyse")
    expect(page.locator("#transcript tbody tr").first).to_be_visible()
    page.click("#cancel")
    expect(page.locator("#verdict .note")).to_contain_text("Cancelled")
    expect(page.locator("#running")).to_be_hidden()
    summary = json.loads(download(page, "json").read_text(encoding="utf-8"))["summary"]
    assert 0 < summary["analysed_seconds"] < summary["duration_seconds"]

    page.click("#again")
    expect(page.locator("#analyse")).to_be_visible()
    expect(page.locator("#results")).to_be_hidden()


# ---------------------------------------------------------------- the endpoint, privacy, the command line


def test_the_endpoint_gives_the_timeline_as_json(app: App, sentences: list[Path]) -> None:
    client = Client(app.url, verbose=False)
    timeline = client.predict(handle_file(sentences[1]), "en", api_name="/analyze")
    assert timeline["language"] == "en"
    assert timeline["segments"]
    for segment in timeline["segments"]:
        if segment["emotion"] is not None:
            assert sum(segment["emotion"].values()) == pytest.approx(1.0, abs=1e-3)
            assert segment["top_emotion"] == max(segment["emotion"], key=segment["emotion"].get)


def test_the_endpoint_says_what_is_wrong_with_a_file(app: App, tmp_path: Path) -> None:
    notes = tmp_path / "notes.mp4"
    notes.write_text("Dear diary")
    with pytest.raises(AppError, match="notes"):
        Client(app.url, verbose=False).predict(handle_file(notes), api_name="/analyze")


def test_the_endpoint_is_the_whole_api(app: App) -> None:
    api = Client(app.url, verbose=False).view_api(return_format="dict", print_info=False)
    assert list(api["named_endpoints"]) == ["/analyze"]
    assert not api["unnamed_endpoints"]


def test_the_page_asks_nobody_else_and_keeps_no_history(app: App, browser: Browser) -> None:
    page, asked = browser.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(app.url)
    expect(page.locator("#analyse")).to_be_visible()
    assert not [url for url in asked if not url.startswith((app.url, "data:", "blob:"))]
    assert page.evaluate("window.gradio_config.run_history") is False
    page.close()


def test_without_internet_a_share_link_is_one_sentence_and_the_local_page_goes_on(app: App, page: Page) -> None:
    assert app.errors.read_text().count("No public link could be made") == 1
    assert "Traceback" not in app.errors.read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--checkpoint", "no/such/folder"], "no/such/folder"),
        (["--port", "{busy}"], "--port"),
        (["--port", "99999"], "--port"),
    ],
)
def test_what_cannot_start_is_one_line_and_exit_code_2(options: list[str], said: str, tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        options = [option.replace("{busy}", port) for option in options]
        if "--port" not in options:
            options += ["--port", str(free_port())]
        done = subprocess.run(app_command(*options), capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    complaint = done.stderr.splitlines()[-1]
    assert complaint.startswith("error: ")
    assert said in complaint
    assert "Traceback" not in done.stderr
