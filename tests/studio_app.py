"""The app as its own process, and what a visitor does with it; the fixtures of it are in conftest.py."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from small_parts import require, require_whisper, spoken_sound, write_picture_video

APP = Path(__file__).parents[1] / "app.py"

PATIENCE_SECONDS = 480
"""For a busy machine. Nothing waits this long unless it fails."""

NO_INTERNET = {name: "http://127.0.0.1:9" for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")}
"""A proxy at the discard port, where nothing answers."""

LOGIN = ("ann", "open: sesame")
"""Of `guarded_app`: a user, and a password with a colon in it."""

CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
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


@contextlib.contextmanager
def running_app(
    checkpoint: Path, folder: Path, errors: Path, *options: str, variables: Mapping[str, str] = MappingProxyType({})
) -> Iterator[App]:
    """The app where there is no internet; checks that nothing outlives it. `variables` are of its environment."""
    require_whisper()
    environment = {**os.environ, **NO_INTERNET, "NO_PROXY": "127.0.0.1,localhost", "TMPDIR": str(folder), **variables}
    command = app_command("--port", str(free_port()), "--checkpoint", checkpoint, *options)
    with errors.open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, cwd=folder)
    line = process.stdout.readline()
    if not line.startswith("Running on "):
        pytest.fail(f"the app did not start: {line}{errors.read_text()}")
    yield App(process, line.removeprefix("Running on ").strip(), folder, errors)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 0
    assert not list(folder.glob("video-sentiment-*")), "the visitors' files outlived the app"


@contextlib.contextmanager
def running_browser() -> Iterator[Browser]:
    chromium = find_chromium()
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)


def find_chromium() -> str:
    """The browser's path; the test is skipped where there is none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    require(chromium is not None, "Chromium")
    return str(chromium)


def visit(app: App, browser: Browser) -> Page:
    page = browser.new_page(viewport=DESKTOP, accept_downloads=True)
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    page.goto(app.url)
    expect(page.locator("#analyse")).to_be_visible()
    return page


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


def spoken_video(path: Path, sentences: Sequence[Path]) -> Path:
    """A face that says these sentences."""
    sound, rate_hz = spoken_sound(sentences, pause_seconds=0.8)
    return write_picture_video(path, face(), len(sound) / rate_hz, sound, rate_hz)


def face() -> np.ndarray:
    """(240, 320, 3) uint8 RGB."""
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut()[:240, :320])
