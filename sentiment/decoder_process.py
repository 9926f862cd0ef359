"""The decoder in a process of its own, which may crash, hang or eat all its memory without taking the app along.

    app:  DecoderProcess  ──── requests ────▶  decoder_server: Decoder (PyAV, FFmpeg)
                          ◀─ pixels, samples ─

Files come from strangers, and FFmpeg is native code. The process is started anew for each file, so that no file
has to do with another one.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np

from sentiment.decoder import SOUND_BLOCK_SECONDS, MediaInfo
from sentiment.decoder_protocol import Channel, Message, ProtocolError
from sentiment.decoder_spawn import DEFAULT_LIMITS, GIB, DecoderLimits, end_decoder, start_decoder
from sentiment.decoding import name_of
from sentiment.errors import MediaError
from sentiment.media_datatypes import VideoFrame, VideoTrack

logger = logging.getLogger(__name__)

TIMES_PER_REQUEST: Final = 1000
"""So many fit into a header."""

MAX_SENTENCE_CHARACTERS: Final = 500
"""Of what the decoder says about a file: a name may have 255."""


class DecoderProcess:
    """`decoder.Decoder` in another process. May be used by several threads, which then take turns.

    All methods raise MediaError where the process has gone down, or was ended because of its limits; that stays so.
    """

    def __init__(self, limits: DecoderLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._process, end = start_decoder(limits)
        self._channel = Channel(end)
        self._end = weakref.finalize(self, end_decoder, self._process, self._channel)
        self._turn = threading.Lock()
        self._name = "The file"
        self._failure: str | None = None
        self._finished_passes: list[int] = []

    # ------------------------------------------------------------ what Decoder does, too

    def open(self, path: Path) -> MediaInfo:
        """See `Decoder.open`."""
        self._name = name_of(path)
        with self._turn:
            self._send("open", path=str(path.absolute()))
            message = self._receive(self._limits.open_seconds)
        with self._believing_nothing():
            return _read_info(path, message)

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        self._end()

    @property
    def is_alive(self) -> bool:
        """Whether anything can still be asked of it: it was not closed, and has not gone down."""
        return self._end.alive

    def frames(self, max_side_px: int) -> RemoteFramePass:
        """See `Decoder.frames`."""
        number = self._begin("frames", max_side_px=max_side_px)
        return RemoteFramePass(self, number, max_side_px)

    def sound(self, sample_rate_hz: int, layout: str = "mono") -> Generator[np.ndarray, None, None]:
        """See `Decoder.sound`."""
        num_channels = 1 if layout == "mono" else 2
        max_bytes = SOUND_BLOCK_SECONDS * sample_rate_hz * num_channels * 2
        for message in self._items("sound", max_bytes, sample_rate_hz=sample_rate_hz, layout=layout):
            with self._believing_nothing():
                block = message.array((message.integer("num_samples"), num_channels), np.int16)
            yield block

    def pictures(self, max_side_px: int) -> Generator[tuple[float, np.ndarray], None, None]:
        """See `Decoder.pictures`."""
        for message in self._items("pictures", 3 * (max_side_px + 1) ** 2, max_side_px=max_side_px):
            with self._believing_nothing():
                picture = message.number("time"), _read_pixels(message)
            yield picture

    def is_playable(self) -> bool:
        """See `Decoder.is_playable`."""
        with self._turn:
            self._send("is_playable")
            return self._receive().header.get("is_playable") is True

    def write_copy(self, target: Path, on_progress: Callable[[float], None] | None = None) -> None:
        """See `Decoder.write_copy`. An exception of `on_progress` ends the process."""
        is_done = False
        try:
            with self._turn:
                self._send("write_copy", target=str(target.absolute()))
                while "done" not in (message := self._receive()).header:
                    with self._believing_nothing():
                        share = message.number("share")
                    if on_progress is not None:
                        on_progress(min(1.0, max(0.0, share)))
            is_done = True
        finally:
            if not is_done:
                self.close()

    # ------------------------------------------------------------ talking

    def frames_at(self, number: int, times_seconds: Sequence[float], max_side_px: int) -> Iterator[VideoFrame]:
        """For `RemoteFramePass`: a frame for each time; the same object where it is the same frame."""
        frame: VideoFrame | None = None
        for start in range(0, len(times_seconds), TIMES_PER_REQUEST):
            times = [float(seconds) for seconds in times_seconds[start : start + TIMES_PER_REQUEST]]
            with self._turn:
                self._send("at", **{"pass": number}, times_seconds=times)
                frames = []
                for _ in times:
                    frame = self._read_frame(self._receive(max_payload_bytes=3 * max_side_px**2), frame)
                    frames.append(frame)
            yield from frames

    def finish_pass(self, number: int) -> None:
        """Has a pass closed with the next request. May be called by the garbage collector, in the midst of one."""
        self._finished_passes.append(number)

    def _read_frame(self, message: Message, previous: VideoFrame | None) -> VideoFrame:
        with self._believing_nothing():
            if "same" not in message.header:
                return VideoFrame(message.number("time"), _read_pixels(message))
            if previous is None:
                raise ProtocolError("the same frame as none")
            return previous

    def _begin(self, what: str, **arguments: Any) -> int:
        with self._turn:
            self._send(what, **arguments)
            message = self._receive()
        with self._believing_nothing():
            return message.integer("pass")

    def _items(self, what: str, max_payload_bytes: int, **arguments: Any) -> Generator[Message, None, None]:
        """A new pass, message by message, to its end."""
        number = self._begin(what, **arguments)
        try:
            while True:
                with self._turn:
                    self._send("next", **{"pass": number})
                    message = self._receive(max_payload_bytes=max_payload_bytes)
                if "end" in message.header:
                    return
                yield message
        finally:
            self.finish_pass(number)

    def _send(self, what: str, **arguments: Any) -> None:
        """A request. Whoever sends it holds `_turn` until it is answered."""
        if self._failure is not None:
            raise MediaError(self._failure)
        if not self.is_alive:
            raise MediaError(f"{self._name} has been closed.")
        finished = [self._finished_passes.pop() for _ in range(len(self._finished_passes))]
        try:
            self._channel.send({"do": what, "finished_passes": finished} | arguments, None, self._limits.step_seconds)
        except OSError:
            self._fail(self._epitaph())

    def _receive(self, limit_seconds: float | None = None, max_payload_bytes: int = 0) -> Message:
        """The answer. Signs of life, which only come where no limit is given, prolong the time it may take."""
        step_seconds = limit_seconds or self._limits.step_seconds
        started = time.monotonic()
        deadline = started + step_seconds
        while True:
            try:
                message = self._channel.receive(max_payload_bytes, deadline - time.monotonic())
            except TimeoutError:
                self._fail(f"{self._name} takes too long to decode: there was nothing for {step_seconds:g} s.")
            except (ProtocolError, OSError) as error:
                logger.warning("the decoder of %s broke the protocol: %s", self._name, error)
                self._fail(self._epitaph())
            if message is None:
                self._fail(self._epitaph())
            header = message.header
            if "error" in header:
                raise MediaError(_to_sentence(header["error"]))
            if "out_of_memory" in header:
                gib = self._limits.memory_bytes / GIB
                self._fail(f"{self._name} takes more memory to decode than the {gib:.3g} GiB that a file may take.")
            if "alive" in header:
                now = time.monotonic()
                deadline = min(now + step_seconds, max(now, started + self._limits.request_seconds))
            elif "warning" in header:
                logger.warning("%s", _to_sentence(header["warning"]))
            else:
                return message

    # ------------------------------------------------------------ failing

    @contextmanager
    def _believing_nothing(self) -> Iterator[None]:
        """Whoever talks nonsense within is ended."""
        try:
            yield
        except (ProtocolError, ValueError) as error:
            logger.warning("the decoder of %s broke the protocol: %s", self._name, error)
            self._fail(self._epitaph())

    def _fail(self, sentence: str) -> NoReturn:
        """Ends the process, and with it everything that could be asked of it."""
        self._failure = sentence
        self.close()
        raise MediaError(sentence)

    def _epitaph(self) -> str:
        """What to say about a process that has gone down."""
        try:
            code = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return f"{self._name} made the decoder talk nonsense, so it was ended."
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"{self._name} brought the decoder down ({cause}), so it cannot be read."


class RemoteFramePass:
    """`decoder.FramePass` in another process."""

    def __init__(self, decoder: DecoderProcess, number: int, max_side_px: int) -> None:
        self._decoder = decoder
        self._number = number
        self._max_side_px = max_side_px

    def at(self, times_seconds: Sequence[float]) -> tuple[VideoFrame, ...]:
        """See `FramePass.at`."""
        return tuple(self._decoder.frames_at(self._number, times_seconds, self._max_side_px))

    def close(self) -> None:
        """See `FramePass.close`."""
        self._decoder.finish_pass(self._number)


# ---------------------------------------------------------------- reading what it says


def _read_info(path: Path, message: Message) -> MediaInfo:
    duration_seconds = message.number("duration_seconds")
    has_audio = message.header.get("has_audio") is True
    described = message.header.get("video")
    if described is None:
        return MediaInfo(duration_seconds, has_audio, None)
    if not isinstance(described, dict):
        raise ProtocolError("a video that is not described")
    video = Message(described, message.payload)
    matrix = None if described.get("display_matrix") is None else video.numbers("display_matrix", 9)
    rate_hz = None if described.get("frame_rate_hz") is None else video.number("frame_rate_hz")
    size = video.integer("width", 1), video.integer("height", 1)
    return MediaInfo(duration_seconds, has_audio, VideoTrack(path, *size, duration_seconds, matrix, rate_hz))


def _read_pixels(message: Message) -> np.ndarray:
    """(height, width, 3) uint8."""
    return message.array((message.integer("height", 1), message.integer("width", 1), 3), np.uint8)


def _to_sentence(text: object) -> str:
    """In one line, and not too long."""
    return " ".join(str(text).split())[:MAX_SENTENCE_CHARACTERS]
