"""The app as a visitor meets it: app.py as its own process, a real Chromium, real files.

One process serves all tests. Its weights are random: what is said here is that answers arrive and are shown,
not that they are right.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, Page, expect
from studio_app import DESKTOP, PHONE, App, analyse, app_command, choose, download, free_port, visit

from sentiment.labels import EMOTIONS, SENTIMENTS


@pytest.fixture
def page(app: App, browser: Browser) -> Iterator[Page]:
    page = visit(app, browser)
    yield page
    page.close()


@pytest.fixture(scope="module")
def analysed(app: App, browser: Browser, talking_face: Path) -> Page:
    """The page after the talk was analysed, shared by the tests that only look at it."""
    page = visit(app, browser)
    analyse(page, talking_face)
    return page


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
    assert timeline["video"]["name"] == "talking face.mp4"
    assert timeline["summary"]["headline"] == page.locator("#verdict .headline").inner_text()
    assert "start_seconds" in download(page, "csv").read_text(encoding="utf-8-sig").splitlines()[0].split(",")
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


def test_a_sound_file_is_a_valid_video_without_a_face(page: Page, spoken_sentences: list[Path]) -> None:
    analyse(page, spoken_sentences[0])
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
    page.locator("#transcript tbody tr").nth(1).click()
    page.wait_for_function("document.querySelector('#player video').currentTime > 1")
    expect(page.locator("#transcript tbody tr.now")).to_have_count(1)
    page.wait_for_function("document.querySelector('#why img')?.naturalWidth > 0")
    summary = json.loads(download(page, "json").read_text(encoding="utf-8"))["summary"]
    assert 0 < summary["analysed_seconds"] < summary["duration_seconds"]

    page.click("#again")
    expect(page.locator("#analyse")).to_be_visible()
    expect(page.locator("#results")).to_be_hidden()


# ---------------------------------------------------------------- the endpoint, privacy, the command line


def test_the_endpoint_gives_the_timeline_as_json(app: App, spoken_sentences: list[Path]) -> None:
    client = Client(app.url, verbose=False)
    timeline = client.predict(handle_file(spoken_sentences[1]), "en", api_name="/analyze")
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
    assert list(api["named_endpoints"]) == ["/analyze", "/summarize"]
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
