"""python -m train download: a server that breaks off, archives that are damaged or hostile, disks that are full."""

from __future__ import annotations

import errno
import io
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from train import __main__ as command_line
from train import download
from train.download import download_meld, fetch, is_complete
from train.errors import DataError
from train.unpacking import unpack


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.0)


@dataclass
class Server:
    """What a test's server has, does wrong, and was asked."""

    content: bytes
    etag: str | None = '"one"'
    breaks_off_at: list[int] = field(default_factory=list)
    """For each request in turn, the byte of the file before which the connection is cut; then it serves well."""
    ignores_ranges: bool = False
    statuses: list[int] = field(default_factory=list)
    """For each request in turn, an error that is answered; then it serves well."""
    redirects: bool = False
    ranges: list[str | None] = field(default_factory=list)
    """The Range header of each request."""
    url: str = ""


@contextmanager
def serving(content: bytes, **faults: object) -> Iterator[Server]:
    server = Server(content, **faults)  # type: ignore[arg-type]
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(server)) as http:
        server.url = f"http://127.0.0.1:{http.server_address[1]}/MELD.Raw.tar.gz"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield server
        http.shutdown()
        thread.join()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if server.redirects and not self.path.startswith("/elsewhere"):
                self.send_response(302)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            server.ranges.append(self.headers["Range"])
            if server.statuses:
                self.send_error(server.statuses.pop(0))
                return
            start = self._start()
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
            if server.etag:
                self.send_header("ETag", server.etag)
            self.send_header("Content-Length", str(len(server.content) - start))
            self.end_headers()
            end = server.breaks_off_at.pop(0) if server.breaks_off_at else len(server.content)
            self.wfile.write(server.content[start:end])

        def _start(self) -> int:
            asked, condition = self.headers["Range"], self.headers["If-Range"]
            if asked is None or server.ignores_ranges or (condition is not None and condition != server.etag):
                return 0
            return int(asked.removeprefix("bytes=").removesuffix("-"))

        def log_message(self, *_: object) -> None:
            pass

    return Handler


CONTENT = bytes(range(256)) * 4096


# ---------------------------------------------------------------- the transfer


