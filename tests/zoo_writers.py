"""Writes odd media by hand: what no well-behaved muxer would write."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np


def jpeg(image: np.ndarray) -> bytes:
    """(height, width, 3) uint8 RGB as a JPEG."""
    target = io.BytesIO()
    with av.open(target, "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = *image.shape[:2], "yuvj444p"
        container.mux([*stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")), *stream.encode(None)])
    return target.getvalue()


# ---------------------------------------------------------------- Matroska (RFC 9559)


def element(number: int, content: bytes, size: int | None = None) -> bytes:
    """An EBML element; `size` is what it says instead of the truth."""
    digits = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return digits + ((1 << 56) | (len(content) if size is None else size)).to_bytes(8, "big") + content


def whole(number: int, value: int) -> bytes:
    return element(number, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def matroska(
    path: Path,
    packets: Sequence[tuple[int, bytes]],
    *,
    codec: str = "V_MJPEG",
    size: tuple[int, int] = (160, 120),
    declared_ms: float | None = None,
    segment_size: int | None = None,
    track_extra: bytes = b"",
) -> None:
    """A file of one video track. Packets are (milliseconds, bytes), in whatever order, each in a cluster of its own."""
    head = element(0x1A45DFA3, element(0x4282, b"matroska") + whole(0x4287, 4) + whole(0x4285, 2))
    duration = b"" if declared_ms is None else element(0x4489, struct.pack(">d", declared_ms))
    info = element(0x1549A966, whole(0x2AD7B1, 1_000_000) + duration)
    picture = element(0xE0, whole(0xB0, size[0]) + whole(0xBA, size[1]))
    track = whole(0xD7, 1) + whole(0x73C5, 1) + whole(0x83, 1) + element(0x86, codec.encode()) + picture + track_extra
    clusters = b"".join(
        element(0x1F43B675, whole(0xE7, milliseconds) + element(0xA3, b"\x81\x00\x00\x80" + data))
        for milliseconds, data in packets
    )
    content = info + element(0x1654AE6B, element(0xAE, track)) + clusters
    path.write_bytes(head + element(0x18538067, content, segment_size))


def content_encoding(kind: bytes) -> bytes:
    """What a track says of how its packets are packed: `kind` is its compression or encryption."""
    return element(0x6D80, element(0x6240, whole(0x5031, 0) + whole(0x5032, 1) + kind))


ZLIB = content_encoding(whole(0x5033, 0) + element(0x5034, whole(0x4254, 0)))
AES = content_encoding(whole(0x5033, 1) + element(0x5035, whole(0x47E1, 5) + element(0x47E2, b"key")))


# ---------------------------------------------------------------- MP4 (ISO/IEC 14496-12)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def patched(path: Path, after: bytes, offset: int, new: bytes) -> None:
    """Writes `new` over what lies `offset` bytes behind the first `after`."""
    data = bytearray(path.read_bytes())
    start = data.index(after) + len(after) + offset
    data[start : start + len(new)] = new
    path.write_bytes(data)


def mp4_that_refers_to(path: Path, target: str) -> None:
    """A QuickTime film without data of its own: it names another file (dref, alis) in which they lie."""
    name = target.encode()
    alias = bytearray(150) + struct.pack(">hh", 2, len(name)) + name + b"\0" * (len(name) % 2)
    alias += struct.pack(">hh", 18, len(name)) + name + b"\0" * (len(name) % 2) + struct.pack(">hh", -1, 0)
    struct.pack_into(">HH", alias, 4, len(alias), 2)
    dref = box(b"dref", struct.pack(">II", 0, 1) + box(b"alis", bytes(4) + bytes(alias)))
    entry = bytes(6) + struct.pack(">H", 1) + bytes(16) + struct.pack(">HH", 160, 120) + bytes(14)
    entry = box(b"jpeg", entry + bytes(32) + struct.pack(">Hh", 24, -1))
    tables = box(b"stsd", struct.pack(">II", 0, 1) + entry) + box(b"stts", struct.pack(">IIII", 0, 1, 10, 40))
    tables += box(b"stsc", struct.pack(">IIIII", 0, 1, 1, 10, 1)) + box(b"stsz", struct.pack(">III", 0, 500, 10))
    tables += box(b"stco", struct.pack(">III", 0, 1, 0))
    header = box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, 1000, 400, 0, 0))
    handler = box(b"hdlr", bytes(4) + b"mhlrvide" + bytes(13))
    media = box(b"minf", box(b"vmhd", bytes(12)) + box(b"dinf", dref) + box(b"stbl", tables))
    track = box(b"tkhd", struct.pack(">IIIIII", 3, 0, 0, 1, 0, 400) + bytes(60))
    movie = box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, 400) + bytes(80))
    movie += box(b"trak", track + box(b"mdia", header + handler + media))
    path.write_bytes(box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"moov", movie))
