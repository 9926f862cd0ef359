"""The report, as a browser shows it: offline, on a desktop, a phone and paper, in the light and in the dark."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from export_timelines import HARM, PROVENANCE, full_timeline, hostile_timeline
from playwright.sync_api import Browser, Page
from timelines import doubtful_timeline, sample_timeline, timeline_of

from sentiment.datatypes import Timeline
from sentiment.export import write_export
from sentiment.report import html_report
from sentiment.timeline import headline


class Texts(HTMLParser):
    """What of a page is read, without scripts and styles, and which addresses it names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.addresses: list[str] = []
        self._hidden = False
        self.feed(page)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden = tag in ("script", "style")
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)


def test_it_says_what_was_found_and_where_it_comes_from() -> None:
    timeline = full_timeline()
    page = Texts(html_report(timeline))
    for words in (
        *("talk.mp4", headline(timeline), "Look at that!", "joy 82%", "unsure: disgust or surprise", "no answer"),
        "words and face disagree; check this moment",
        *(PROVENANCE["file_sha256"], PROVENANCE["checkpoint"]["sha256"], "Whisper base"),
        "python -m sentiment repeat timeline.json talk.mp4 --checkpoint starter",
    ):
        assert words in page.text
    assert page.text.count("anger 60%") == 2  # what the words say by themselves, in both segments that have some


def test_it_needs_nothing_else() -> None:
    page = html_report(full_timeline())
    assert Texts(page).addresses == []
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page


def test_harm_is_text() -> None:
    page = Texts(html_report(hostile_timeline()))
    assert page.addresses == []
    assert HARM[1] in page.text


@pytest.mark.parametrize("timeline", [doubtful_timeline(), timeline_of(duration_seconds=3.0)])
def test_where_little_was_found_it_says_so(timeline: Timeline) -> None:
    page = Texts(html_report(timeline))
    assert "No answer is certain, so none of" in page.text
    assert "No certain answer is positive or negative." in page.text
    assert "To repeat it" not in page.text  # its provenance does not say how


# ---------------------------------------------------------------- in a browser


def opened(browser: Browser, path: Path, timeline: Timeline, width: int, scheme: str) -> tuple[Page, list[str]]:
    """The page, and the errors it met."""
    write_export(timeline, "html", path)
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True).new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on(
        "request", lambda request: None if request.url.startswith(("file:", "data:")) else errors.append(request.url)
    )
    page.goto(path.as_uri())
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    return page, errors


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_opens_offline_and_fits(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    page, errors = opened(browser, tmp_path / "report.html", sample_timeline(), width, scheme)
    assert errors == []
    assert page.locator(".js-plotly-plot").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    luminance = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
    assert luminance > 200 if scheme == "light" else luminance < 60
    for plot in page.locator(".js-plotly-plot").all():
        box = plot.bounding_box()
        assert box and box["width"] > 0.8 * min(width, 1000) and box["x"] + box["width"] <= width


def test_plots_answer_to_the_pointer(browser: Browser, tmp_path: Path) -> None:
    page, _ = opened(browser, tmp_path / "report.html", sample_timeline(), 1280, "light")
    page.locator("#emotions .nsewdrag").first.hover(position={"x": 60, "y": 120})
    assert "I am so happy" in page.locator("#emotions .hoverlayer").text_content(timeout=5000)


def test_harm_does_none(browser: Browser, tmp_path: Path) -> None:
    page, errors = opened(browser, tmp_path / "report.html", hostile_timeline(), 1280, "light")
    assert page.evaluate("window.harmed") is None and page.locator("img").count() == 0
    assert HARM[1] in page.locator("tbody").inner_text()
    page.locator("#emotions .nsewdrag").first.hover(position={"x": 400, "y": 120})
    page.wait_for_timeout(200)
    assert page.evaluate("window.harmed") is None and errors == []


def test_it_prints_within_the_paper_and_unfolded(browser: Browser, tmp_path: Path) -> None:
    page, _ = opened(browser, tmp_path / "report.html", replace(full_timeline()), 1280, "dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("details").evaluate("element => element.open")
    assert page.locator("#emotions .main-svg").first.bounding_box()["width"] <= 690
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(22, 24, 28)"  # ink on paper, also at night
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    page.wait_for_function("document.querySelector('#emotions .main-svg').getBoundingClientRect().width > 800")
