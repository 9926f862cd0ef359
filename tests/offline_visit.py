"""A whole visit in a network namespace of its own, in which there is nothing but this machine.

    python offline_visit.py APP_PORT CHECKPOINT VIDEO FOLDER

Starts the app for the first time, with an empty home and no caches, analyses the video by its API, makes
every export, and prints as JSON what came of it and how many packets wanted to leave: the kernel counts each
one that finds no route, also those of native code. Name servers are not on this machine here, so asking one counts.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
MS_BIND, MS_PRIVATE, MS_REC = 0x1000, 0x40000, 0x4000
PATIENCE_SECONDS = 480
"""For a busy machine."""

ABROAD = ("192.0.2.1", 80)
"""An address that is kept for documentation (RFC 5737)."""


def main() -> None:
    port, checkpoint, video, folder = sys.argv[1:]
    open_loopback()
    name_servers_abroad(Path(folder))
    before = packets_without_route()
    try_to_leave()
    counted = packets_without_route() - before

    before = packets_without_route()
    found = visit(port, checkpoint, video, Path(folder))
    print(json.dumps({**found, "tries_of_the_test": counted, "tries": packets_without_route() - before}))


def open_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack("16xH14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


def name_servers_abroad(folder: Path) -> None:
    """In this mount namespace alone: a resolver on the loopback would hide who asks for names."""
    resolvers = folder / "resolv.conf"
    resolvers.write_text(f"nameserver {ABROAD[0]}\noptions timeout:1 attempts:1\n")
    libc = ctypes.CDLL(None, use_errno=True)
    target = os.path.realpath("/etc/resolv.conf").encode()
    for arguments in (
        (None, b"/", None, MS_REC | MS_PRIVATE, None),
        (os.fsencode(resolvers), target, None, MS_BIND, None),
    ):
        if libc.mount(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "mount")


def try_to_leave() -> None:
    for attempt in (lambda: socket.create_connection(ABROAD, 2), lambda: socket.getaddrinfo("example.org", 80)):
        try:
            attempt()
        except OSError:
            continue
        raise AssertionError("there is a way out of this namespace")


def packets_without_route() -> int:
    """IPv4's and IPv6's."""
    head, values = (line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Ip:"))
    six = dict(line.split() for line in Path("/proc/net/snmp6").read_text().splitlines())
    return int(dict(zip(head, values, strict=True))["OutNoRoutes"]) + int(six["Ip6OutNoRoutes"])


def visit(port: str, checkpoint: str, video: str, folder: Path) -> dict[str, object]:
    app = Path(__file__).parents[1] / "app.py"
    home = folder / "home"
    home.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        **{"HOME": str(home), "TMPDIR": str(folder), "XDG_CACHE_HOME": str(home / ".cache")},
        **{"HF_HOME": str(home / "hub"), "MPLCONFIGDIR": str(home / "mpl")},
    }
    command = [sys.executable, str(app), "--device", "cpu", "--port", port, "--checkpoint", checkpoint]
    with (folder / "stderr.txt").open("w") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment, cwd=folder
        )
        url = process.stdout.readline().removeprefix("Running on ").strip()
        if not url:
            raise RuntimeError((folder / "stderr.txt").read_text())
        page = fetch(url)
        segments = analyse(url, video)
        files = export(environment, checkpoint, video, folder / "results")
        process.terminate()
        process.wait(60)
    return {"page": page, "segments": segments, "files": files, "left": sorted(p.name for p in folder.glob("video-*"))}


def fetch(url: str) -> int:
    import httpx

    return httpx.get(url).status_code


def analyse(url: str, video: str) -> int:
    """By plain HTTP: `gradio_client` tries to reach others itself, which would count."""
    import httpx

    with Path(video).open("rb") as file:
        uploaded = httpx.post(f"{url}gradio_api/upload", files={"files": file}, timeout=60).json()[0]
    data = [{"path": uploaded, "meta": {"_type": "gradio.FileData"}}, "en", "speaking", {}, {}, []]
    event = httpx.post(f"{url}gradio_api/call/analyze", json={"data": data}, timeout=60).json()["event_id"]
    told = httpx.get(f"{url}gradio_api/call/analyze/{event}", timeout=PATIENCE_SECONDS).text
    if "event: complete" not in told:
        raise RuntimeError(told)
    (timeline,) = json.loads(told.partition("event: complete")[2].partition("data: ")[2])
    return len(timeline["segments"])


def export(environment: dict[str, str], checkpoint: str, video: str, results: Path) -> list[str]:
    command = [sys.executable, "-m", "sentiment", "analyze", video, "--out", str(results), "--formats", "all"]
    root = Path(__file__).parents[1]
    options = ["--checkpoint", checkpoint, "--device", "cpu", "--language", "en"]
    subprocess.run([*command, *options], check=True, cwd=root, env=environment, stdout=subprocess.DEVNULL)
    return sorted(path.name for path in results.iterdir())


if __name__ == "__main__":
    main()
