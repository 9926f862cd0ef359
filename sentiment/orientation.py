"""From pixels as a file stores them to pixels as a player displays them: turned, mirrored and square."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from av.buffer import Buffer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


def display_matrix(frame: VideoFrame) -> tuple[float, ...] | None:
    """The 3x3 matrix, row by row, by which the file wants its pixels turned; None where it wants nothing.

    FFmpeg stores 9 int32: 16.16 fixed point but for the last column, which is 2.30 (libavutil/display.h).
    """
    _accept_unknown_side_data()
    side_data = cast("Mapping[str, Buffer]", frame.side_data)  # PyAV's stub knows of one kind alone
    if "DISPLAYMATRIX" not in side_data:
        return None
    fixed_point = np.frombuffer(bytes(side_data["DISPLAYMATRIX"]), dtype=np.int32).astype(np.float64)
    return tuple((fixed_point / np.array([2**16, 2**16, 2**30] * 3)).tolist())


@cache
def _accept_unknown_side_data() -> None:
    """PyAV lists what lies beside a frame before it gives any of it, and fails at kinds newer than itself.

    FFmpeg 8 knows EXIF, which every JPEG of a camera has, and PyAV 18 does not.
    """
    from av.sidedata.sidedata import Type

    def unknown(kinds: type[Type], value: object) -> Type:
        kind = object.__new__(kinds)
        kind._name_, kind._value_ = f"UNKNOWN_{value}", value  # type: ignore[assignment]
        return kind

    Type._missing_ = classmethod(unknown)  # type: ignore[assignment]


def turned(image: np.ndarray, matrix: tuple[float, ...] | None) -> np.ndarray:
    """The (height, width, 3) image as a player shows it: turned by quarters and mirrored, with whole pixels.

    A stored point (x, y) is displayed at (a x + c y, b x + d y), where the matrix begins a b . c d.
    """
    if matrix is None:
        return image
    a, b, _, c, d, *_ = matrix
    if swaps_sides(matrix):
        image, a, d = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def swaps_sides(matrix: tuple[float, ...] | None) -> bool:
    """Whether width and height change places when displayed."""
    if matrix is None:
        return False
    a, b, _, c, d, *_ = matrix
    return abs(b) + abs(c) > abs(a) + abs(d)


def square_pixel_size(frame: VideoFrame, stream: VideoStream, max_side_px: int | None = None) -> tuple[int, int]:
    """(width, height) of a frame before turning, once its pixels are square and the longer side fits."""
    aspect = float(stream.sample_aspect_ratio or 1)
    width, height = frame.width * max(aspect, 1.0), frame.height * max(1 / aspect, 1.0)
    scale = min(1.0, max_side_px / max(width, height)) if max_side_px else 1.0
    return max(1, round(width * scale)), max(1, round(height * scale))
