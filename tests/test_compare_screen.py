"""Compare and Reactions as a visitor meets them: short real clips in a real browser.

The weights are random: what is said here is that two files meet on one axis and that viewers are laid over what they
watched, not that the answers are right.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from media_files import even_times, tone, write_media
from playwright.sync_api import Browser, Page, expect
from studio_app import DESKTOP, PHONE, App, face, visit

VIDEO = "document.querySelector('#stimulus-player video')"

THEMES_AND_WIDTHS = [(theme, viewport) for theme in ("light", "dark") for viewport in (DESKTOP, PHONE)]


@pytest.fixture(scope="module")
def viewers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A face for six seconds, one for four, and a text that calls itself a recording."""
    folder, picture = tmp_path_factory.mktemp("viewers"), face()
    paths = [
        write_media(folder / f"{name}.mp4", times_seconds=even_times(seconds, rate=5), picture=lambda _: picture)
        for name, seconds in (("ann", 6.0), ("ben", 4.0))
    ]
    notes = folder / "notes.mp4"
    notes.write_text("Dear diary, this is not a video.\n" * 50)
    return [*paths, notes]


@pytest.fixture(scope="module")
def stimulus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds without a face, and a tone."""
    path = tmp_path_factory.mktemp("stimulus") / "advert.mp4"
    return write_media(path, times_seconds=even_times(4.0), sound=tone(4.0))


@pytest.fixture(scope="module")
def compared(app: App, browser: Browser, talking_face: Path, spoken_sentences: list[Path]) -> Iterator[Page]:
    """A video of two sentences beside the sound of one."""
    page = visit(app, browser)
    page.get_by_role("tab", name="Compare").click()
    give(page, "cut-a", talking_face)
    give(page, "cut-b", spoken_sentences[0])
    page.click("#compare")
    expect(page.locator("#compare-progress")).to_contain_text("talking face.mp4")
    expect(page.locator("#compare-plot .scatterlayer .trace")).not_to_have_count(0)
    yield page
    page.close()


@pytest.fixture(scope="module")
def watched(app: App, browser: Browser, stimulus: Path, viewers: list[Path]) -> Iterator[Page]:
    """Two viewers and a text, and what they watched, which has no face."""
    page = visit(app, browser)
    page.get_by_role("tab", name="Reactions").click()
    give(page, "stimulus", stimulus)
    give(page, "recordings", *viewers)
    page.click("#show-reactions")
    expect(page.locator("#align-recordings")).to_be_visible()
    yield page
    page.close()


def give(page: Page, place: str, *paths: Path) -> None:
    page.set_input_files(f"#{place} input[type=file]", list(paths))
    for path in paths:
        expect(page.locator(f"#{place}")).to_contain_text(path.stem)


def taken(page: Page, name: str) -> str:
    with page.expect_download() as event:
        page.click(f"#download-{name.replace('.', '-')}")
    return event.value.path().read_text(encoding="utf-8")


def counts_of(reactions: dict[str, Any]) -> list[int]:
    """How many viewers there are in each window; a frame's length at an end is none."""
    return [m["viewers"] for m in reactions["moments"] if m["end_seconds"] - m["start_seconds"] > 0.5]


def expect_no_barrier(page: Page) -> None:
    """In both themes and at both widths: nothing serious for axe-core, and nothing scrolls sideways."""
    # A colour that is on its way from one theme to the other has another contrast.
    page.add_style_tag(content="*, *::before, *::after { transition: none !important; animation: none !important; }")
    for theme, viewport in THEMES_AND_WIDTHS:
        page.set_viewport_size(viewport)
        page.evaluate(f"document.body.classList.toggle('dark', {json.dumps(theme == 'dark')})")
        page.wait_for_timeout(600)  # Plotly redraws some time after a resize, and says so nowhere
        found = Axe().run(page).response
        assert found["passes"], "axe-core has looked at nothing"
        serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
        assert [(v["id"], node["html"][:200]) for v in serious for node in v["nodes"]] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], "the page scrolls sideways"
    page.set_viewport_size(DESKTOP)
    page.evaluate("document.body.classList.remove('dark')")


# ---------------------------------------------------------------- two cuts


def test_two_cuts_meet_on_one_axis_with_their_numbers(compared: Page) -> None:
    page = compared
    expect(page.locator("#compare-verdict .headline")).to_contain_text("B")
    expect(page.locator("#compare-verdict")).to_contain_text("is compared with nothing")
    for row in ("Mean", "First 8 s", "Last 8 s", "Most positive", "Most negative"):
        expect(page.locator("#compare-numbers").get_by_role("rowheader", name=row)).to_be_visible()
    expect(page.locator("#compare-emotions tbody tr")).to_have_count(7)
    expect(page.locator("#compare-in-words li")).not_to_have_count(0)

    content = json.loads(taken(page, "comparison.json"))
    assert content["cuts"][0]["name"] == "talking face.mp4"
    rows = list(csv.DictReader(taken(page, "comparison.csv").splitlines()))
    assert len(rows) == len(content["edges"]) - 1
    lengths = [cut["duration_seconds"] for cut in content["cuts"]]
    assert content["edges"][-1] == pytest.approx(max(lengths))
    assert {row["b_sentiment_score"] for row in rows if float(row["start"]) >= min(lengths)} == {""}


