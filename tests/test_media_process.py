"""The decoder's own process: the same answers as without it, and what becomes of one that crashes, hangs or lies."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from media_files import even_times, number_in, quartered_picture, tone, write_media

from sentiment import decoder_process
from sentiment.decoder import Decoder
from sentiment.decoder_protocol import Channel, ProtocolError
from sentiment.decoder_spawn import DecoderLimits
from sentiment.errors import MediaError
from sentiment.media import MediaFile, open_media, write_playable_copy
from sentiment.playable_copy import Drawing

ROOT = Path(__file__).resolve().parent.parent


def decoders() -> list[psutil.Process]:
    """The decoders that this process has started, zombies among them."""
    children = psutil.Process().children()
    return [child for child in children if child.status() == psutil.STATUS_ZOMBIE or is_decoder(child)]


def is_decoder(process: psutil.Process) -> bool:
    return "sentiment.decoder_server" in process.cmdline()


def everything_in(media: MediaFile) -> tuple[list[tuple[float, bytes]], bytes]:
    times = [number / 10 for number in range(round(media.duration_seconds * 10))]
    frames = [(frame.time_seconds, frame.image.tobytes()) for frame in media.frame_reader(100).at(times)]
    return frames, b"".join(window.samples.tobytes() for window in media.audio_windows(0.7))


def test_the_child_sees_and_hears_what_this_process_does(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "turned.mp4",
        times_seconds=even_times(1.5),
        picture=quartered_picture,
        sound=tone(2.5),
        rotation_degrees=90,
    )
    with open_media(path) as there, open_media(path, isolated=False) as here:
        assert there.video == here.video
        assert there.duration_seconds == here.duration_seconds
        assert everything_in(there) == everything_in(here)
        first, second = there.frame_reader().at([0.5, 0.51])
        assert first is second  # it is sent once


def test_closing_ends_the_process_and_leaves_nothing(small_video: Path) -> None:
    files_before = psutil.Process().num_fds()
    with open_media(small_video) as media:
        media.frame_reader().at([0.5])
        windows = media.audio_windows(0.5)
        next(windows)  # and the rest is not read
        assert len(decoders()) == 1
    assert decoders() == []
    with pytest.raises(MediaError, match=r"small\.mp4 has been closed"):
        list(windows)
    open_media(small_video)  # forgotten
    gc.collect()
    assert decoders() == []
    assert psutil.Process().num_fds() == files_before


def test_files_that_are_none_start_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_process, "start_decoder", lambda limits: pytest.fail("a process was started"))
    with pytest.raises(MediaError, match="no file"):
        open_media(tmp_path / "missing.mp4")


# ---------------------------------------------------------------- crash, hang, memory


def test_a_crash_is_one_sentence_and_stays_one(small_video: Path) -> None:
    with open_media(small_video) as media, open_media(small_video) as other:
        reader, windows = media.frame_reader(), media.audio_windows()
        reader.at([0.1])
        decoders()[0].send_signal(signal.SIGSEGV)
        for ask in (lambda: reader.at([0.2]), lambda: next(windows), media.frame_reader, media.is_playable):
            with pytest.raises(MediaError) as caught:
                ask()
            assert str(caught.value) == "small.mp4 brought the decoder down (SIGSEGV), so it cannot be read."
        assert number_in(other.frame_reader().at([0.5])[0].image) == 12


def test_a_hang_is_ended(small_video: Path) -> None:
    with open_media(small_video, limits=DecoderLimits(step_seconds=1.0)) as media:
        reader = media.frame_reader()
        decoders()[0].suspend()
        started = time.monotonic()
        with pytest.raises(MediaError, match=r"^small\.mp4 takes too long to decode: there was nothing for 1 s\.$"):
            reader.at([0.2])
        assert time.monotonic() - started < 3
        assert decoders() == []


def test_opening_has_a_limit_of_its_own(small_video: Path) -> None:
    with pytest.raises(MediaError, match=r"takes too long to decode: there was nothing for 0\.001 s"):
        open_media(small_video, limits=DecoderLimits(open_seconds=0.001))
    assert decoders() == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not keep this limit")
def test_memory_has_a_limit(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "large.mkv",
        times_seconds=[0.0],
        picture=lambda number: np.zeros((4096, 4096, 3), np.uint8),
        video_codec="mjpeg",
    )
    with open_media(path) as media:
        assert (media.video.width, media.video.height) == (4096, 4096)
    with pytest.raises(MediaError, match=r"^large\.mkv takes more memory to decode than the 0\.\d+ GiB") as caught:
        open_media(path, limits=DecoderLimits(memory_bytes=own_address_space() + 8 * 2**20)).frame_reader(8192).at([0])
    assert "\n" not in str(caught.value)
    assert decoders() == []


def own_address_space() -> int:
    """Of a decoder that has opened a small file, in bytes."""
    with open_media(ROOT / "assets" / "example.mp4"):
        return decoders()[0].memory_info().vms


def test_frames_on_the_way_are_signs_of_life(small_video: Path) -> None:
    seen: list[float] = []
    with closing(Decoder(lambda: seen.append(time.monotonic()))) as decoder:
        decoder.open(small_video)
        decoder.frames(640).at([1.0])
    assert len(seen) == 25


# ---------------------------------------------------------------- the app goes down

ORPHAN = """
import sys, time
from sentiment.media import open_media
media = open_media(sys.argv[1])
import psutil
print(psutil.Process().children()[0].pid, flush=True)
time.sleep(600)
"""


def test_a_killed_app_takes_its_decoder_along(small_video: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    app = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(small_video)], stdout=subprocess.PIPE, text=True, env=environment
    )
    decoder = psutil.Process(int(app.stdout.readline()))
    assert is_decoder(decoder)
    decoder.suspend()  # not listening, as in the midst of a frame
    app.kill()
    app.communicate()
    decoder.resume()
    decoder.wait(timeout=10)


def test_a_script_needs_no_main_guard_and_a_folder_no_care(small_video: Path, tmp_path: Path) -> None:
    (tmp_path / "av.py").write_text("raise SystemExit('the wrong av')")
    script = tmp_path / "scripts" / "script.py"
    script.parent.mkdir()
    script.write_text(
        "import sys\nfrom sentiment.media import open_media\n"
        "with open_media(sys.argv[1]) as media:\n    print(media.duration_seconds)\n"
    )
    done = subprocess.run(
        [sys.executable, script, small_video],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "2.0\n"


# ---------------------------------------------------------------- copies


class Enough(Exception):
    pass


def test_a_copy_that_is_given_up_leaves_nothing(tmp_path: Path, small_video: Path) -> None:
    def give_up(share: float) -> None:
        raise Enough

    for drawing in (None, Drawing(lambda seconds, picture: picture)):
        with pytest.raises(Enough):
            write_playable_copy(small_video, tmp_path / "copy.mp4", drawing, give_up)
    assert decoders() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("drawing", [None, Drawing(lambda seconds, picture: picture)])
def test_a_copy_whose_decoder_goes_down_leaves_nothing(
    tmp_path: Path, small_video: Path, drawing: Drawing | None
) -> None:
    def crash(share: float) -> None:
        for decoder in decoders():
            decoder.send_signal(signal.SIGABRT)

    with pytest.raises(MediaError, match=r"small\.mp4 brought the decoder down \(SIGABRT\)"):
        write_playable_copy(small_video, tmp_path / "copy.mp4", drawing, crash)
    assert list(tmp_path.iterdir()) == []


def test_a_cut_off_file_is_noted_here(tmp_path: Path, small_video: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Warnings of the decoder come out where those of the app do."""
    path = tmp_path / "cut.mkv"
    write_media(path, times_seconds=even_times(2.0), video_codec="mjpeg")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = b"\xff" * (len(data) - len(data) // 2)
    path.write_bytes(data)
    with open_media(path):
        pass
    assert all("cut.mkv" in record.message for record in caplog.records)


# ---------------------------------------------------------------- a decoder that has been taken over

HOSTILE = """
import socket, struct, sys
end = socket.socket(fileno=int(sys.argv[1]))
end.recv(4096)
import time
for piece in eval(sys.argv[2]):
    end.sendall(piece)
    time.sleep(float(sys.argv[3]))
time.sleep(600)
"""


def message(header: Any, payload: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("!II", len(text), len(payload)) + text + payload


GOOD = {"duration_seconds": 2.0, "has_audio": True, "video": {"width": 4, "height": 4}}

LIES = {
    "is endless": struct.pack("!II", 2**32 - 1, 0),
    "has a payload nobody asked for": struct.pack("!II", 2, 2**32 - 1) + b"{}",
    "is no JSON": message(b"\x80\x04\x95pickled"),
    "is no object": message([1, 2]),
    "nests for ever": message(b"[" * 100_000),
    "has a duration that is no number": message(GOOD | {"duration_seconds": "long"}),
    "lasts for ever": message(b'{"duration_seconds": Infinity}'),
    "has no duration": message({}),
    "has an integer beyond all": message(b'{"duration_seconds": 1' + b"0" * 4000 + b"}"),
    "has a video that is none": message(GOOD | {"video": 7}),
    "has a size below nothing": message(GOOD | {"video": {"width": -1, "height": 4}}),
    "has a matrix of words": message(GOOD | {"video": {"width": 4, "height": 4, "display_matrix": ["a"] * 9}}),
}


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has these bytes answer the requests, whatever they are."""

    def answer_with(pieces: list[bytes], pause_seconds: float = 0.0) -> None:
        def start(limits: DecoderLimits) -> tuple[subprocess.Popen[bytes], socket.socket]:
            ours, theirs = socket.socketpair()
            with theirs:
                number = str(theirs.fileno())
                command = [sys.executable, "-c", HOSTILE, number, repr(pieces), str(pause_seconds)]
                return subprocess.Popen(command, pass_fds=[theirs.fileno()]), ours

        monkeypatch.setattr(decoder_process, "start_decoder", start)

    return answer_with


@pytest.mark.parametrize("lie", LIES)
def test_an_answer_is_not_believed(small_video: Path, hostile: Callable[..., None], lie: str) -> None:
    hostile([LIES[lie]])
    before = psutil.Process().children()  # of other tests: the app, the browser
    with pytest.raises(MediaError, match=r"^small\.mp4 (brought the decoder down|made the decoder talk nonsense)"):
        open_media(small_video)
    assert psutil.Process().children() == before


@pytest.mark.parametrize("payload", [b"", b"\0" * 47, b"\0" * 49])
def test_pictures_are_of_the_size_that_is_said(small_video: Path, hostile: Callable[..., None], payload: bytes) -> None:
    frame = message({"time": 0.0, "width": 4, "height": 4}, payload)
    hostile([message(GOOD), message({"pass": 1}), frame])
    with open_media(small_video) as media, pytest.raises(MediaError, match="talk nonsense"):
        media.frame_reader().at([0.0])


def test_half_a_message_is_no_reason_to_wait_for_ever(small_video: Path, hostile: Callable[..., None]) -> None:
    hostile([message(GOOD)[:-1]])
    with pytest.raises(MediaError, match="takes too long"):
        open_media(small_video, limits=DecoderLimits(open_seconds=1.0))


def test_a_way_that_takes_long_is_no_hang(small_video: Path, hostile: Callable[..., None]) -> None:
    """Signs of life prolong what a step may take, but not without end."""
    frame = message({"time": 0.0, "width": 4, "height": 4}, b"\0" * 48)
    pieces = [message(GOOD), message({"pass": 1}), *[message({"alive": True})] * 4, frame]
    hostile(pieces, pause_seconds=0.4)
    with open_media(small_video, limits=DecoderLimits(step_seconds=1.0)) as media:
        assert media.frame_reader().at([0.0])[0].image.shape == (4, 4, 3)
    limits = DecoderLimits(step_seconds=1.0, request_seconds=0.7)
    with open_media(small_video, limits=limits) as media, pytest.raises(MediaError, match="takes too long"):
        media.frame_reader().at([0.0])


def test_what_it_says_is_one_short_line(small_video: Path, hostile: Callable[..., None]) -> None:
    hostile([message({"warning": "b\n" * 9}), message({"error": "a\nb " * 10_000})])
    with pytest.raises(MediaError) as caught:
        open_media(small_video)
    assert len(str(caught.value)) <= 500
    assert "\n" not in str(caught.value)


def test_messages_arrive_as_they_were_sent() -> None:
    ours, theirs = socket.socketpair()
    here, there = Channel(ours), Channel(theirs)
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    there.send({"height": 2, "path": "\udcff"}, picture)
    received = here.receive(24)
    assert received.header == {"height": 2, "path": "\udcff"}
    assert np.array_equal(received.array((2, 4, 3), np.uint8), picture)
    with pytest.raises(TimeoutError):
        here.receive(limit_seconds=0.01)
    there.send({}, picture)
    with pytest.raises(ProtocolError, match="24 bytes"):
        here.receive(23)
    there.close()
    here.close()


def test_a_name_that_is_no_text_is_opened(tmp_path: Path, small_video: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.mp4"))
    shutil.copy(small_video, path)
    with open_media(path) as media:
        assert media.duration_seconds == pytest.approx(2.0, abs=0.05)
