"""Lines are corrected and faces chosen in a real browser: one click changes all of the page, and moves nothing in it.

A clip with two faces is analysed once. Its weights are random: what is said here is that every part follows.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from media_files import even_times, write_media
from playwright.sync_api import Browser, Locator, Page, expect
from small_parts import spoken_sound
from studio_app import DESKTOP, PHONE, App, analyse, choose, download, visit
from test_rescoring import LINES, two_faces
from test_screen import VIDEO, serious_barriers, settle


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, speech_file: Callable[[str], Path]) -> Path:
    """Three sentences, while a large face is on the left and a smaller one on the right."""
    sound, rate_hz = spoken_sound([speech_file(line) for line in LINES], pause_seconds=1.2)
    times_seconds = even_times(len(sound) / rate_hz, 10)
    path = tmp_path_factory.mktemp("talk") / "two faces.mp4"
    return write_media(path, times_seconds=times_seconds, picture=two_faces, sound=sound, rate_hz=rate_hz)


@pytest.fixture(scope="module")
def analysed(app: App, browser: Browser, clip: Path) -> Iterator[Page]:
    page = visit(app, browser)
    analyse(page, clip)
    page.wait_for_function(f"{VIDEO}?.readyState >= 1")
    yield page
    page.close()


@pytest.fixture
def page(analysed: Page) -> Page:
    """The clip without any correction, at rest."""
    analysed.set_viewport_size(DESKTOP)
    analysed.evaluate(f"{VIDEO}.pause(); document.activeElement.blur()")
    if analysed.locator("#clear-faces").count():
        analysed.click("#clear-faces")
        expect(analysed.locator("#faces-note")).to_contain_text("None is ticked")
    while analysed.locator("#transcript .undo").count():
        count = analysed.locator("#transcript .undo").count()
        analysed.locator("#transcript .undo").first.click()
        expect(analysed.locator("#transcript .undo")).to_have_count(count - 1)
    return analysed


def line(page: Page, index: int) -> Locator:
    return page.locator(f"#transcript tr[data-segment='{index}']")


def record(page: Page) -> dict[str, Any]:
    """timeline.json, as soon as it is there."""
    expect(page.locator("#download-json")).to_be_enabled()
    return json.loads(download(page, "json").read_text(encoding="utf-8"))


def correct(page: Page, index: int, words: str) -> None:
    """By double-click."""
    line(page, index).locator(".said").dblclick()
    page.locator(".editor textarea").fill(words)
    page.keyboard.press("Enter")
    expect(line(page, index)).to_contain_text("corrected · heard")


# ---------------------------------------------------------------- words


def test_a_line_is_corrected_by_double_click_and_all_follows(page: Page) -> None:
    before = record(page)
    assert before["edits"] == {"words": {}, "translations": {}, "faces": []}
    line(page, 0).locator(".said").dblclick()
    expect(page.locator(".editor textarea")).to_have_value(before["segments"][0]["text"])
    page.evaluate(f"{VIDEO}.currentTime = 4.2; {VIDEO}.dataset.mark = 'the same'")
    page.locator(".editor textarea").fill("I am so angry that you came.")
    page.keyboard.press("Enter")

    expect(line(page, 0).locator(".said")).to_have_text("I am so angry that you came.")
    expect(line(page, 0)).to_contain_text(f"corrected · heard “{before['segments'][0]['text']}”")
    expect(page.locator("#verdict .chips")).to_contain_text("1 line corrected by hand")
    after = record(page)
    assert after["edits"]["words"] == {"0": "I am so angry that you came."}
    assert after["segments"][0]["heard_text"] == before["segments"][0]["text"]
    assert after["segments"][0]["emotion"] != before["segments"][0]["emotion"]
    assert after["segments"][1:] == before["segments"][1:]
    with download(page, "csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))["heard_text"] == before["segments"][0]["text"]
    assert "I am so angry" in download(page, "vtt").read_text(encoding="utf-8")
    # The player goes on where it was, and shows the new captions.
    assert page.evaluate(f"{VIDEO}.dataset.mark") == "the same"
    assert page.evaluate(f"{VIDEO}.currentTime") == pytest.approx(4.2, abs=0.05)
    page.wait_for_function(
        f"[...{VIDEO}.textTracks].some((t) => [...t.cues ?? []].some((c) => /so angry/.test(c.text)))"
    )
    expect(page.locator("#corrected-status")).to_contain_text("Done: 1 segment read anew.")

    line(page, 0).locator(".undo").click()
    expect(line(page, 0).locator(".said")).to_have_text(before["segments"][0]["text"])
    expect(line(page, 0)).not_to_contain_text("corrected")
    again = record(page)
    assert again["segments"] == before["segments"] and again["edits"] == before["edits"]


def test_the_keyboard_alone_corrects_and_undoes(page: Page) -> None:
    heard = line(page, 1).locator(".said").inner_text()
    pencil = line(page, 1).locator(".pencil")
    expect(pencil).to_have_accessible_name("Correct the words at 0:03")
    pencil.focus()
    page.keyboard.press("Enter")
    field = page.get_by_label("What is said")
    expect(field).to_be_focused()
    page.keyboard.type(" No")
    page.keyboard.press("Escape")
    expect(page.locator(".editor")).to_have_count(0)
    expect(pencil).to_be_focused()
    expect(line(page, 1).locator(".said")).to_have_text(heard)

    page.keyboard.press("Space")
    expect(field).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("It starts at ten.")
    page.keyboard.press("Enter")
    expect(line(page, 1).locator(".said")).to_have_text("It starts at ten.")
    expect(pencil).to_be_focused()
    page.keyboard.press("Tab")
    expect(line(page, 1).locator(".undo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(line(page, 1).locator(".said")).to_have_text(heard)
    expect(pencil).to_be_focused()


def test_what_is_not_changed_is_not_sent(page: Page) -> None:
    line(page, 2).locator(".pencil").click()
    page.keyboard.press("Enter")
    expect(page.locator(".editor")).to_have_count(0)
    expect(page.locator("#transcript .corrected")).to_have_count(0)


def test_what_is_refused_is_said_and_the_page_goes_on(page: Page) -> None:
    page.evaluate(
        "document.querySelector('#desk i').dispatchEvent(new CustomEvent('correct',"
        " { detail: { words: { 99: 'No.' } }, bubbles: true }))"
    )
    toast = page.get_by_text("There is no segment 99 to correct")
    expect(toast).to_be_visible()
    page.locator(".toast-close").first.click()
    correct(page, 2, "See you.")


# ---------------------------------------------------------------- faces


def test_another_face_is_read_when_it_is_ticked(page: Page) -> None:
    before = record(page)
    large, small = before["faces"]
    boxes = page.locator("#faces input[type=checkbox]")
    expect(boxes).to_have_count(2)
    expect(boxes.nth(1)).to_have_accessible_name("Face on the right, on the screen for 0:04, 0:00–0:08")
    line(page, 0).click()
    picture = page.locator("#why img")
    looked_at = picture.get_attribute("src")

    boxes.nth(1).focus()
    page.keyboard.press("Space")
    expect(page.locator("#faces-note")).to_contain_text("The ticked face counts.")
    expect(picture).not_to_have_attribute("src", looked_at or "")
    expect(boxes.nth(1)).to_be_checked()
    expect(boxes.nth(1)).to_be_focused()
    expect(page.locator("#verdict .chips")).to_contain_text("face chosen by hand")
    chosen = record(page)
    assert chosen["edits"]["faces"] == [small["track"]]
    assert {segment["face_track"] for segment in chosen["segments"]} == {small["track"]}
    assert chosen["segments"][0]["evidence"]["video"] != before["segments"][0]["evidence"]["video"]

    boxes.nth(0).check()
    expect(page.locator("#faces-note")).to_contain_text("The 2 ticked faces count, as one person.")
    assert {segment["face_track"] for segment in record(page)["segments"]} == {large["track"]}
    page.click("#clear-faces")
    expect(page.locator("#faces-note")).to_contain_text("None is ticked")
    assert record(page)["segments"] == before["segments"]


def test_an_open_field_keeps_its_draft_while_something_else_is_read(page: Page) -> None:
    line(page, 0).locator(".pencil").click()
    page.locator(".editor textarea").fill("I am still wri")
    page.locator("#faces input[type=checkbox]").nth(1).check()
    expect(page.locator("#faces-note")).to_contain_text("The ticked face counts.")
    expect(page.locator(".editor textarea")).to_have_value("I am still wri")
    page.locator(".editor .leave").click()
    expect(page.locator(".editor")).to_have_count(0)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_of_it_is_a_serious_barrier(page: Page, theme: str, viewport: dict[str, int]) -> None:
    correct(page, 0, "I am so angry that you came.")
    page.set_viewport_size(viewport)
    page.evaluate(f"document.body.classList.toggle('dark', {json.dumps(theme == 'dark')})")
    line(page, 1).locator(".pencil").click()
    page.locator("#faces input[type=checkbox]").nth(1).check()
    expect(page.locator("#faces-note")).to_contain_text("The ticked face counts.")
    page.wait_for_timeout(1700)  # until the lines that were answered anew are calm again
    settle(page)
    assert serious_barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], "the page scrolls sideways"
    page.locator(".editor .leave").click()
    page.evaluate("document.body.classList.remove('dark')")


# ---------------------------------------------------------------- watching


def test_somebody_who_watches_is_read_from_the_face_alone(app: App, browser: Browser, clip: Path) -> None:
    page = visit(app, browser)
    choose(page, clip)
    page.get_by_label("Someone watching").check()
    expect(page.locator("#language input")).to_be_disabled()
    page.click("#analyse")
    expect(page.locator("#downloads")).to_be_visible()
    expect(page.locator("#transcript h2")).to_contain_text("Moments")
    expect(page.locator("#transcript .pencil")).to_have_count(0)
    watched = record(page)
    assert {segment["kind"] for segment in watched["segments"]} == {"watched"}
    assert [segment["start_seconds"] for segment in watched["segments"]] == [
        2.0 * i for i in range(len(watched["segments"]))
    ]
    expect(page.locator("#transcript .said").first).to_have_text("face only")
    expect(page.locator("#why-body .alone")).to_have_count(1)
    expect(page.locator("#verdict .chips")).not_to_contain_text("speech")
    expect(page.locator("#faces input[type=checkbox]")).to_have_count(2)
    page.click("#again")
    page.get_by_label("Someone speaking").check()
    expect(page.locator("#language input")).to_be_enabled()
    page.close()
