"""The app from its command to a page that answers, and to the first segment on the screen, in a real browser."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from measuring import PROJECT
from playwright.sync_api import sync_playwright

PATIENCE_SECONDS: Final = 600
LOOK_SECONDS: Final = 0.02
SEGMENT: Final = "#transcript tbody tr"
"""A line of the transcript."""


@contextmanager
def started_app(threads: int) -> Iterator[tuple[str, float]]:
    """The app, with its address and the seconds from its command to its first answer to a browser's request."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TMPDIR": folder}
        command = [sys.executable, str(PROJECT / "app.py"), "--device", "cpu", "--port", str(port)]
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        try:
            while not _answers(url):
                if process.poll() is not None or time.perf_counter() - started > PATIENCE_SECONDS:
                    raise RuntimeError(f"the app did not start (exit code {process.poll()})")
                time.sleep(LOOK_SECONDS)
            yield url, time.perf_counter() - started
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_SECONDS)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as response:
            return response.status == 200 and bool(response.read())
    except (urllib.error.URLError, ConnectionError):
        return False


def start_seconds(threads: int) -> float:
    """From the command to the page that answers."""
    with started_app(threads) as (_, seconds):
        return seconds


def first_segment_on_screen(video: Path, threads: int) -> float:
    """Seconds from the click on Analyse to the first segment that can be seen, of a fresh app."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise FileNotFoundError("there is no Chromium to look with")
    with started_app(threads) as (url, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        page.goto(url)
        page.locator("#analyse").wait_for(state="visible")
        page.set_input_files("#upload input[type=file]", video)
        page.locator("#upload", has_text=video.stem).wait_for()
        started = time.perf_counter()
        page.click("#analyse")
        page.locator(SEGMENT).first.wait_for(state="visible")
        seconds = time.perf_counter() - started
        page.locator("#cancel").click()
        browser.close()
    return seconds
