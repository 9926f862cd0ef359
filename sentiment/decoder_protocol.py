"""How the app and its decoder talk: a header in JSON and, behind it, raw pixels or samples.

    8 bytes            num_json_bytes       num_payload_bytes
    lengths, as "!II"  {"time": 1.5, ...}   pixels (uint8) or samples (int16), row by row

The decoder handles files from strangers, so what it sends is data and nothing else. Nothing is unpickled,
neither length is believed before it is compared with what was asked for, and no number in a header is used
before it is known to be one. Whoever took the decoder over could send a wrong picture, but run no code here.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

LENGTHS: Final = struct.Struct("!II")
MAX_HEADER_BYTES: Final = 2**20
"""A request for the frames of one segment holds a time for each; a thousandth of this is usual."""
LARGEST_INTEGER: Final = 2**53
"""Up to here every whole number is a float, too."""


class ProtocolError(Exception):
    """The other side said what it must not, or fell silent in the midst of a message."""


class Message(NamedTuple):
    """What is sent at a time."""

    header: dict[str, Any]
    payload: np.ndarray
    """(num_bytes,) uint8; often empty."""

    def integer(self, key: str, at_least: int = 0) -> int:
        """A whole number of the header; raises ProtocolError where it is none, or less than `at_least`."""
        value = self.header.get(key)
        if type(value) is not int or not at_least <= value <= LARGEST_INTEGER:
            raise ProtocolError(f"{key} is no whole number from {at_least}")
        return value

    def number(self, key: str) -> float:
        """A finite number of the header; raises ProtocolError where it is none."""
        return _to_float(self.header.get(key), key)

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        """So many finite numbers of the header; raises ProtocolError where they are none."""
        values = self.header.get(key)
        if not isinstance(values, list) or len(values) != count:
            raise ProtocolError(f"{key} is no list of {count}")
        return tuple(_to_float(value, key) for value in values)

    def array(self, shape: tuple[int, ...], dtype: type[np.generic]) -> np.ndarray:
        """The payload as an array; raises ProtocolError where it has another size."""
        if math.prod(shape) * np.dtype(dtype).itemsize != len(self.payload):
            raise ProtocolError(f"{len(self.payload)} bytes cannot be {np.dtype(dtype).name} of the shape {shape}")
        return self.payload.view(dtype).reshape(shape)


class Channel:
    """One end of the pair of sockets."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def send(
        self, header: Mapping[str, Any], payload: np.ndarray | None = None, limit_seconds: float | None = None
    ) -> None:
        """Sends a message; raises OSError where nobody listens any more, TimeoutError where nobody reads it."""
        text = json.dumps(header).encode()
        num_payload_bytes = 0 if payload is None else payload.nbytes
        self._socket.settimeout(limit_seconds)
        self._socket.sendall(LENGTHS.pack(len(text), num_payload_bytes) + text)
        if payload is not None and num_payload_bytes:
            self._socket.sendall(np.ascontiguousarray(payload).data)

    def receive(self, max_payload_bytes: int = 0, limit_seconds: float | None = None) -> Message | None:
        """The next message, or None where the other side is gone.

        Raises:
            TimeoutError: it is not there as a whole after `limit_seconds`.
            ProtocolError: it breaks off, is longer than allowed, or is no JSON object.
        """
        deadline = None if limit_seconds is None else time.monotonic() + limit_seconds
        lengths = self._read(LENGTHS.size, deadline)
        if lengths is None:
            return None
        num_header_bytes, num_payload_bytes = LENGTHS.unpack(lengths)
        if num_header_bytes > MAX_HEADER_BYTES or num_payload_bytes > max_payload_bytes:
            raise ProtocolError(f"a message of {num_header_bytes} + {num_payload_bytes} bytes")
        text, payload = self._read(num_header_bytes, deadline), self._read(num_payload_bytes, deadline)
        if text is None or payload is None:
            raise ProtocolError("a message breaks off")
        return Message(_to_object(text), np.frombuffer(payload, dtype=np.uint8))

    def close(self) -> None:
        self._socket.close()

    def _read(self, num_bytes: int, deadline: float | None) -> bytearray | None:
        """So many bytes, or None where the other side is gone before the last of them."""
        data = bytearray(num_bytes)
        view, done = memoryview(data), 0
        while done < num_bytes:
            left_seconds = None if deadline is None else deadline - time.monotonic()
            if left_seconds is not None and left_seconds <= 0:
                raise TimeoutError
            self._socket.settimeout(left_seconds)
            try:
                read = self._socket.recv_into(view[done:])
            except ConnectionResetError:
                read = 0
            if not read:
                return None
            done += read
        return data


def _to_float(value: object, key: str) -> float:
    if type(value) is int and abs(value) <= LARGEST_INTEGER:
        return float(value)
    if type(value) is not float or not math.isfinite(value):
        raise ProtocolError(f"{key} is no finite number")
    return value


def _to_object(text: bytearray) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a header that is no JSON") from error
    if not isinstance(header, dict):
        raise ProtocolError("a header that is no JSON object")
    return header
