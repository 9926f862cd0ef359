"""One analysis behind four doors: Python, the command line, the API and the MCP server give the same timeline.

And one login before those that are open to the network.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from media_files import even_times, write_media
from playwright.sync_api import Browser, expect
from small_parts import require_whisper, spoken_sound
from studio_app import LOGIN, PATIENCE_SECONDS, App, face

from app import find_logins, parse_options
from sentiment.__main__ import build_parser, main
from sentiment.edits import Edits
from sentiment.errors import SettingsError
from sentiment.export import timeline_to_dict
from sentiment.pipeline import analyze_video, load_models
from sentiment.settings import VIEWINGS, AnalysisSettings

SAID = "I never said that!"


@pytest.fixture(scope="module")
def two_faces(spoken_sentences: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence, spoken by one of two people who are in the picture all the time."""
    samples, rate_hz = spoken_sound(spoken_sentences[:1], pause_seconds=0.5)
    picture = np.hstack([face(), face()[:, ::-1]])
    times_seconds = even_times(len(samples) / rate_hz, 10)
    path = tmp_path_factory.mktemp("doors") / "two faces.mp4"
    return write_media(path, times_seconds=times_seconds, picture=lambda _: picture, sound=samples, rate_hz=rate_hz)


@pytest.fixture(scope="module")
def plain(two_faces: Path, random_checkpoint: Path) -> dict[str, Any]:
    """What Python gives without corrections, as JSON."""
    require_whisper()
    models = load_models(random_checkpoint, device="cpu")
    return undated(timeline_to_dict(analyze_video(two_faces, models, AnalysisSettings(language="en"))))


