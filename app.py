"""The app: `python app.py` and open the address it prints."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment.errors import SentimentError, SettingsError
from sentiment.limits import Limits
from sentiment.memory import keep_memory_level
from sentiment.scratch import scratch_folder, sweep

if TYPE_CHECKING:
    from sentiment.pipeline import LoadedModels

LOCAL_HOST = "127.0.0.1"
EVERY_HOST = "0.0.0.0"
DEFAULT_PORT = 7860

AUTH_VARIABLE = "VIDEO_SENTIMENT_AUTH"
"""Who may log in, as lines of USER:PASSWORD: the secret of a Space, and a way past the list of processes."""

SCRATCH_PREFIX = "video-sentiment-"


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Emotion and sentiment over the time of a video, in your browser.")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"local port (default {DEFAULT_PORT})")
    parser.add_argument("--host", help=f"address to listen on (default {LOCAL_HOST}; on a Space, every address)")
    parser.add_argument("--share", action="store_true", help="also make a public link, for up to a week")
    parser.add_argument(
        "--auth",
        action="append",
        default=[],
        metavar="USER:PASSWORD",
        help="ask for this login, on the page and on the API; may be given several times. Other users of the machine "
        f"can read it in the list of processes: --auth-file and the variable {AUTH_VARIABLE} keep it from there",
    )
    parser.add_argument("--auth-file", type=Path, metavar="FILE", help="the same from a file, a USER:PASSWORD per line")
    parser.add_argument("--mcp", action="store_true", help="also be an MCP server: tools for AI assistants")
    parser.add_argument(
        "--checkpoint", metavar="DIR", help="weights: a folder or hf://NAME (default: the bundled ones)"
    )
    parser.add_argument("--whisper", default="base", metavar="NAME", help="speech recogniser: a name or a folder")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    most, limits = "the most that a visitor's file may have", Limits()
    parser.add_argument("--max-file-mb", type=float, default=limits.max_file_mb, metavar="MB", help=most)
    parser.add_argument("--max-minutes", type=float, default=limits.max_minutes, metavar="MINUTES", help=most)
    parser.add_argument("--max-megapixels", type=float, default=limits.max_megapixels, metavar="MP", help=most)
    options = parser.parse_args(arguments)
    options.host = options.host or (EVERY_HOST if "SPACE_ID" in os.environ else LOCAL_HOST)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the app; returns the exit code."""
    options = parse_options(arguments)
    signal.signal(signal.SIGTERM, _stop)  # so that the visitors' files are removed then, too
    keep_memory_level()  # the page has threads before there are models
    try:
        with _private_files():
            serve(options)
    except SentimentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        _say_what_ends()
    return 0


def serve(options: argparse.Namespace) -> None:
    """Open the page, load the models behind it, and stay until interrupted.

    Raises SentimentError where something stands in the way; what costs little to check comes first.
    """
    limits = Limits(options.max_file_mb, options.max_minutes, options.max_megapixels)
    logins = find_logins(options)
    check_port(options.host, options.port)
    from sentiment.hub import CARD, find_checkpoint, find_manifest
    from sentiment.transcription import find_whisper_files

    checkpoint = find_checkpoint(options.checkpoint)
    find_manifest(checkpoint)
    find_whisper_files(options.whisper)
    from sentiment.studio import Login, build_studio, launch_options, zero_gpu
    from sentiment.studio.events import HOURS_KEPT, SWEEP_SECONDS

    login = Login(logins, options.mcp)
    models: Future[LoadedModels] = Future()

    def load() -> None:
        from sentiment.pipeline import load_models

        print("Loading the models …", file=sys.stderr)
        models.set_result(load_models(checkpoint, options.whisper, options.device))

    if zero_gpu.is_here():  # what is lent a GPU is forked from a process that has them
        zero_gpu.prepare()
        load()
        zero_gpu.hold(models.result(), options.whisper)
    demo = build_studio(models, checkpoint / CARD, limits, _where(options))
    with contextlib.redirect_stdout(io.StringIO()):  # Gradio's own lines, which differ from case to case
        demo.launch(
            server_name=options.host,
            server_port=options.port,
            share=options.share,
            ssr_mode=False,  # a Space would put a Node server in front
            max_file_size=limits.max_file_bytes,
            prevent_thread_lock=True,
            quiet=True,
            **login.launch_options(),
            **launch_options(),
        )
    login.open(demo)
    _say_where(options, demo.local_url, demo.share_url, bool(logins))
    if not models.done():
        load()
    while True:
        # Gradio does so with what it keeps itself; this is what is made for visitors, and beside it.
        sweep(Path(tempfile.gettempdir()), HOURS_KEPT * 3600)
        time.sleep(SWEEP_SECONDS)


