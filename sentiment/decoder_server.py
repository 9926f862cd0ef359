"""The decoder's own process: `python -m sentiment.decoder_server SOCKET MEMORY_BYTES`, which `DecoderProcess` starts.

It does what it is asked over the socket, one request after the other, until there is nobody at the other end.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import numpy as np

from sentiment.decoder import Decoder, FramePass, MediaInfo
from sentiment.decoder_protocol import Channel, Message
from sentiment.errors import MediaError

SIGN_OF_LIFE_SECONDS: Final = 1.0
"""How often at most it is said that frames are being decoded on the way to one that was asked for."""


def main() -> None:
    """Serve until the app is gone. Nothing outlives this process, so it may be killed at any time."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C goes to the whole group; the app says what becomes of it
    _limit_resources(int(sys.argv[2]))
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    library = logging.getLogger("sentiment")
    library.addHandler(_Forwarder(channel))
    library.propagate = False
    server = _Server(channel)
    while (request := channel.receive()) is not None:
        try:
            server.answer(request)
        except MediaError as error:
            channel.send({"error": str(error)})
        except MemoryError:
            channel.send({"out_of_memory": True})


def _limit_resources(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash shall leave nothing behind
    if sys.platform == "linux":  # elsewhere the system knows of this limit, but does not keep it
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _end_with(parent: int) -> None:
    """Ends this process where the app was killed while a frame is being decoded, which may take for ever."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


class _Forwarder(logging.Handler):
    """Sends warnings to the app, which knows who shall read them."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(logging.WARNING)
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        self._channel.send({"warning": record.getMessage()})


class _Server:
    """Turns requests into calls of a `Decoder`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._decoder = Decoder(self._show_life)
        self._life_shown = 0.0
        self._passes: dict[int, FramePass | Generator[Any, None, None]] = {}
        self._num_passes = 0

    def answer(self, request: Message) -> None:
        """Do what is asked; every answer ends with one message that is no sign of life and no warning."""
        asked = request.header
        for number in asked["finished_passes"]:
            self._passes.pop(number).close()
        match asked["do"]:
            case "open":
                while self._passes:
                    self._passes.popitem()[1].close()
                self._channel.send(_describe(self._decoder.open(Path(asked["path"]))))
            case "is_playable":
                self._channel.send({"is_playable": self._decoder.is_playable()})
            case "write_copy":
                self._decoder.write_copy(Path(asked["target"]), lambda share: self._channel.send({"share": share}))
                self._channel.send({"done": True})
            case "frames":
                self._begin(self._decoder.frames(asked["max_side_px"]))
            case "pictures":
                self._begin(self._decoder.pictures(asked["max_side_px"]))
            case "sound":
                self._begin(self._decoder.sound(asked["sample_rate_hz"], asked["layout"]))
            case "next":
                self._send_next(self._passes[asked["pass"]])
            case "at":
                self._send_frames(self._passes[asked["pass"]], asked["times_seconds"])

    def _begin(self, new: FramePass | Generator[Any, None, None]) -> None:
        self._num_passes += 1
        self._passes[self._num_passes] = new
        self._channel.send({"pass": self._num_passes})

    def _send_next(self, running: FramePass | Generator[Any, None, None]) -> None:
        """The next block of sound, or the next picture."""
        assert isinstance(running, Generator)
        item = next(running, None)
        if item is None:
            self._channel.send({"end": True})
        elif isinstance(item, np.ndarray):
            self._channel.send({"num_samples": len(item)}, item)
        else:
            seconds, picture = item
            self._channel.send({"time": seconds} | _size(picture), picture)

    def _send_frames(self, running: FramePass | Generator[Any, None, None], times_seconds: list[float]) -> None:
        """A message for each time; pixels only where the picture is another than for the time before."""
        assert isinstance(running, FramePass)
        latest = None
        for seconds in times_seconds:
            frame = running.picture_at(seconds)
            if frame is latest:
                self._channel.send({"same": True})
            else:
                self._channel.send({"time": frame.time_seconds} | _size(frame.image), frame.image)
            latest = frame

    def _show_life(self) -> None:
        now = time.monotonic()
        if now - self._life_shown > SIGN_OF_LIFE_SECONDS:
            self._life_shown = now
            self._channel.send({"alive": True})


def _describe(info: MediaInfo) -> dict[str, Any]:
    described: dict[str, Any] = {"duration_seconds": info.duration_seconds, "has_audio": info.has_audio}
    if info.video is not None:
        described["video"] = {
            "width": info.video.width,
            "height": info.video.height,
            "display_matrix": info.video.display_matrix,
            "frame_rate_hz": info.video.frame_rate_hz,
        }
    return described


def _size(picture: np.ndarray) -> dict[str, int]:
    return {"height": picture.shape[0], "width": picture.shape[1]}


if __name__ == "__main__":
    main()
