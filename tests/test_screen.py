"""One moment, shown everywhere: the player, the plots, the transcript and the evidence in a real browser.

The example is analysed once. Its weights are random: what is said here is that all parts show the same moment,
not that the answers are right.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from studio_app import DESKTOP, PHONE, App, analyse, download, visit

from sentiment.labels import EMOTIONS, MODALITY_NAMES, SENTIMENTS
from sentiment.timeline import format_clock

VIDEO = "document.querySelector('#player video')"

AXES = (
    "[...document.querySelectorAll('#timeline .js-plotly-plot')].map((plot) => {"
    " const { _offset, _length, range } = plot._fullLayout.xaxis; const box = plot.getBoundingClientRect();"
    " return { left: box.left + _offset, width: _length, seconds: range[1], top: box.top, bottom: box.bottom }; })"
)
"""Of both plots: where their time axes lie on the screen, in px, and how many seconds they span."""


class Screen(NamedTuple):
    """The page that shows the example, and what its JSON says."""

    page: Page
    timeline: dict[str, Any]

    @property
    def segments(self) -> list[dict[str, Any]]:
        return self.timeline["segments"]

    def seconds(self) -> float:
        return self.page.evaluate(f"{VIDEO}.currentTime")

    def go_to(self, seconds: float) -> None:
        """As with the player's own slider."""
        self.page.evaluate(f"{VIDEO}.currentTime = {seconds}")
        self.page.wait_for_function(f"!{VIDEO}.seeking")
        settle(self.page)

    def expect_moment(self, index: int) -> None:
        """All parts show this segment."""
        segment = self.segments[index]
        span = f"{format_clock(segment['start_seconds'])} – {format_clock(segment['end_seconds'])}"
        row = self.page.locator("#transcript tbody tr").nth(index)
        expect(row).to_have_attribute("aria-current", "true")
        expect(self.page.locator("#transcript tbody tr.now")).to_have_count(1)
        expect(self.page.locator("#now-when")).to_have_text(f"· {span}")
        expect(self.page.locator("#why-when")).to_have_text(f"· {span}")


