"""Nothing leaves, nothing is fetched, nothing stays, and nobody reads what is not theirs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from media_files import even_times, write_media
from small_parts import require_whisper, spoken_sound, write_picture_video
from studio_app import LOGIN, App, face, free_port

from sentiment.errors import MediaError, SettingsError
from sentiment.limits import Limits
from sentiment.scratch import remove_abandoned, scratch_folder, sweep

# ---------------------------------------------------------------- nothing leaves


def namespace_command() -> list[str]:
    """What runs a command without a network; skips, and says so, where the system does not allow it."""
    command = ["unshare", "--user", "--map-root-user", "--net", "--mount"]
    try:
        done = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("unshare is not there: that no packet leaves is not tested here")
    if done.returncode != 0:
        pytest.skip(f"network namespaces are not allowed here: that no packet leaves is not tested ({done.stderr})")
    return command


def test_without_a_network_all_works_and_nothing_tries_to_leave(
    spoken_sentences: list[Path], random_checkpoint: Path, tmp_path: Path
) -> None:
    require_whisper()
    sound, rate_hz = spoken_sound(spoken_sentences[:1], pause_seconds=0.2)
    video = write_picture_video(tmp_path / "talk.mp4", face(), len(sound) / rate_hz, sound, rate_hz)
    script = Path(__file__).with_name("offline_visit.py")
    folder = tmp_path / "visit"
    folder.mkdir()
    command = [*namespace_command(), sys.executable, script, str(free_port()), random_checkpoint, video, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1200)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["tries_of_the_test"] >= 2, "the kernel did not count what tried to leave"
    assert found["tries"] == 0
    assert found["page"] == 200 and found["segments"] > 0
    assert {"timeline.json", "report.html", "annotated.mp4", "bundle.zip"} <= set(found["files"])
    assert not found["left"]


# ---------------------------------------------------------------- nothing is fetched, and nothing foreign is read


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/talk.mp4",
        "https://huggingface.co/talk.mp4",
        "http://127.0.0.1:9/gradio_api/file=/etc/passwd",
        "http://127.0.0.1:9/gradio_api/file=%2e%2e/%2e%2e/etc/passwd",
    ],
)
def test_an_address_is_not_fetched(app: App, address: str) -> None:
    file = {"path": address, "url": address, "orig_name": "talk.mp4", "meta": {"_type": "gradio.FileData"}}
    client = Client(app.url, verbose=False)
    for position in range(6):  # Gradio would fetch it wherever it stands
        arguments = [None, "auto", "speaking", {}, {}, []]
        arguments[position] = file
        with pytest.raises(AppError, match="not fetched"):
            client.predict(*arguments, api_name="/analyze")


def test_a_path_outside_of_the_uploads_is_not_read(app: App, example_video: Path) -> None:
    for path in ("/etc/passwd", str(example_video), "app.py", "/proc/self/environ"):
        body = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}
        answer = httpx.post(f"{app.url}gradio_api/run/analyze", json=body, timeout=60)
        assert answer.status_code != 200 or "error" in answer.json(), path
        served = httpx.get(f"{app.url}gradio_api/file={path}")
        if path != str(example_video):  # which the page offers to everybody
            assert served.status_code in (403, 404), path


def test_an_uploads_name_cannot_leave_its_folder(app: App, tmp_path: Path) -> None:
    answer = httpx.post(f"{app.url}gradio_api/upload", files={"files": ("../../../evil.mp4", b"x")})
    path = Path(answer.json()[0])
    assert app.folder in path.parents and ".." not in path.parts
    assert path.name == "evil.mp4"


# ---------------------------------------------------------------- nothing stays


def test_what_a_killed_process_left_goes_at_the_next_start_and_a_living_ones_stays(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from sentiment.scratch import scratch_folder\n"
        "with scratch_folder('visit-', Path(sys.argv[1])) as folder:\n"
        "    Path(folder, 'face.jpg').write_bytes(b'x'); print(folder, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    killed, living = (Path(process.stdout.readline().strip()) for process in processes)
    assert killed.stat().st_mode & 0o077 == 0, "other users may look into it"
    processes[0].send_signal(signal.SIGKILL)
    processes[0].wait()
    assert (killed / "face.jpg").exists()
    with scratch_folder("visit-", tmp_path) as own:
        assert own.is_dir() and not killed.exists()
        assert (living / "face.jpg").exists()
    processes[1].kill()
    processes[1].wait()
    assert remove_abandoned("visit-", tmp_path) == [living]
    assert not list(tmp_path.iterdir())


def test_a_link_is_no_abandoned_folder(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    diary.mkdir()
    (diary / "monday.txt").write_text("private")
    (tmp_path / "visit-0").symlink_to(diary)
    assert remove_abandoned("visit-", tmp_path) == []
    assert (diary / "monday.txt").exists()


def test_what_is_old_goes_and_what_is_new_stays(tmp_path: Path) -> None:
    for name, age_seconds in (("old/a.mp4", 7200), ("old/b.mp4", 7200), ("mixed/a.mp4", 7200), ("mixed/b.mp4", 60)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (time.time() - age_seconds,) * 2)
    for folder in ("old", "mixed"):
        os.utime(tmp_path / folder, (time.time() - 7200,) * 2)
    sweep(tmp_path, 3600)
    assert [path.name for path in tmp_path.rglob("*.mp4")] == ["b.mp4"]
    sweep(tmp_path, 0)  # a folder counts as changed when its last file goes, and so goes with the next round
    assert not list(tmp_path.rglob("*.mp4"))


# ---------------------------------------------------------------- how much is taken


def test_a_file_beyond_a_limit_is_one_sentence(small_video: Path, sound_file: Path) -> None:
    Limits().check(small_video)
    Limits().check(sound_file)
    for limits, said in (
        (Limits(max_file_mb=0.001), r"small\.mp4 has 0\.\d MB; files of up to 0\.001 MB are taken"),
        (Limits(max_minutes=0.01), "is 0.0 minutes long; files of up to 0.01 minutes"),
        (Limits(max_megapixels=0.01), r"has frames of 160 × 120 pixels; frames of up to 0\.01 megapixels"),
    ):
        with pytest.raises(MediaError, match=said):
            limits.check(small_video)
    with pytest.raises(MediaError):
        Limits().check(small_video.parent / "nowhere.mp4")


@pytest.mark.parametrize("name", ["max_file_mb", "max_minutes", "max_megapixels"])
def test_a_limit_is_more_than_nothing(name: str) -> None:
    with pytest.raises(SettingsError, match=f"--{name.replace('_', '-')} must be more than 0"):
        Limits(**{name: 0})


def test_the_apps_limits_hold_on_the_api(guarded_app: App, tmp_path: Path) -> None:
    long = write_media(tmp_path / "long.mp4", times_seconds=even_times(61, rate=1))
    with pytest.raises(AppError, match=r"long\.mp4 is 1\.0 minutes long; files of up to 1 minutes are taken"):
        Client(guarded_app.url, auth=LOGIN, verbose=False).predict(handle_file(long), api_name="/analyze")