def test_relative_time_is_a_choice_that_needs_no_new_analysis(compared: Page) -> None:
    page = compared
    page.get_by_role("radio", name="share of each cut", exact=True).check()
    expect(page.locator("#compare-plot .xtick text").last).to_have_text("100%")
    expect(page.locator("#compare-verdict")).to_contain_text("over its own length")
    assert json.loads(taken(page, "comparison.json"))["axis"] == "relative"
    page.get_by_role("radio", name="seconds", exact=True).check()
    expect(page.locator("#compare-plot .xtick text").first).to_have_text("0:00")


def test_the_comparison_has_no_serious_barrier(compared: Page) -> None:
    expect_no_barrier(compared)


def test_compare_asks_for_both_files_and_says_what_is_wrong_with_one(
    app: App, browser: Browser, viewers: list[Path], small_video: Path
) -> None:
    page = visit(app, browser)
    page.get_by_role("tab", name="Reactions").click()
    expect(page.locator("#show-reactions")).to_be_visible()
    expect_no_barrier(page)
    page.get_by_role("tab", name="Compare").click()
    page.click("#compare")
    expect(page.locator(".toast-body").last).to_contain_text("Choose two files")
    give(page, "cut-a", viewers[-1])
    give(page, "cut-b", small_video)
    page.click("#compare")
    expect(page.locator(".toast-body").last).to_contain_text("notes.mp4")
    expect(page.locator("#compare")).to_be_visible()
    page.get_by_role("tab", name="Reactions").click()
    page.click("#show-reactions")
    expect(page.locator(".toast-body").last).to_contain_text("at least one recording")
    page.close()


# ---------------------------------------------------------------- several viewers


def test_viewers_are_laid_over_what_they_watched_and_a_bad_recording_is_named(watched: Page) -> None:
    page = watched
    verdict = page.locator("#reactions-verdict")
    expect(verdict.locator(".headline")).to_contain_text("2 viewers")
    expect(verdict.locator(".left-out")).to_contain_text("notes.mp4")
    expect(verdict.locator("button")).to_have_count(0)  # one picture, one answer: no moment stands out
    expect(page.locator("#viewers tbody tr")).to_have_count(2)
    expect(page.locator("#stimulus-plot .js-plotly-plot")).to_be_visible()
    content = json.loads(taken(page, "reactions.json"))
    assert content["duration_seconds"] == pytest.approx(4.0, abs=0.1)
    assert counts_of(content) == [2, 2]
    assert content["mean"] == pytest.approx(np.mean([v["mean"] for v in content["viewers"]]), abs=1e-3)
    assert len(taken(page, "viewers.csv").splitlines()) >= 1 + 2 * 2


def test_a_click_on_the_reactions_moves_what_they_watched(watched: Page) -> None:
    page = watched
    page.wait_for_function(f"{VIDEO}?.readyState >= 1")
    plot = page.locator("#reactions-plot .nsewdrag").first
    size = plot.bounding_box()
    plot.click(position={"x": 0.5 * size["width"], "y": 0.3 * size["height"]})  # waits until it has come to rest
    page.wait_for_function(f"Math.abs({VIDEO}.currentTime - 2) < 0.1")
    page.wait_for_timeout(300)
    box = plot.bounding_box()
    head = page.locator("#reactions-plots .playhead").bounding_box()
    assert head["x"] + head["width"] / 2 == pytest.approx(box["x"] + 0.5 * box["width"], abs=3)


def test_a_recording_can_be_moved_without_a_new_analysis(watched: Page) -> None:
    page = watched
    page.get_by_label("ann.mp4").fill("3.7")
    page.click("#align-recordings")
    expect(page.locator("#reactions-verdict")).to_contain_text("ann.mp4 covers 0:00 to 0:02 of 0:04")
    assert counts_of(json.loads(taken(page, "reactions.json"))) == [2, 1]
    page.get_by_label("ann.mp4").fill("7")
    page.click("#align-recordings")
    expect(page.locator(".toast-body").last).to_contain_text("ann.mp4 lasts 5.8 s")


def test_the_reactions_have_no_serious_barrier(watched: Page) -> None:
    # The message of the test before: Gradio's own, a button within a button.
    watched.evaluate("document.querySelectorAll('.toast-body').forEach((message) => message.remove())")
    expect_no_barrier(watched)


def test_the_first_page_is_as_it_was_left(watched: Page) -> None:
    page = watched
    page.get_by_role("tab", name="Analyse").click()
    expect(page.locator("#upload")).to_be_visible()
    expect(page.locator("#reactions-results")).to_be_hidden()
    page.get_by_role("tab", name="Reactions").click()
    expect(page.locator("#reactions-verdict .headline")).to_be_visible()