def undated(timeline: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it, without the one thing that differs each time."""
    timeline = json.loads(json.dumps(timeline))
    del timeline["provenance"]["created_at"]
    return timeline


@pytest.fixture(scope="module")
def spoken(plain: dict[str, Any]) -> int:
    """The index of the segment in which something is said."""
    return next(i for i, segment in enumerate(plain["segments"]) if segment["kind"] == "speech")


@pytest.fixture(scope="module")
def other_face(plain: dict[str, Any], spoken: int) -> int:
    """The track of the face that was not read."""
    tracks = {face["track"] for face in plain["faces"]} - {plain["segments"][spoken]["face_track"]}
    return tracks.pop()


@pytest.fixture(scope="module")
def corrected(two_faces: Path, random_checkpoint: Path, spoken: int, other_face: int) -> dict[str, Any]:
    """What Python gives with a correction and the other face, as JSON."""
    edits = Edits(words={spoken: SAID}, faces=(other_face,))
    models = load_models(random_checkpoint, device="cpu")
    return undated(timeline_to_dict(analyze_video(two_faces, models, AnalysisSettings(language="en"), edits=edits)))


def test_a_correction_and_a_face_change_the_answer(
    plain: dict[str, Any], corrected: dict[str, Any], spoken: int, other_face: int
) -> None:
    before, after = plain["segments"][spoken], corrected["segments"][spoken]
    assert after["text"] == SAID and after["heard_text"] == before["text"]
    assert after["face_track"] == other_face
    assert after["emotion"] != before["emotion"]


def test_the_command_line_gives_the_same_timeline(
    two_faces: Path, random_checkpoint: Path, tmp_path: Path, corrected: dict[str, Any], spoken: int, other_face: int
) -> None:
    options = ["--checkpoint", str(random_checkpoint), "--device", "cpu", "--language", "en", "--formats", "json"]
    edits = ["--viewing", "speaking", "--correct", f"{spoken}={SAID}", "--faces", str(other_face)]
    assert main(["analyze", str(two_faces), "--out", str(tmp_path), *options, *edits]) == 0
    assert undated(json.loads((tmp_path / "timeline.json").read_text(encoding="utf-8"))) == corrected


def test_the_api_gives_the_same_timeline(
    guarded_app: App, two_faces: Path, corrected: dict[str, Any], spoken: int, other_face: int
) -> None:
    client = Client(guarded_app.url, auth=LOGIN, verbose=False)
    given = client.predict(
        handle_file(two_faces),
        language="en",
        viewing="speaking",
        corrections={str(spoken): SAID},
        faces=[other_face],
        api_name="/analyze",
    )
    assert undated(given) == corrected


def test_the_mcp_server_gives_the_same_timeline_and_a_short_one(
    guarded_app: App, two_faces: Path, corrected: dict[str, Any], spoken: int, other_face: int
) -> None:
    arguments = {
        "file": uploaded(guarded_app, two_faces),
        "language": "en",
        "corrections": {str(spoken): SAID},
        "faces": [other_face],
    }
    whole, short = ask_tools(
        guarded_app,
        lambda session: session.call_tool("analyze_video", arguments),
        lambda session: session.call_tool("summarize_video", arguments),
    )
    assert not whole.isError, whole.content[0].text
    assert undated(json.loads(whole.content[0].text)) == corrected
    summary = json.loads(short.content[0].text)
    assert summary["summary"] == corrected["summary"]
    assert summary["segments"][spoken]["text"] == SAID
    assert set(summary["segments"][spoken]) < set(corrected["segments"][spoken])


def test_the_tools_are_documented(guarded_app: App) -> None:
    (listed,) = ask_tools(guarded_app, lambda session: session.list_tools())
    tools = {tool.name: tool for tool in listed.tools}
    assert set(tools) == {"analyze_video", "summarize_video"}
    for tool in tools.values():
        properties = tool.inputSchema["properties"]
        assert list(properties) == ["file", "language", "viewing", "corrections", "translations", "faces"]
        assert all(len(value["description"]) > 20 for value in properties.values())
        assert tool.inputSchema["required"] == ["file"]
    assert "need not be what a person feels" in tools["analyze_video"].description


def test_the_command_line_knows_every_viewing(capsys: pytest.CaptureFixture[str]) -> None:
    for viewing in VIEWINGS:
        assert build_parser().parse_args(["analyze", "a.mp4", "--out", "b", "--viewing", viewing]).viewing == viewing
    with pytest.raises(SystemExit):
        build_parser().parse_args(["analyze", "a.mp4", "--out", "b", "--viewing", "dreaming"])
    assert "dreaming" in capsys.readouterr().err


def test_what_is_wrong_is_said_through_every_door(
    guarded_app: App, two_faces: Path, random_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Client(guarded_app.url, auth=LOGIN, verbose=False)
    with pytest.raises(AppError, match="There is no face 7 to choose"):
        client.predict(handle_file(two_faces), language="en", faces=[7], api_name="/analyze")
    with pytest.raises(AppError, match="from a segment's index to a text"):
        client.predict(handle_file(two_faces), corrections={"first": "words"}, api_name="/analyze")
    with pytest.raises(AppError, match="klingon"):
        client.predict(handle_file(two_faces), language="klingon", api_name="/analyze")
    for options, said in {
        ("--correct", "first=words"): "--correct takes a segment's index",
        ("--faces", "left"): "--faces takes the numbers of faces",
    }.items():
        assert main(["analyze", str(two_faces), "--out", str(tmp_path), *options]) == 2
        assert said in capsys.readouterr().err


# ---------------------------------------------------------------- the login


def test_nothing_but_the_login_page_is_open_without_a_login(guarded_app: App) -> None:
    asked = {
        "GET": ["config", "gradio_api/info", "gradio_api/file=/etc/passwd", "gradio_api/queue/data?session_hash=x"],
        "POST": ["gradio_api/upload", "gradio_api/queue/join", "gradio_api/run/analyze", "gradio_api/call/analyze"],
    }
    asked["GET"] += ["gradio_api/mcp/", "gradio_api/mcp/schema", "gradio_api/mcp/sse", "//gradio_api/mcp/schema"]
    asked["POST"] += ["gradio_api/mcp/", "gradio_api/mcp/http", "gradio_api/mcp/messages/"]
    for method, paths in asked.items():
        for path in paths:
            answer = httpx.request(method, guarded_app.url + path, json={}, timeout=30)
            assert answer.status_code in (401, 404), f"{method} {path}: {answer.status_code}"
    for wrong in (("ann", "open"), ("bob", LOGIN[1]), ("", "")):
        answer = httpx.get(guarded_app.url + "gradio_api/mcp/schema", auth=wrong)
        assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Basic")
    for broken in ("Basic", "Basic ###", f"Bearer {base64.b64encode(':'.join(LOGIN).encode()).decode()}"):
        assert (
            httpx.get(guarded_app.url + "gradio_api/mcp/schema", headers={"Authorization": broken}).status_code == 401
        )


def test_http_basic_opens_what_the_form_opens(guarded_app: App) -> None:
    assert "named_endpoints" in httpx.get(guarded_app.url + "gradio_api/info", auth=LOGIN).json()
    assert httpx.get(guarded_app.url + "gradio_api/mcp/schema", auth=LOGIN).status_code == 200
    form = {"username": LOGIN[0], "password": LOGIN[1]}
    assert httpx.post(guarded_app.url + "login", data=form).status_code == 200
    assert httpx.post(guarded_app.url + "login", data={**form, "password": "open"}).status_code == 400


def test_the_page_asks_for_the_login(guarded_app: App, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(guarded_app.url)
    expect(page.get_by_label("username")).to_be_visible()
    expect(page.locator("#analyse")).to_have_count(0)
    page.get_by_label("username").fill(LOGIN[0])
    page.get_by_label("password").fill(LOGIN[1])
    page.get_by_role("button", name="Login").click()
    expect(page.locator("#analyse")).to_be_visible()
    page.close()


def test_logins_come_from_options_a_file_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "logins"
    file.write_text("ben:a b\n\n cid:x:y \n")
    monkeypatch.setenv("VIDEO_SENTIMENT_AUTH", "dora:z")
    options = parse_options(["--auth", "ann:1", "--auth", "eve:2", "--auth-file", str(file)])
    assert find_logins(options) == [("ann", "1"), ("eve", "2"), ("ben", "a b"), ("cid", "x:y"), ("dora", "z")]
    monkeypatch.delenv("VIDEO_SENTIMENT_AUTH")
    assert find_logins(parse_options([])) == []


@pytest.mark.parametrize("options", [["--auth", "ann"], ["--auth", ":1"], ["--auth", "ann:"]])
def test_half_a_login_is_refused_and_not_repeated(options: list[str]) -> None:
    with pytest.raises(SettingsError, match="USER:PASSWORD") as caught:
        find_logins(parse_options(options))
    assert "ann" not in str(caught.value)


def test_a_file_without_logins_does_not_open_the_door(tmp_path: Path) -> None:
    empty = tmp_path / "logins"
    empty.write_text("\n")
    for file, said in ((empty, "holds no login"), (tmp_path / "missing", "cannot be read")):
        with pytest.raises(SettingsError, match=said):
            find_logins(parse_options(["--auth-file", str(file)]))


# ---------------------------------------------------------------- asking the tools


def uploaded(app: App, path: Path) -> str:
    """The address of a file after it was sent, as `gradio upload-mcp` does it."""
    with path.open("rb") as file:
        answer = httpx.post(app.url + "gradio_api/upload", files={"files": (path.name, file)}, auth=LOGIN, timeout=60)
    return f"{app.url}gradio_api/file={answer.raise_for_status().json()[0]}"


def ask_tools(app: App, *questions: Callable[[Any], Awaitable[Any]]) -> Sequence[Any]:
    """What the MCP server answers, one question after the other, in one session."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def ask() -> list[Any]:
        basic = base64.b64encode(":".join(LOGIN).encode()).decode()
        headers = {"Authorization": f"Basic {basic}"}
        address = app.url + "gradio_api/mcp/"
        async with (
            streamablehttp_client(address, headers=headers, sse_read_timeout=PATIENCE_SECONDS) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return [await question(session) for question in questions]

    with ThreadPoolExecutor(1) as thread:  # in this one, Playwright may have a loop that runs
        return thread.submit(asyncio.run, ask()).result()
