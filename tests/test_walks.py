"""Three people come with a question each and leave with an answer: in a real browser, with the bundled weights.

Each step is also a picture at desktop and phone width, light and dark, in the folder that WALKS_FOLDER names:

    WALKS_FOLDER=walks .venv/bin/python -m pytest tests/test_walks.py
"""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pympi
import pytest
from media_files import even_times, tone, write_media
from playwright.sync_api import Browser, Page, expect
from skimage.data import astronaut
from small_parts import spoken_sound
from studio_app import CHROMIUM_ARGS, DESKTOP, PHONE, App, analyse, download, find_chromium, running_app, visit

from sentiment.hub import STARTER_CHECKPOINT

ROOT = Path(__file__).parents[1]
VIDEO = "document.querySelector('#player video')"
STIMULUS = "document.querySelector('#stimulus-player video')"
CAMERA_SECONDS = 8
FRAMES_PER_SECOND = 10


@pytest.fixture(scope="module")
def starter_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app as a person starts it."""
    folder, log = tmp_path_factory.mktemp("app"), tmp_path_factory.mktemp("log") / "stderr.txt"
    with running_app(STARTER_CHECKPOINT, folder, log) as app:
        yield app


def record(page: Page, step: str) -> None:
    """Pictures of the page as it is, if somebody wants them."""
    folder = os.environ.get("WALKS_FOLDER")
    if folder is None:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    for width, viewport in (("desktop", DESKTOP), ("phone", PHONE)):
        page.set_viewport_size(viewport)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.evaluate("(dark) => document.body.classList.toggle('dark', dark)", scheme == "dark")
            page.wait_for_timeout(2500)  # Plotly draws some time after, and says so nowhere
            page.screenshot(path=Path(folder, f"{step}-{width}-{scheme}.png"), full_page=True)
    page.emulate_media(color_scheme="light")
    page.evaluate("document.body.classList.remove('dark')")
    page.set_viewport_size(DESKTOP)


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


# ---------------------------------------------------------------- the creator


def test_a_creator_finds_the_worst_moment_and_compares_two_cuts(
    starter_app: App, browser: Browser, example_video: Path, talking_face: Path
) -> None:
    page = visit(starter_app, browser)
    record(page, "creator-1-start")
    analyse(page, example_video)
    expect(page.locator("#verdict .headline")).not_to_be_empty()
    page.wait_for_function(f"{VIDEO}?.readyState >= 1")

    # Somebody who smiles throughout is never certainly negative: the lines show where to look nevertheless.
    expect(page.locator("#moments")).to_contain_text("Most negative")
    page.locator("#transcript tr", has_text="negative").first.click()
    page.wait_for_function(f"{VIDEO}.currentTime > 0")
    expect(page.locator("#transcript tr.now")).to_contain_text("negative")
    expect(page.locator("#why")).to_contain_text("words")
    expect(page.locator("#why")).to_contain_text("without")
    record(page, "creator-2-why")

    captions = download(page, "vtt").read_text(encoding="utf-8")
    assert captions.startswith("WEBVTT") and captions.count("-->") >= 7
    assert "|M:" in download(page, "edl").read_text(encoding="utf-8")

    record_of_cut = download(page, "json").rename(starter_app.folder / "first cut.json")
    open_tab(page, "Compare")
    page.set_input_files("#cut-a input[type=file]", record_of_cut)
    page.set_input_files("#cut-b input[type=file]", talking_face)
    expect(page.locator("#cut-b")).to_contain_text(talking_face.stem)
    page.click("#compare")
    expect(page.locator("#compare-verdict")).not_to_be_empty()
    expect(page.locator("#compare-plot .js-plotly-plot")).to_be_visible()
    record(page, "creator-3-compare")
    page.close()


# ---------------------------------------------------------------- the advertiser


def viewer(path: Path, shift_px: int, blur_px: float) -> Path:
    """Somebody who watches for eight seconds, moving a little, before a camera that is more or less sharp."""
    portrait = cv2.resize(astronaut()[:256, 96:352], (300, 300), interpolation=cv2.INTER_AREA)
    if blur_px:
        portrait = cv2.GaussianBlur(portrait, None, blur_px)

    def picture(number: int) -> np.ndarray:
        canvas = np.full((360, 480, 3), 120, np.uint8)
        left = 60 + shift_px + round(8 * np.sin(number / 9))
        canvas[30:330, left : left + 300] = portrait
        return canvas

    return write_media(path, times_seconds=even_times(8.0, FRAMES_PER_SECOND), picture=picture, sound=tone(8.0))


def test_an_advertiser_sees_where_a_clip_lands(
    starter_app: App, browser: Browser, talking_face: Path, tmp_path: Path
) -> None:
    recordings = [
        viewer(tmp_path / f"viewer {name}.mp4", shift_px, blur_px)
        for name, shift_px, blur_px in (("Ada", 0, 0.0), ("Bea", 40, 9.0))
    ]
    page = visit(starter_app, browser)
    open_tab(page, "Reactions")
    page.set_input_files("#stimulus input[type=file]", talking_face)
    page.set_input_files("#recordings input[type=file]", recordings)
    expect(page.locator("#recordings")).to_contain_text("viewer Bea")
    page.click("#show-reactions")
    expect(page.locator("#reactions-verdict")).not_to_be_empty()
    expect(page.locator("#viewers")).to_contain_text("viewer Ada")
    expect(page.locator("#viewers")).to_contain_text("viewer Bea")
    expect(page.locator("#reactions-plot .js-plotly-plot")).to_be_visible()
    record(page, "advertiser-1-reactions")
    divided = page.locator("#reactions-verdict button", has_text="Most divided")
    seconds = float(divided.get_attribute("data-stimulus-seconds"))
    page.evaluate(f"{STIMULUS}.currentTime = {seconds + 3}")
    divided.click()
    page.wait_for_function(f"Math.abs({STIMULUS}.currentTime - {seconds}) < 0.1")
    with page.expect_download() as event:
        page.click("#download-reactions-csv")
    rows = list(csv.DictReader(io.StringIO(event.value.path().read_text(encoding="utf-8"))))
    assert rows
    page.close()


# ---------------------------------------------------------------- the researcher


@pytest.fixture(scope="module")
def interview(tmp_path_factory: pytest.TempPathFactory, speech_file: Callable[..., Path]) -> tuple[Path, Path]:
    """What the camera sees, raw, and what the microphone hears: two people, one of whom speaks."""
    folder = tmp_path_factory.mktemp("camera")
    sound, rate_hz = spoken_sound([speech_file("The results were a great surprise to all of us.")], pause_seconds=2.0)
    write_media(folder / "microphone.wav", sound=sound, audio_codec="pcm_s16le", rate_hz=rate_hz)
    portrait = astronaut()[:256, 96:352]
    canvas = np.full((360, 640, 3), 128, np.uint8)
    canvas[30:330, 10:310] = cv2.resize(portrait, (300, 300), interpolation=cv2.INTER_AREA)
    canvas[80:300, 400:620] = cv2.resize(portrait[:, ::-1], (220, 220), interpolation=cv2.INTER_AREA)
    with av.open(str(folder / "camera.y4m"), "w", format="yuv4mpegpipe") as container:
        stream = container.add_stream("wrapped_avframe", rate=FRAMES_PER_SECOND)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for _ in range(CAMERA_SECONDS * FRAMES_PER_SECOND):
            frame = av.VideoFrame.from_ndarray(canvas, format="rgb24").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return folder / "camera.y4m", folder / "microphone.wav"


@pytest.fixture
def in_front_of_a_camera(browser: Browser, interview: tuple[Path, Path]) -> Iterator[Browser]:
    """A browser whose camera and microphone are those of the interview."""
    camera, microphone = interview
    devices = [f"--use-file-for-fake-video-capture={camera}", f"--use-file-for-fake-audio-capture={microphone}"]
    other = browser.browser_type.launch(executable_path=find_chromium(), args=[*CHROMIUM_ARGS, *devices])
    yield other
    other.close()


def record_webcam(page: Page) -> bytes:
    """Records for some seconds; the bytes of the recording."""
    webcam = page.locator("#webcam")
    page.get_by_role("tab", name="Webcam").click()
    webcam.get_by_text("Click to Access Webcam").click()
    webcam.locator("button", has_text="Record").click()
    expect(webcam.locator("button", has_text="Stop")).to_be_visible()
    page.wait_for_timeout(CAMERA_SECONDS * 1000)
    webcam.locator("button", has_text="Stop").click()
    page.wait_for_function("document.querySelector('#webcam video')?.currentSrc.startsWith('http')")
    return page.request.get(page.evaluate("document.querySelector('#webcam video').currentSrc")).body()


def test_a_researcher_records_corrects_chooses_and_repeats(
    starter_app: App, in_front_of_a_camera: Browser, tmp_path: Path
) -> None:
    page = visit(starter_app, in_front_of_a_camera)
    recording = record_webcam(page)
    page.click("#analyse")
    expect(page.locator("#downloads")).to_be_visible()
    page.wait_for_function(f"{VIDEO}?.readyState >= 1")

    line = page.locator("#transcript tbody tr", has=page.locator(".pencil")).first
    line.locator(".pencil").click()
    field = page.locator("#transcript .editor textarea").first
    field.fill("The results were a terrible disappointment to all of us.")
    field.press("Enter")
    expect(page.locator("#transcript")).to_contain_text("terrible disappointment")
    expect(page.locator("#transcript .undo")).to_have_count(1)

    faces = page.locator("#faces input[name=face]")
    expect(faces).not_to_have_count(0)
    faces.nth(1).check()
    expect(page.locator("#faces-note")).to_contain_text("The ticked face counts")
    record(page, "researcher-1-corrected")

    rows = list(csv.DictReader(io.StringIO(download(page, "csv").read_text(encoding="utf-8"))))
    assert any("disappointment" in row["text"] for row in rows)
    assert pympi.Elan.Eaf(str(download(page, "eaf"))).get_tier_names()
    page.click("#make-zip")
    expect(page.locator("#download-zip")).to_be_visible()
    bundle = tmp_path / "bundle.zip"
    bundle.write_bytes(download(page, "zip").read_bytes())
    page.close()

    with zipfile.ZipFile(bundle) as files:
        assert "timeline.json" in files.namelist()
    video = tmp_path / "recording.webm"
    video.write_bytes(recording)
    command = [sys.executable, "-m", "sentiment", "repeat", str(bundle), str(video)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
