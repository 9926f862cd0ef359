"""Many visitors at once, visitors who leave, and a long life: each gets their own answer, and nothing piles up."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from bench_long_life import LongLife
from gradio_client import Client, handle_file
from media_files import even_times, write_media
from playwright.sync_api import Browser, expect
from small_parts import require_whisper
from studio_app import PATIENCE_SECONDS, App, choose, visit

import app as app_module

CLIENTS = 8

MOST_GROWTH_MB = 150
"""Of the app's memory from one round of clients to the next; the first round fills what is kept for all."""

IMPATIENT = """
import sys
from gradio_client import Client, handle_file
job = Client(sys.argv[1], verbose=False).submit(handle_file(sys.argv[2]), "en", api_name="/analyze")
while job.status().code.name != "PROCESSING" and not job.done():
    pass
print("begun", flush=True)
job.result()
print("done", flush=True)
"""
"""A client that waits for its answer, unless it is killed before."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """As many clips as there are clients, each of a length of its own."""
    folder = tmp_path_factory.mktemp("clips")
    return [
        write_media(folder / f"clip {number}.mp4", times_seconds=even_times(2.0 + number / 10, rate=10))
        for number in range(CLIENTS)
    ]


def test_eight_clients_at_once_get_each_their_own_answer_and_memory_returns(app: App, clips: list[Path]) -> None:
    process = psutil.Process(app.process.pid)
    ranks: list[int] = []

    def ask(clip: Path) -> dict:
        client = Client(app.url, verbose=False, httpx_kwargs={"timeout": PATIENCE_SECONDS})
        job = client.submit(handle_file(clip), "en", api_name="/analyze")
        while not job.done():
            ranks.append(job.status().rank or 0)
            time.sleep(0.05)
        return job.result()

    used_mb = []
    for _ in range(2):
        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(ask, clips))
        for number, (clip, answer) in enumerate(zip(clips, answers, strict=True)):
            assert answer["video"]["name"] == clip.name
            assert answer["video"]["duration_seconds"] == pytest.approx(2.0 + number / 10, abs=0.11)
        used_mb.append(process.memory_info().rss / 2**20)
    assert max(ranks) > 0, "nobody was told of having to wait"
    assert used_mb[1] - used_mb[0] < MOST_GROWTH_MB


def test_who_waits_sees_it_and_who_leaves_makes_room(
    app: App, browser: Browser, long_silence: Path, clips: list[Path]
) -> None:
    """Two clients take all places; they are killed, and the visitor who waited gets an answer long before theirs."""
    command = [sys.executable, "-c", IMPATIENT, app.url, str(long_silence)]
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for client in clients:
        assert client.stdout.readline().strip() == "begun"
    page = visit(app, browser)
    choose(page, clips[0])
    page.click("#analyse")
    expect(page.locator("#running")).to_contain_text("Waiting for its turn")
    expect(page.locator("#running")).to_contain_text("queue: 1/1")
    comparing = visit(app, browser)
    comparing.get_by_role("tab", name="Compare").click()
    for place, clip in zip(("cut-a", "cut-b"), clips, strict=False):
        comparing.set_input_files(f"#{place} input[type=file]", clip)
        expect(comparing.locator(f"#{place}")).to_contain_text(clip.stem)
    comparing.click("#compare")
    expect(comparing.locator("#compare-running")).to_contain_text("queue: 2/2")
    for client in clients:
        assert client.poll() is None, "the long analysis was over too soon for this test"
        client.kill()
    expect(page.locator("#downloads")).to_be_visible()
    expect(comparing.locator("#compare-verdict")).to_be_visible()
    assert [client.stdout.read() for client in clients] == ["", ""]
    page.close()
    comparing.close()


def test_a_visitor_who_closes_the_page_makes_room(
    app: App, browser: Browser, long_silence: Path, clips: list[Path]
) -> None:
    for _ in range(2):
        page = visit(app, browser)
        choose(page, long_silence)
        page.click("#analyse")
        expect(page.locator("#transcript tbody tr").first).to_be_visible()
        page.close()
    job = Client(app.url, verbose=False).submit(handle_file(clips[0]), "en", api_name="/analyze")
    assert job.result(timeout=PATIENCE_SECONDS)["video"]["name"] == clips[0].name


def test_whoever_stops_the_app_is_told_what_ends(capsys: pytest.CaptureFixture[str]) -> None:
    over = threading.Event()
    running = [threading.Thread(target=over.wait, name="analysis") for _ in range(2)]
    app_module._say_what_ends()
    assert capsys.readouterr().err == ""
    for thread in running:
        thread.start()
    app_module._say_what_ends()
    over.set()
    assert "2 analyses that were running ended unfinished" in capsys.readouterr().err


def test_twenty_analyses_leave_nothing_behind(random_checkpoint: Path, small_video: Path) -> None:
    require_whisper()
    life = LongLife(random_checkpoint, small_video)
    life.live(5)
    gc.collect()
    before = life.state()
    life.live(20)
    gc.collect()
    after = life.state()
    assert after.open_files <= before.open_files
    assert after.threads <= before.threads
    assert after.memory_mb - before.memory_mb < 60
