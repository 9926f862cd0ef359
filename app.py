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
import time
from collections.abc import Sequence
from pathlib import Path

from sentiment.errors import SentimentError, SettingsError

LOCAL_HOST = "127.0.0.1"
EVERY_HOST = "0.0.0.0"
DEFAULT_PORT = 7860


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Emotion and sentiment over the time of a video, in your browser.")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"local port (default {DEFAULT_PORT})")
    parser.add_argument("--host", help=f"address to listen on (default {LOCAL_HOST}; on a Space, every address)")
    parser.add_argument("--share", action="store_true", help="also make a public link, for up to a week")
    parser.add_argument(
        "--checkpoint", metavar="DIR", help="weights: a folder or hf://NAME (default: the bundled ones)"
    )
    parser.add_argument("--whisper", default="base", metavar="NAME", help="speech recogniser: a name or a folder")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args(arguments)
    options.host = options.host or (EVERY_HOST if "SPACE_ID" in os.environ else LOCAL_HOST)
    return options


def check_port(host: str, port: int) -> None:
    """Raise SettingsError where nothing can listen, before models are loaded for some seconds."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        raise SettingsError(f"Cannot listen on {host}:{port} ({error}); choose another with --port.") from error


def serve(options: argparse.Namespace) -> None:
    """Load the models, start the page and stay until interrupted."""
    check_port(options.host, options.port)
    print("Loading the models …", file=sys.stderr)
    from sentiment.pipeline import load_models
    from sentiment.studio import build_studio, launch_options

    demo = build_studio(load_models(options.checkpoint, options.whisper, options.device))
    with contextlib.redirect_stdout(io.StringIO()):  # Gradio's own lines, which differ from case to case
        demo.launch(
            server_name=options.host,
            server_port=options.port,
            share=options.share,
            prevent_thread_lock=True,
            quiet=True,
            **launch_options(),
        )
    print(f"Running on {demo.local_url}", flush=True)
    if demo.share_url:
        print(f"Public link, for up to a week: {demo.share_url}", flush=True)
    elif options.share:
        print("No public link could be made, is there internet? The local page goes on.", file=sys.stderr)
    while True:
        time.sleep(3600)


def main() -> int:
    """Run the app; returns the exit code."""
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the visitors' files are removed then, too
    with tempfile.TemporaryDirectory(prefix="video-sentiment-", ignore_cleanup_errors=True) as folder:
        # Everything a visitor sends or gets lies in this folder. Gradio reads its part when it is imported,
        # and takes no copies of what lies in there already; so what is being made lies beside it.
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder, "visitors"))
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        Path(folder, "work").mkdir()
        tempfile.tempdir = str(Path(folder, "work"))
        try:
            serve(options)
        except SentimentError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
