from __future__ import annotations

import cv2
import numpy as np
import pytest

from sentiment.thumbnails import THUMBNAIL_SIDE_PX, middle_thumbnail


def decoded(jpeg: bytes) -> np.ndarray:
    """(height, width, 3) uint8 RGB."""
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


@pytest.mark.parametrize(
    ("height", "width", "small"),
    [(480, 640, (72, 96)), (640, 480, (96, 72)), (40, 30, (40, 30)), (1, 2000, (1, 96))],
)
def test_a_thumbnail_is_small_keeps_its_proportions_and_is_never_enlarged(height, width, small):
    jpeg = middle_thumbnail([np.zeros((height, width, 3), np.uint8)])
    assert decoded(jpeg).shape == (*small, 3)
    assert max(small) <= THUMBNAIL_SIDE_PX


def test_it_shows_the_middle_picture_in_its_colours():
    red, blue = np.zeros((50, 50, 3), np.uint8), np.zeros((50, 50, 3), np.uint8)
    red[..., 0] = blue[..., 2] = 250
    shown = decoded(middle_thumbnail([blue, red, blue])).mean((0, 1))
    assert shown[0] > 200 and shown[2] < 50


def test_a_detailed_picture_stays_within_some_kilobytes():
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    assert len(middle_thumbnail([noise])) < 10_000


def test_no_picture_no_thumbnail():
    assert middle_thumbnail([]) is None
