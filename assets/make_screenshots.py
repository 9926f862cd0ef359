"""Makes screenshot.png and playing.webp anew, from the app as it runs: analyses the example, and goes through it.

Needs a running app (`make demo`), Chromium and playwright (`make test-tools`, requirements-dev.txt).

    python assets/make_screenshots.py [address of the app]
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import FloatRect, Page, sync_playwright

ASSETS = Path(__file__).resolve().parent
ADDRESS = "http://127.0.0.1:7860"

VIEWPORT_WIDTH_PX = 1280
STILL_AT_SECONDS = 12.9
"""Words, voice and face say different things there."""

FILM_SECONDS = (4.0, 20.0)
FRAMES_PER_SECOND = 4
SPEED_UP = 2
FILM_WIDTH_PX = 760

ANALYSIS_TIMEOUT_MS = 600_000
DRAWING_MS = 200
REDRAWING_MS = 2500
"""Plotly draws some time after it has got its data or another width, and says so nowhere."""


def go_to(page: Page, seconds: float) -> None:
    """Move the player, and wait until all else has followed."""
    page.evaluate(f"document.querySelector('#player video').currentTime = {seconds}")
    page.wait_for_timeout(DRAWING_MS)


def shoot(page: Page, until: str) -> Image.Image:
    """The page from its top to the lower end of the element `until`, without its margins."""
    box = page.locator(until).bounding_box()
    assert box is not None, f"{until} is not on the page"
    clip: FloatRect = {"x": box["x"] - 14, "y": 0, "width": box["width"] + 28, "height": box["y"] + box["height"] + 14}
    return Image.open(io.BytesIO(page.screenshot(clip=clip, full_page=True))).convert("RGB")


def main() -> None:
    """Write both pictures beside this script."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": VIEWPORT_WIDTH_PX, "height": 1200}, color_scheme="light")
        page.goto(sys.argv[1] if len(sys.argv) > 1 else ADDRESS)
        page.click("#example")
        page.wait_for_selector("#downloads", timeout=ANALYSIS_TIMEOUT_MS)
        page.wait_for_timeout(REDRAWING_MS)
        go_to(page, STILL_AT_SECONDS)
        shoot(page, "#details").save(ASSETS / "screenshot.png", optimize=True)

        first, last = FILM_SECONDS
        frames = []
        for number in range(round((last - first) * FRAMES_PER_SECOND)):
            go_to(page, first + number / FRAMES_PER_SECOND)
            frame = shoot(page, "#timeline")
            height = round(frame.height * FILM_WIDTH_PX / frame.width)
            frames.append(frame.resize((FILM_WIDTH_PX, height), Image.Resampling.LANCZOS))
        duration_ms = round(1000 / FRAMES_PER_SECOND / SPEED_UP)
        frames[0].save(
            ASSETS / "playing.webp", save_all=True, append_images=frames[1:], duration=duration_ms, loop=0, quality=60
        )


if __name__ == "__main__":
    main()
