"""A small picture of what was looked at, for whoever asks why: a few kilobytes a segment, kept with its answer."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

THUMBNAIL_SIDE_PX = 96
"""The longer side. With JPEG_QUALITY some 3 kB: an hour of 1,500 segments keeps 5 MB."""

JPEG_QUALITY = 80
"""OpenCV's, in [0, 100]."""


def middle_thumbnail(images: Sequence[np.ndarray]) -> bytes | None:
    """The middle one of (height, width, 3) uint8 RGB pictures as a JPEG, at most THUMBNAIL_SIDE_PX high and wide.

    Pictures are never enlarged. None where there is none.
    """
    if not images:
        return None
    image = images[len(images) // 2]
    height, width, _ = image.shape
    scale = min(1.0, THUMBNAIL_SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return jpeg.tobytes()
