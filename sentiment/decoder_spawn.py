"""Starting and ending the decoder's process, and what it may take."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sentiment.decoder_protocol import Channel

GIB: Final = 2**30


@dataclass(frozen=True, slots=True)
class DecoderLimits:
    """What decoding one file may take, before it is ended with one sentence."""

    memory_bytes: int = 4 * GIB
    """Address space: the 8K frames that H.264 may refer to, in as many threads as FFmpeg starts. Linux keeps it."""
    open_seconds: float = 120.0
    """For opening, where all packets are read once: gigabytes from a slow disk."""
    step_seconds: float = 30.0
    """Without a sign of life: no frame decoded and no sound. Between two key frames the slowest machine takes less."""
    request_seconds: float = 3600.0
    """For one answer, whatever signs of life there are. A copy answers with each step that it takes."""


DEFAULT_LIMITS: Final = DecoderLimits()


def start_decoder(limits: DecoderLimits) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """The process, and our end of the socket to it.

    `multiprocessing` would run the caller's main module again: with Gradio and PyTorch in it, and without end in a
    script that has no `if __name__ == "__main__"`.
    """
    ours, theirs = socket.socketpair()
    library = str(Path(__file__).resolve().parents[1])
    search_path = os.pathsep.join([library, *filter(None, [os.environ.get("PYTHONPATH")])])
    # One arena and no threads for matrices: the limit counts memory that is set aside, used or not.
    environment = {"PYTHONPATH": search_path, "MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"}
    with theirs:
        process = subprocess.Popen(
            # -P: a file called av.py in the current folder shall not be taken for the library.
            [sys.executable, "-P", "-m", "sentiment.decoder_server", str(theirs.fileno()), str(limits.memory_bytes)],
            stdin=subprocess.DEVNULL,
            stdout=sys.__stderr__.fileno() if sys.__stderr__ else subprocess.DEVNULL,  # results alone go to stdout
            pass_fds=[theirs.fileno()],
            env=os.environ | environment,
        )
    return process, ours


def end_decoder(process: subprocess.Popen[bytes], channel: Channel) -> None:
    """Ends the process at once, and waits for it: no zombie is left."""
    process.kill()  # nothing of it has to be tidied up, and it may be beyond listening
    process.wait()
    channel.close()
