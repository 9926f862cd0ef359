"""Many files: found, analysed by workers that may die, gone on with, and put in order on a page."""

from __future__ import annotations

import functools
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from batch_workers import FragileAnalyst
from export_timelines import HARM, full_timeline
from media_files import even_times, tone, write_media
from playwright.sync_api import Browser, Page
from small_parts import require_whisper, save_random_checkpoint
from studio_app import spoken_video
from timelines import doubtful_timeline, sample_timeline

from sentiment import __main__ as cli
from sentiment.batch import LOST, BatchSettings, run_batch
from sentiment.batch_files import BatchFile, find_files, read_list
from sentiment.batch_parts import PartStore, finished_part, refused_part
from sentiment.batch_ranking import rank, set_headline
from sentiment.batch_ray import WORKER_BYTES, share_out
from sentiment.batch_results import RANKING, SEGMENTS, SUMMARIES, SUMMARY_COLUMNS, write_results
from sentiment.datatypes import Segment, Timeline
from sentiment.errors import SettingsError
from sentiment.labels import EMOTIONS
from sentiment.tables import SEGMENT_COLUMNS, segment_rows
from sentiment.timeline_json import timeline_to_dict

REPOSITORY = Path(__file__).resolve().parents[1]
PATIENCE_SECONDS = 480

ORIGIN = {
    "version": "0.1.0",
    "checkpoint": "made by hand",
    "checkpoint_sha256": "0" * 64,
    "whisper": "base",
    "settings": {"language": None, "viewing": "speaking"},
}


# ---------------------------------------------------------------- which files