def settle(page: Page) -> None:
    """Waits until what was changed is drawn."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


@pytest.fixture(scope="module")
def example(app: App, browser: Browser) -> Iterator[Screen]:
    page = visit(app, browser)
    page.click("#example")
    expect(page.locator("#downloads")).to_be_visible()
    page.wait_for_function(f"{VIDEO}?.readyState >= 1")
    yield Screen(page, json.loads(download(page, "json").read_text(encoding="utf-8")))
    page.close()


@pytest.fixture
def screen(example: Screen) -> Screen:
    """The example at its start, at rest, with the focus nowhere."""
    example.page.set_viewport_size(DESKTOP)
    example.page.evaluate(f"{VIDEO}.pause(); document.activeElement.blur(); scrollTo(0, 0)")
    example.go_to(0)
    return example


# ---------------------------------------------------------------- one moment


def test_clicks_on_ribbon_plots_rows_and_moments_move_the_player(screen: Screen) -> None:
    page = screen.page
    page.locator("#timeline").scroll_into_view_if_needed()
    emotions, sentiments = page.evaluate(AXES)
    ribbon = (emotions, emotions["top"] + 15)
    places = [ribbon, (emotions, emotions["top"] + 150), (sentiments, sentiments["top"] + 60)]
    for (axis, height), share in zip(places, (0.3, 0.55, 0.8), strict=True):
        page.mouse.click(axis["left"] + share * axis["width"], height)
        page.wait_for_function(f"Math.abs({VIDEO}.currentTime - {share * axis['seconds']}) < 0.1")

    rows = page.locator("#transcript tbody tr")
    for index in (6, 2):
        rows.nth(index).locator(".words").click()
        page.wait_for_function(f"Math.abs({VIDEO}.currentTime - {screen.segments[index]['start_seconds']}) < 0.01")
        screen.expect_moment(index)

    moment = page.locator("#moments button").first
    summary = screen.timeline["summary"]
    strongest = summary["strongest_positive"] or summary["strongest_negative"]
    moment.click()
    page.wait_for_function(f"Math.abs({VIDEO}.currentTime - {strongest['time_seconds']}) < 0.01")
    screen.expect_moment(strongest["segment_index"])


def test_while_it_plays_everything_follows(screen: Screen) -> None:
    page, (first, second) = screen.page, screen.segments[6:8]
    screen.go_to(first["end_seconds"] - 0.6)
    page.keyboard.press("Space")
    page.wait_for_function(f"!{VIDEO}.paused")
    seen = set()
    for _ in range(200):
        now = page.evaluate(
            f"(() => {{ const [axis] = {AXES}; const head = document.querySelector('.playhead');"
            " const place = head.getBoundingClientRect(); const row = document.querySelector('#transcript tr.now');"
            f" return {{ seconds: {VIDEO}.currentTime, row: row && Number(row.dataset.start),"
            " shown: (place.left + place.width / 2 - axis.left) / axis.width * axis.seconds }; })()"
        )
        assert now["shown"] == pytest.approx(now["seconds"], abs=0.7), "the playhead is not where the player is"
        if now["row"] is not None:
            seen.add(now["row"])
        if now["seconds"] > second["start_seconds"] + 0.5:
            break
        page.wait_for_timeout(50)
    page.keyboard.press("Space")
    page.wait_for_function(f"{VIDEO}.paused")
    settle(page)
    assert {round(first["start_seconds"], 3), round(second["start_seconds"], 3)} <= seen


def test_the_playhead_is_where_the_player_is_to_the_pixel(screen: Screen) -> None:
    for viewport in (PHONE, DESKTOP):
        screen.page.set_viewport_size(viewport)
        screen.page.wait_for_timeout(600)  # Plotly redraws some time after a resize, and says so nowhere
        for seconds in (3.0, 20.25):
            screen.go_to(seconds)
            emotions, sentiments = screen.page.evaluate(AXES)
            head = screen.page.locator(".playhead").bounding_box()
            middle = head["x"] + head["width"] / 2
            assert middle == pytest.approx(emotions["left"] + seconds / emotions["seconds"] * emotions["width"], abs=1)
            assert head["y"] == pytest.approx(emotions["top"], abs=1)
            assert sentiments["top"] < head["y"] + head["height"] < sentiments["bottom"]


def test_arrow_keys_step_by_segment_and_space_plays(screen: Screen) -> None:
    page, starts = screen.page, [s["start_seconds"] for s in screen.segments]
    screen.go_to(starts[3] + 0.2)
    for key, index in (("ArrowRight", 4), ("ArrowRight", 5), ("ArrowLeft", 4), ("ArrowLeft", 3)):
        page.keyboard.press(key)
        assert screen.seconds() == pytest.approx(starts[index], abs=0.01)
        settle(page)
        screen.expect_moment(index)
    page.keyboard.press("Space")
    page.wait_for_function(f"!{VIDEO}.paused && {VIDEO}.currentTime > {starts[3] + 0.2}")
    page.keyboard.press("Space")
    page.wait_for_function(f"{VIDEO}.paused")


def test_keys_belong_to_a_field_while_one_types(screen: Screen) -> None:
    page = screen.page
    page.evaluate("document.querySelector('#results').insertAdjacentHTML('beforeend', '<input id=\"typed\">')")
    page.locator("#typed").press_sequentially("a b")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#typed").input_value() == "a b"
    assert screen.seconds() == 0
    assert page.evaluate(f"{VIDEO}.paused")
    page.evaluate("document.querySelector('#typed').remove()")


def test_space_after_a_click_on_a_line_plays_and_does_not_press_the_line_again(screen: Screen) -> None:
    page, start = screen.page, screen.segments[2]["start_seconds"]
    page.locator("#transcript tbody tr").nth(2).locator(".time button").click()
    page.keyboard.press("Space")
    page.wait_for_function(f"!{VIDEO}.paused && {VIDEO}.currentTime > {start + 0.1}")


def test_the_row_of_the_moment_is_scrolled_to_within_its_own_box(screen: Screen) -> None:
    page = screen.page
    box = page.locator("#transcript .scroll")
    assert page.evaluate(
        "(() => { const b = document.querySelector('#transcript .scroll');"
        " return b.scrollHeight > b.clientHeight + 50; })()"
    ), "there is nothing to scroll"
    last = len(screen.segments) - 1
    screen.go_to(screen.segments[last]["start_seconds"] + 0.1)
    screen.expect_moment(last)
    page.wait_for_function("document.querySelector('#transcript .scroll').scrollTop > 50")
    page.wait_for_timeout(800)  # the way there is smooth
    row, outer = page.locator("#transcript tr.now").bounding_box(), box.bounding_box()
    assert outer["y"] - 1 <= row["y"] and row["y"] + row["height"] <= outer["y"] + outer["height"] + 1
    assert page.evaluate("scrollY") == 0, "the page itself was scrolled"


# ---------------------------------------------------------------- what is shown of it


def whole_percent(share: float) -> str:
    return "<1%" if 0 < share < 0.01 else f"{int(100 * share + 0.5)}%"


def test_the_live_bars_show_the_fused_answer_of_the_moment(screen: Screen) -> None:
    index, segment = next((i, s) for i, s in enumerate(screen.segments) if s["emotion"])
    screen.go_to(segment["start_seconds"] + 0.1)
    screen.expect_moment(index)
    for kind, labels in (("emotion", EMOTIONS), ("sentiment", SENTIMENTS)):
        for label in labels:
            bar = screen.page.locator(f"#now [data-{kind}={label}]")
            assert bar.locator(".number").inner_text() == whole_percent(round(segment[kind][label], 3))
        expect(screen.page.locator(f"#now [data-{kind}].top")).to_have_attribute(f"data-{kind}", segment[f"top_{kind}"])


def test_in_a_pause_the_live_bars_are_empty(screen: Screen) -> None:
    pause = next(
        (a["end_seconds"] + b["start_seconds"]) / 2
        for a, b in itertools.pairwise(screen.segments)
        if b["start_seconds"] - a["end_seconds"] > 0.2
    )
    screen.go_to(pause)
    expect(screen.page.locator("#now-state")).to_contain_text("pause")
    assert set(screen.page.locator("#now .number").all_inner_texts()) == {"–"}
    expect(screen.page.locator("#transcript tr.now")).to_have_count(0)


def test_the_evidence_says_what_each_signal_says_alone_and_what_is_left_without_it(screen: Screen) -> None:
    page = screen.page
    index, segment = next((i, s) for i, s in enumerate(screen.segments) if all(s["evidence"].values()))
    page.locator("#transcript tbody tr").nth(index).click()
    screen.expect_moment(index)
    why = page.locator("#why-body")
    expect(why.locator(".answer")).to_contain_text(segment["top_emotion"])
    expect(why.locator(".said")).to_contain_text(segment["text"])
    for section, (modality, name) in zip(why.locator(".alone").all(), MODALITY_NAMES.items(), strict=True):
        alone = segment["evidence"][modality]
        top = max(alone["sentiment"], key=alone["sentiment"].get)
        assert f"{name} · {top} {whole_percent(round(alone['sentiment'][top], 3))}" in section.inner_text()
        assert max(alone["emotion"], key=alone["emotion"].get) in section.locator(".share").first.inner_text()
    expect(why.locator(".without li")).to_have_count(3)
    page.wait_for_function("document.querySelector('#why img')?.naturalWidth > 0")
    assert page.evaluate("Math.max(document.querySelector('#why img').naturalWidth)") <= 96


def test_a_silent_face_says_so_in_its_evidence(screen: Screen) -> None:
    index = next(i for i, s in enumerate(screen.segments) if s["kind"] == "silent" and s["emotion"])
    screen.page.locator("#transcript tbody tr").nth(index).click()
    screen.expect_moment(index)
    expect(screen.page.locator("#why-body")).to_contain_text("words · nobody speaks")
    expect(screen.page.locator("#why-body .without")).to_have_count(0)


# ---------------------------------------------------------------- after changes, for everyone


def test_it_goes_on_after_the_theme_changes(screen: Screen) -> None:
    page = screen.page
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.evaluate(f"document.body.classList.toggle('dark', {json.dumps(scheme == 'dark')})")
        settle(page)
        page.locator("#timeline").scroll_into_view_if_needed()
        axis = page.evaluate(AXES)[0]
        page.mouse.click(axis["left"] + 0.5 * axis["width"], axis["top"] + 100)
        page.wait_for_function(f"Math.abs({VIDEO}.currentTime - {0.5 * axis['seconds']}) < 0.1")
        settle(page)
        head = page.locator(".playhead").bounding_box()
        assert head["x"] + head["width"] / 2 == pytest.approx(axis["left"] + 0.5 * axis["width"], abs=1)
        screen.go_to(0)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_results_have_no_serious_barrier_and_nothing_scrolls_sideways(
    screen: Screen, theme: str, viewport: dict[str, int]
) -> None:
    page = screen.page
    page.set_viewport_size(viewport)
    page.evaluate(f"document.body.classList.toggle('dark', {json.dumps(theme == 'dark')})")
    page.wait_for_timeout(600)
    screen.go_to(screen.segments[2]["start_seconds"])
    assert serious_barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], "the page scrolls sideways"
    page.evaluate("document.body.classList.remove('dark')")


def test_the_start_has_no_serious_barrier(app: App, browser: Browser) -> None:
    page = visit(app, browser)
    assert serious_barriers(page) == []
    page.close()


def serious_barriers(page: Page) -> list[str]:
    """What axe-core calls serious or critical, with the elements it means."""
    found = Axe().run(page).response
    assert found["passes"], "axe-core has looked at nothing"
    return [
        f"{barrier['id']}: {node['html'][:200]}"
        for barrier in found["violations"]
        if barrier["impact"] in ("serious", "critical")
        for node in barrier["nodes"]
    ]


def test_it_goes_on_after_a_second_analysis(screen: Screen, talking_face: Path) -> None:
    """The last test of this page: it replaces what the others look at."""
    page = screen.page
    page.click("#again")
    analyse(page, talking_face)
    page.wait_for_function(f"{VIDEO}?.readyState >= 1 && {VIDEO}.duration < 12")
    second = Screen(page, json.loads(download(page, "json").read_text(encoding="utf-8")))
    assert page.locator("#transcript tbody tr").count() == len(second.segments)
    last = len(second.segments) - 1
    page.locator("#transcript tbody tr").nth(last).click()
    page.wait_for_function(f"Math.abs({VIDEO}.currentTime - {second.segments[last]['start_seconds']}) < 0.01")
    second.expect_moment(last)
    page.keyboard.press("ArrowLeft")
    second.expect_moment(last - 1)
    page.keyboard.press("Space")
    page.wait_for_function(f"!{VIDEO}.paused")

    page.click("#make-mp4")
    expect(page.locator("#download-mp4")).to_be_visible()
    assert download(page, "mp4").stat().st_size > 10_000