# ---------------------------------------------------------------- before the start


def check_port(host: str, port: int) -> None:
    """Raise SettingsError where nothing can listen, before models are loaded for some seconds."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        raise SettingsError(f"Cannot listen on {host}:{port} ({error}); choose another with --port.") from error


def find_logins(options: argparse.Namespace) -> list[tuple[str, str]]:
    """(user, password) of everyone who may come in, from the options and from AUTH_VARIABLE; [] lets in everybody.

    Raises SettingsError for what is no USER:PASSWORD, without repeating it, and for a file that cannot be read.
    """
    lines = list(options.auth)
    if options.auth_file is not None:
        try:
            from_file = options.auth_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"The logins in {options.auth_file} cannot be read: {error}.") from error
        lines += from_file
        if not any(line.strip() for line in from_file):  # an empty file must not open the door
            raise SettingsError(f"{options.auth_file} holds no login; it needs a line USER:PASSWORD.")
    lines += os.environ.get(AUTH_VARIABLE, "").splitlines()
    logins = []
    for line in filter(None, map(str.strip, lines)):
        user, colon, password = line.partition(":")
        if not (user and colon and password):
            raise SettingsError("A login is USER:PASSWORD, neither of them empty; one of those given is not.")
        logins.append((user, password))
    return logins


@contextlib.contextmanager
def _private_files() -> Iterator[None]:
    """Everything a visitor sends or gets lies in one folder that is gone with this process; what one that was
    killed has left is removed now.
    """
    with scratch_folder(SCRATCH_PREFIX) as folder:
        # Gradio reads its part when it is imported, and takes no copies of what lies in there already; so what is
        # being made lies beside it.
        os.environ["GRADIO_TEMP_DIR"] = str(folder / "visitors")
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        (folder / "work").mkdir()
        tempfile.tempdir = str(folder / "work")
        try:
            yield
        finally:
            tempfile.tempdir = None


# ---------------------------------------------------------------- what is said


def _where(options: argparse.Namespace) -> str:
    """Where visitors' files go, as the page says it."""
    if "SPACE_ID" in os.environ:
        return "Files go to Hugging Face's servers, which run this page,"
    if options.share:
        return "Files go to the machine that runs this page, by a public link through Gradio's servers,"
    from sentiment.studio.panels import LOCAL

    return LOCAL


def _say_where(options: argparse.Namespace, local_url: str, share_url: str | None, login: bool) -> None:
    """The addresses on stdout, and what a public link opens to whom, and for how long."""
    print(f"Running on {local_url}", flush=True)
    if options.mcp:
        print(f"MCP server on {local_url}gradio_api/mcp/", flush=True)
    if share_url:
        who = "whoever has the link and a login" if login else "whoever has the link: nobody is asked for a login"
        print(f"Public link: {share_url}", flush=True)
        print(
            f"  It opens this page and its API to {who}. They can use this machine to analyse files; what they send\n"
            "  and get passes through Gradio's servers, and lies on this machine for up to an hour. They see neither\n"
            "  your files nor one another's. The link works while the app runs, for up to a week.",
            flush=True,
        )
    elif options.share:
        print("No public link could be made, is there internet? The local page goes on.", file=sys.stderr)


def _stop(*_: object) -> None:
    """On SIGTERM: visitors' files are removed on the way out; analyses under way end, and the log says so."""
    _say_what_ends()
    sys.exit(0)


def _say_what_ends() -> None:
    running = sum(thread.name == "analysis" for thread in threading.enumerate())
    if running:
        analyses = "1 analysis that was" if running == 1 else f"{running} analyses that were"
        print(f"Stopped; {analyses} running ended unfinished.", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