def test_folders_are_searched_for_what_is_called_like_media(tmp_path: Path) -> None:
    for name in ("b.MP4", "a.wav", "notes.txt", ".hidden.mp4", "deep/er/c.webm", ".git/d.mp4", "no suffix"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    found = find_files([tmp_path, tmp_path / "a.wav", tmp_path / "no suffix", tmp_path / "missing.mp4"])
    names = [str(file.path.relative_to(tmp_path)) for file in found]
    assert names == ["a.wav", "b.MP4", "deep/er/c.webm", "no suffix", "missing.mp4"]  # each once
    assert found[0].size_bytes == 5 and found[-1] == BatchFile(tmp_path / "missing.mp4", 0, 0)


def test_a_folder_without_media_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SettingsError, match="There is no file to analyse"):
        find_files([tmp_path])
    assert cli.main(["batch", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("error: There is no file to analyse")
    assert not (tmp_path / "out").exists()


def test_lists_have_a_path_a_line() -> None:
    assert read_list(io.StringIO("a b.mp4\n\n#c.mp4\n")) == ["a b.mp4", "#c.mp4"]


# ---------------------------------------------------------------- what each worker gets


def machine(cpus: float, gpus: float = 0, workers_by_memory: int = 100) -> dict[str, float]:
    return {"CPU": cpus, "GPU": gpus, "memory": workers_by_memory * WORKER_BYTES}


@pytest.mark.parametrize(
    ("nodes", "workers", "gpus_per_worker", "expected"),
    [
        ([machine(2)], None, None, (2, 1, 0)),
        ([machine(2)], 1, None, (1, 2, 0)),
        ([machine(16, workers_by_memory=5)], None, None, (5, 3, 0)),
        ([machine(1, workers_by_memory=0)], None, None, (1, 1, 0)),
        ([machine(16, gpus=2)], None, None, (2, 8, 1)),
        ([machine(16, gpus=2)], None, 0.25, (8, 2, 0.25)),
        ([machine(16, gpus=2)], None, 0.4, (4, 4, 0.4)),  # 2 on each; a fifth would need parts of both
        ([machine(16, gpus=2)], 4, 0, (4, 4, 0)),
        ([machine(16), machine(16)], 3, None, (3, 8, 0)),  # 10 each would leave the third without a machine
        ([machine(8, gpus=1)] * 4, None, None, (4, 8, 1)),
    ],
)
def test_machines_are_shared_out(
    nodes: list[dict[str, float]], workers: int | None, gpus_per_worker: float | None, expected: tuple[int, int, float]
) -> None:
    share = share_out(nodes, workers, gpus_per_worker)
    assert (share.workers, share.cpus, share.gpus) == expected


@pytest.mark.parametrize(
    ("workers", "gpus_per_worker", "found"),
    [(0, None, "at least 1 worker"), (3, None, "2 at most"), (None, 1, "No GPU"), (None, -1, "cannot be -1")],
)
def test_what_is_not_there_cannot_be_shared_out(workers: int | None, gpus_per_worker: float | None, found: str) -> None:
    with pytest.raises(SettingsError, match=found):
        share_out([machine(2)], workers, gpus_per_worker)


def test_a_cluster_that_may_grow_is_waited_for() -> None:
    assert share_out([machine(2)], 8, 1, may_grow=True).workers == 8


def test_without_ray_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["batch", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "pip install -c constraints.txt -r requirements-batch.txt" in error


# ---------------------------------------------------------------- what is kept, and the tables


def test_a_part_is_of_one_state_of_a_file_and_of_one_way_to_analyse(tmp_path: Path) -> None:
    file = BatchFile(tmp_path / "a.mp4", 10, 20)
    store = PartStore(tmp_path, ORIGIN)
    assert not store.has(file) and store.read(file) is None
    store.write(file, json.dumps(refused_part("a.mp4", "It is broken.")))
    assert store.has(file) and store.read(file)["summary"]["error"] == "It is broken."
    for other in (replace(file, modified_ns=21), replace(file, size_bytes=11), replace(file, path=tmp_path / "b.mp4")):
        assert not store.has(other)
    for changed in ({"whisper": "small"}, {"checkpoint_sha256": "1" * 64}, {"settings": {"viewing": "watching"}}):
        assert not PartStore(tmp_path, {**ORIGIN, **changed}).has(file)


def results(folder: Path, timelines: dict[str, Timeline], errors: dict[str, str]) -> list[dict[str, Any]]:
    """A batch of timelines made by hand, each under its file's name, written into `folder`."""
    folder.mkdir(exist_ok=True)
    named = {name: replace(t, video={**t.video, "name": Path(name).name}) for name, t in timelines.items()}
    parts = [json.loads(json.dumps(finished_part(timeline, 1.5))) for timeline in named.values()]
    parts += [refused_part(Path(name).name, error) for name, error in errors.items()]
    files = [BatchFile(Path("/clips", name), 1, 1) for name in (*timelines, *errors)]
    return write_results(folder, files, parts, ORIGIN)


def test_parquet_opens_in_pandas_and_says_what_the_timeline_says(tmp_path: Path) -> None:
    timeline = sample_timeline()
    results(tmp_path / "out", {"a/party.mp4": timeline, "doubt.mp4": doubtful_timeline()}, {"b.mp4": "It is broken."})
    summaries = pd.read_parquet(tmp_path / "out" / SUMMARIES)
    assert tuple(summaries.columns) == SUMMARY_COLUMNS and len(summaries) == 3
    first, doubtful, failed = (row for _, row in summaries.iterrows())
    expected = timeline_to_dict(timeline)["summary"]
    assert first["path"] == "/clips/a/party.mp4" and first["mean_sentiment_score"] == expected["mean_sentiment_score"]
    assert [first[f"emotion_share_{name}"] for name in EMOTIONS] == list(expected["emotion_share"].values())
    assert pd.isna(doubtful["mean_sentiment_score"]) and pd.isna(doubtful["error"]) and doubtful["segment_count"] == 3
    assert failed["error"] == "It is broken." and pd.isna(failed["duration_seconds"])

    segments = pd.read_parquet(tmp_path / "out" / SEGMENTS)
    assert tuple(segments.columns) == ("path", *SEGMENT_COLUMNS)
    assert len(segments) == len(timeline.segments) + 3 and segments["certain"].dtype == bool
    row = segments.iloc[0]
    assert (row["top_emotion"], row["start_seconds"], row["certain"]) == ("joy", 0.0, True)
    assert row[[f"emotion_{name}" for name in EMOTIONS]].sum() == pytest.approx(1, abs=1e-3)
    merged = segments.merge(summaries, on="path", validate="many_to_one")
    assert len(merged) == len(segments)
    assert json.loads(pq.read_schema(tmp_path / "out" / SEGMENTS).metadata[b"sentiment"]) == ORIGIN


def test_every_cell_that_segments_can_have_has_its_type(tmp_path: Path) -> None:
    corrected = replace(
        full_timeline().segments[0],
        as_heard=Segment(0.0, 2.5, "speech", "Look at hat!", translation="Look at a hat!"),
        face_track=3,
    )
    timeline = replace(full_timeline(), segments=(corrected,))
    assert set(next(iter(segment_rows(timeline)))) == set(SEGMENT_COLUMNS)  # no cell is left untried
    results(tmp_path / "out", {"talk.mp4": timeline}, {})
    (row,) = pq.read_table(tmp_path / "out" / SEGMENTS).to_pylist()
    assert (row["face_track"], row["heard_text"], row["heard_translation"]) == (3, "Look at hat!", "Look at a hat!")


def test_names_that_a_spreadsheet_would_run_are_harmless(tmp_path: Path) -> None:
    name = "=cmd|' /C calc'!A0.mp4"
    results(tmp_path / "out", {name: sample_timeline()}, {"@sum.mp4": "@sum.mp4 is empty."})
    for table in (SUMMARIES, SEGMENTS):
        for text in pd.read_parquet(tmp_path / "out" / table).select_dtypes("str").stack().dropna():
            assert not text.startswith(("=", "@")), text


def test_results_are_whole_or_not_there(tmp_path: Path) -> None:
    files = [BatchFile(tmp_path / "a.mp4", 1, 1), BatchFile(tmp_path / "b.mp4", 1, 1)]

    def breaks_off() -> Iterator[Any]:
        yield refused_part("a.mp4", "It is broken.")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_results(tmp_path, files, breaks_off(), ORIGIN)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- the page


def test_files_are_ranked_and_the_set_is_summed_up(tmp_path: Path) -> None:
    rows = results(
        tmp_path / "out",
        {"a.mp4": doubtful_timeline(), "b.mp4": sample_timeline()},
        {"c.mp4": "It is broken."},
    )
    ranked, failed = rank([*rows, {**rows[1], "path": "/clips/best.mp4", "mean_sentiment_score": 0.9}])
    assert [Path(row["path"]).name for row in ranked] == ["best.mp4", "b.mp4", "a.mp4"]
    assert [row["video"] for row in failed] == ["c.mp4"]
    assert set_headline(rows) == (
        "Of 3 files, 0 lean positive, 0 negative and 1 neither way; 1 has no certain answer; 1 could not be analysed."
    )
    assert set_headline(rows[2:]) == "Of 1 file, 1 could not be analysed."


def opened(browser: Browser, folder: Path, width: int = 1280, scheme: str = "light") -> tuple[Page, list[str]]:
    """The page of results, and the errors it met."""
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True).new_page()
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto((folder / RANKING).as_uri())
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    return page, errors


@pytest.fixture(scope="module")
def set_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with names that would do harm, and with files that have no answer."""
    folder = tmp_path_factory.mktemp("set") / "out"
    whole = sample_timeline()
    happy, angry = (replace(whole, segments=whole.segments[i : i + 1]) for i in (0, 1))
    timelines = {
        "angry.mp4": resummed(angry),
        f"{HARM[1].replace('/', '∕')}.mp4": resummed(happy),  # a name has no slash
        "doubt \"' <b>.mp4": doubtful_timeline(),
        "party.mp4": whole,
    }
    results(folder, timelines, {"<i>bad.mp4": "<i>bad.mp4 is empty."})
    return folder


def resummed(timeline: Timeline) -> Timeline:
    from sentiment.timeline import summarize

    return replace(timeline, summary=summarize(timeline.segments, timeline.duration_seconds))


def names_on(page: Page) -> list[str]:
    return page.locator("tbody tr:not([hidden])").evaluate_all("rows => rows.map(row => row.dataset.name)")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_opens_offline_fits_and_does_no_harm(
    browser: Browser, set_folder: Path, width: int, scheme: str
) -> None:
    page, errors = opened(browser, set_folder, width, scheme)
    assert errors == [] and page.evaluate("window.harmed") is None
    assert page.locator("img, main i:not([style])").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".failed").inner_text().startswith("<i>bad.mp4")
    assert page.locator(".scatterlayer .point").count() == 3  # the doubtful one has no mean


def test_the_table_is_sorted_and_searched(browser: Browser, set_folder: Path) -> None:
    page, _ = opened(browser, set_folder)
    by_mean = names_on(page)
    assert by_mean[-1].startswith("doubt") and by_mean[-2] == "angry.mp4"
    page.click("th[data-key=mean] button")
    turned = names_on(page)
    assert turned[0] == "angry.mp4" and turned[-1].startswith("doubt")  # what has no mean stays last
    assert page.locator("th[data-key=mean]").get_attribute("aria-sort") == "ascending"
    page.select_option("#rank-by", "anger")
    assert names_on(page)[0] == "angry.mp4" and page.locator("tbody tr td").first.inner_text() == "1"
    page.fill("#find", "PARTY")
    assert names_on(page) == ["party.mp4"] and page.locator("#shown").inner_text() == "1 of 4"


def test_names_in_the_chart_are_text(browser: Browser, set_folder: Path) -> None:
    page, errors = opened(browser, set_folder)
    for point in page.locator(".scatterlayer .point").all():
        box = point.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.locator(".hoverlayer text").first.wait_for()
    assert page.evaluate("window.harmed") is None and errors == []


# ---------------------------------------------------------------- with Ray


@pytest.fixture(scope="module")
def ray_address() -> Iterator[str]:
    """Ray on this machine, started as `run_batch` starts it, once for all tests of this file."""
    from sentiment.batch_ray import running_ray

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)  # for `batch_workers`
        patched.setenv("RAY_worker_niceness", "0")  # beside other work, 15 makes a minute of seconds
        with running_ray(None):
            import ray

            yield ray.get_runtime_context().gcs_address


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_whisper()
    return save_random_checkpoint(tmp_path_factory.mktemp("weights") / "random")


def test_ray_is_reached_from_this_machine_alone(ray_address: str) -> None:
    assert ray_address.startswith("127.0.0.1:") and os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_bad_files_cost_themselves_alone(
    ray_address: str, checkpoint: Path, spoken_sentences: list[Path], tmp_path: Path
) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    spoken_video(clips / "talk.mp4", spoken_sentences[:1])
    write_media(
        clips / "=tone 'n' \"quotes\".wav", sound=tone(1.0, rate_hz=16_000), audio_codec="pcm_s16le", rate_hz=16_000
    )
    (clips / "broken.mp4").write_text("This is no video.")
    for name in ("kills its worker.wav", "trips the program.wav"):
        shutil.copy(clips / "=tone 'n' \"quotes\".wav", clips / name)
    files = find_files([clips])
    settings = BatchSettings(checkpoint=str(checkpoint), workers=1)
    seen: dict[str, str | None] = {}
    rows = run_batch(
        files, tmp_path / "out", settings, lambda file, error: seen.update({file.path.name: error}), FragileAnalyst
    )

    errors = {Path(row["path"]).name: row.get("error") for row in rows}
    assert errors == seen
    assert errors["talk.mp4"] is None and errors["=tone 'n' \"quotes\".wav"] is None
    assert errors["broken.mp4"].startswith("broken.mp4 is no video")
    assert errors["kills its worker.wav"] == errors["trips the program.wav"] == LOST
    assert (clips / "kills its worker.tries").read_text() == "xx"  # once more, and no more
    segments = pd.read_parquet(tmp_path / "out" / SEGMENTS)
    talk = segments[segments["video"] == "talk.mp4"]
    assert "wonderful" in talk["text"].iloc[0] and talk["top_emotion"].notna().all()

    # The next run tries again what no worker could finish, and nothing else.
    rows = run_batch(files, tmp_path / "out", settings)  # by workers that are not as fragile
    tries = {path.stem: path.read_text() for path in clips.glob("*.tries")}
    assert tries["talk"] == tries["broken"] == "x"
    assert [Path(row["path"]).name for row in rows if row.get("error")] == ["broken.mp4"]


def batch_process(ray_address: str, checkpoint: Path, clips: Path, out: Path) -> subprocess.Popen[str]:
    arguments = ("batch", clips, "--out", out, "--checkpoint", checkpoint, "--workers", 1, "--address", ray_address)
    return subprocess.Popen(
        [sys.executable, "-m", "sentiment", *map(str, arguments)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def wait_for_parts(out: Path, count: int, process: subprocess.Popen[str]) -> dict[str, int]:
    """The parts and when they were written, as soon as there are so many."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        parts = {path.name: path.stat().st_mtime_ns for path in (out / "parts").glob("*.json")}
        if len(parts) >= count:
            return parts
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError(f"there are not {count} parts")


def test_a_batch_that_was_stopped_goes_on(ray_address: str, checkpoint: Path, tmp_path: Path) -> None:
    clips, out = tmp_path / "clips", tmp_path / "out"
    clips.mkdir()
    for number in range(5):
        write_media(clips / f"{number}.mp4", times_seconds=even_times(6.0 - number), sound=tone(6.0 - number))

    interrupted = batch_process(ray_address, checkpoint, clips, out)
    wait_for_parts(out, 1, interrupted)
    interrupted.send_signal(signal.SIGINT)
    stdout, stderr = interrupted.communicate(timeout=PATIENCE_SECONDS)
    assert interrupted.returncode == 130 and stdout == ""
    assert "files are done and kept; the same command goes on where this one stopped" in stderr
    assert not list(out.glob("*.parquet"))

    done = len(list((out / "parts").glob("*.json")))
    if done < 5:
        killed = batch_process(ray_address, checkpoint, clips, out)
        before = wait_for_parts(out, done + 1, killed)
        killed.kill()
        killed.communicate(timeout=PATIENCE_SECONDS)
        assert not list(out.glob("*.parquet"))
    else:
        before = wait_for_parts(out, 5, interrupted)

    last = batch_process(ray_address, checkpoint, clips, out)
    stdout, stderr = last.communicate(timeout=PATIENCE_SECONDS)
    assert last.returncode == 0, stderr
    assert wait_for_parts(out, 5, last).items() >= before.items()  # what was done was not done again
    assert sorted(path.name for path in out.iterdir()) == ["batch.log", "parts", RANKING, SEGMENTS, SUMMARIES]
    heading, *lines, blank, sentence = stdout.splitlines()
    assert heading.split() == ["mean", "certain", "emotion", "file"] and blank == ""
    assert len(lines) == 5 and sentence.startswith("Of 5 files, ")
    assert "5 of 5 files 100%" in stderr and "ray" not in stderr.lower()


def test_what_cannot_be_had_is_one_line(ray_address: str, sound_file: Path, tmp_path: Path) -> None:
    missing = ["batch", str(sound_file), "--out", str(tmp_path / "out"), "--checkpoint", str(tmp_path / "nowhere")]
    assert cli.main(missing) == 2
    with pytest.raises(SettingsError, match="at most"):
        run_batch(find_files([sound_file]), tmp_path / "out", BatchSettings(workers=999))