def test_a_dropped_connection_is_taken_up_where_it_broke(tmp_path):
    with serving(CONTENT, breaks_off_at=[300_000]) as server:
        fetch([server.url], tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_interrupted_run_leaves_what_the_next_one_goes_on_from(tmp_path):
    with serving(CONTENT, breaks_off_at=[200_000, 200_000, 200_000, 200_000, 200_000]) as server:
        with pytest.raises(DataError, match=r"200000 of 1048576|peer closed") as caught:
            fetch([server.url], tmp_path / "file")
        assert "are kept" in str(caught.value) and not (tmp_path / "file").exists()
        server.breaks_off_at.clear()
        fetch([server.url], tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=200000-"


@pytest.mark.parametrize("change", ["etag", "size", "ranges"])
def test_a_file_that_changed_meanwhile_is_fetched_anew(tmp_path, change):
    with serving(CONTENT, breaks_off_at=[100_000] * 4) as server:
        with pytest.raises(DataError):
            fetch([server.url], tmp_path / "file")
        server.breaks_off_at.clear()
        if change == "etag":
            server.content, server.etag = CONTENT[::-1], '"two"'
        elif change == "size":
            server.content, server.etag = CONTENT[::-1][:500_000], None
            note = tmp_path / "file.partial.json"
            note.write_text(note.read_text().replace('"\\"one\\""', "null"))
        else:
            server.ignores_ranges = True
        fetch([server.url], tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == server.content


def test_the_mirror_goes_on_from_what_the_first_address_gave(tmp_path):
    with serving(CONTENT, breaks_off_at=[400_000] * 9) as first, serving(CONTENT, etag=None, redirects=True) as mirror:
        fetch([first.url, mirror.url], tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert mirror.ranges == ["bytes=400000-"]


def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(tmp_path):
    with serving(CONTENT, statuses=[503, 503]) as server:
        fetch([server.url], tmp_path / "file")
        assert len(server.ranges) == 3
    with serving(CONTENT, statuses=[404] * 9) as server:
        with pytest.raises(DataError, match="404 Not Found"):
            fetch([server.url], tmp_path / "other")
        assert len(server.ranges) == 1


def test_no_network_is_one_sentence(tmp_path, capsys):
    with serving(CONTENT) as server:
        url = server.url
    assert command_line.main(["download", "meld", "--to", str(tmp_path), "--from", url]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: MELD.Raw.tar.gz cannot be fetched now") and url in error


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**7, 10**7 - 10**6, 10**6))
    with serving(CONTENT) as server, pytest.raises(DataError, match=r"to fetch.*to unpack.*GB free"):
        fetch([server.url], tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_is_one_sentence_and_keeps_what_arrived(tmp_path, monkeypatch):
    full = _full_after(Path.open, writes=1)
    with serving(CONTENT) as server:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", full)
            with pytest.raises(DataError, match=r"The disk of .* is full; free some space"):
                fetch([server.url], tmp_path / "file")
        arrived = (tmp_path / "file.partial").stat().st_size
        fetch([server.url], tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT and arrived and server.ranges[-1] == f"bytes={arrived}-"


def _full_after(opens: Callable[..., io.BufferedIOBase], writes: int) -> Callable[..., object]:
    """Path.open whose binary files take so many writes and then say that the disk is full."""

    def open_limited(path: Path, mode: str = "r", *rest: object, **more: object) -> object:
        file = opens(path, mode, *rest, **more)
        if mode not in ("ab", "wb") or not path.name.endswith(".partial"):
            return file
        write, left = file.write, [writes]

        class Limited:
            def __enter__(self) -> Limited:
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

            def write(self, content: bytes) -> int:
                if not left[0]:
                    raise OSError(errno.ENOSPC, "No space left on device")
                left[0] -= 1
                return write(content)

        return Limited()

    return open_limited


@pytest.mark.parametrize("source", ["nowhere.tar.gz", "ftp://example.org/MELD.Raw.tar.gz", "http://[/"])
def test_what_is_no_address_is_one_sentence(tmp_path, source):
    with pytest.raises(DataError, match="cannot be fetched now"):
        download_meld(tmp_path, [source])


# ---------------------------------------------------------------- the archive


def test_the_whole_way_from_a_server_that_drops_the_connection(tmp_path, meld_archive, capsys, caplog):
    size = meld_archive.stat().st_size
    with serving(meld_archive.read_bytes(), breaks_off_at=[size // 2]) as server:
        command = ["download", "meld", "--to", str(tmp_path / "data"), "--from", server.url]
        assert command_line.main(command) == 0
        assert len(server.ranges) == 2 and is_complete(tmp_path / "data")
        found = {path.name for path in (tmp_path / "data").rglob("*") if path.is_file()}
        assert {"train_sent_emo.csv", "dia0_utt0.mp4", "final_videos_testdia0_utt0.mp4"} <= found
        assert not [name for name in found if name.startswith("._") or name.endswith((".partial", "dev.tar.gz"))]

        (tmp_path / "data" / "MELD.Raw.tar.gz").unlink()
        caplog.clear()
        with caplog.at_level("INFO"):
            assert command_line.main(command) == 0
        assert len(server.ranges) == 2 and "already" in caplog.text


def test_an_interrupted_unpacking_is_taken_up(tmp_path, meld_archive):
    total = unpack(meld_archive, tmp_path)
    clips = sorted(tmp_path.rglob("*.mp4"))
    clips[0].unlink()
    clips[1].write_bytes(b"half")
    assert clips[1].stat().st_size != 0 and unpack(meld_archive, tmp_path) == 2 < total
    assert unpack(meld_archive, tmp_path) == 0


def test_an_archive_that_is_here_already_is_unpacked_and_left_alone(tmp_path, meld_archive):
    download_meld(tmp_path, [str(meld_archive)])
    assert is_complete(tmp_path) and meld_archive.is_file()


def test_an_archive_without_a_table_says_where_to_get_it(tmp_path):
    archive = tmp_path / "without.tar.gz"
    archive.write_bytes(make_tar_gz({"train.tar.gz": make_tar_gz({"train_splits/dia0_utt0.mp4": b"clip"})}))
    with pytest.raises(DataError, match=r"no train_sent_emo.csv; put the one from https://github.com/declare-lab/MELD"):
        download_meld(tmp_path / "data", [str(archive)])


@pytest.mark.parametrize("damage", ["cut off", "a wrong byte", "not gzip", "inner cut off"])
def test_a_damaged_archive_is_put_aside_and_fetched_anew(tmp_path, meld_archive, damage):
    whole = meld_archive.read_bytes()
    damaged = {
        "cut off": lambda: whole[: len(whole) // 3],
        # The checksum at the end is all that can tell.
        "a wrong byte": lambda: whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:],
        "not gzip": lambda: b"<html>Not now</html>",
        "inner cut off": lambda: make_tar_gz({"dev.tar.gz": make_tar_gz({"a.mp4": b"x" * 50_000})[:-20]}),
    }[damage]()
    with serving(damaged) as server:
        with pytest.raises(DataError, match=r"is damaged or not complete .* the next run fetches it anew"):
            download_meld(tmp_path, [server.url])
        server.content, server.etag = whole, '"two"'
        download_meld(tmp_path, [server.url])
    assert is_complete(tmp_path)


def make_tar_gz(files: dict[str, bytes], change: Callable[[tarfile.TarInfo], None] = lambda _: None) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            change(member)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _as_link(kind: bytes, target: str) -> Callable[[tarfile.TarInfo], None]:
    def change(member: tarfile.TarInfo) -> None:
        member.type, member.linkname, member.size = kind, target, 0

    return change


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("name", "change", "complaint"),
    [
        ("../outside.txt", lambda _: None, "leads out of its folder"),
        ("a/../../outside.txt", lambda _: None, "leads out of its folder"),
        ("link", _as_link(tarfile.SYMTYPE, "/etc/passwd"), "neither a file nor a folder"),
        ("link", _as_link(tarfile.LNKTYPE, "../outside.txt"), "neither a file nor a folder"),
        ("link", _as_link(tarfile.SYMTYPE, "inside.txt"), "neither a file nor a folder"),
        ("pipe", _as_link(tarfile.FIFOTYPE, ""), "neither a file nor a folder"),
    ],
)
def test_what_leads_out_of_the_folder_is_refused(tmp_path, nested, name, change, complaint):
    content = make_tar_gz({name: b"bad"}, change)
    archive = tmp_path / "bad.tar.gz"
    archive.write_bytes(make_tar_gz({"train.tar.gz": content}) if nested else content)
    folder = tmp_path / "deep" / "folder"
    folder.mkdir(parents=True)
    with pytest.raises(DataError, match=complaint):
        unpack(archive, folder)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bad.tar.gz", "deep", "folder"]


def test_an_absolute_path_stays_in_the_folder(tmp_path):
    archive = tmp_path / "absolute.tar.gz"
    archive.write_bytes(make_tar_gz({"/clips/a.mp4": b"clip"}))
    unpack(archive, tmp_path / "folder")
    assert (tmp_path / "folder" / "clips" / "a.mp4").read_bytes() == b"clip"


def test_an_archive_without_its_last_bytes_is_found_out_although_all_files_are_there(tmp_path):
    archive = tmp_path / "short.tar.gz"
    archive.write_bytes(make_tar_gz({"a.txt": b"a"})[:-4])
    with pytest.raises(DataError, match="damaged or not complete"):
        unpack(archive, tmp_path / "folder")
