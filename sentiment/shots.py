"""Where one shot ends and the next begins: a face keeps its place within a shot, and nobody knows whose it is after."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sentiment.media_datatypes import VideoFrame

VIEW_SIDE_PX = 64
"""Pictures are compared at this width and height: enough for their colours, and noise is averaged away."""

_BINS = (8, 4, 8)
"""Of hue, saturation and brightness. Few, so that a face that moves does not change the picture."""

CUT_DISTANCE = 0.3
"""Bhattacharyya distance of two pictures' colours, in [0, 1], from which they are of two shots. People who talk stay
below 0.1 from one look to the next. A missed cut costs little, because a face must keep its place as well."""


def view_of(image: np.ndarray) -> np.ndarray:
    """What is remembered of a picture, (height, width, 3) uint8 RGB: its colour histogram, (256,) float32."""
    small = cv2.resize(image, (VIEW_SIDE_PX, VIEW_SIDE_PX), interpolation=cv2.INTER_AREA)
    colours = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
    histogram = cv2.calcHist([colours], [0, 1, 2], None, list(_BINS), [0, 180, 0, 256, 0, 256])
    # Colours on the border of two bins must not jump between them: each bin lends to its neighbours.
    return cv2.GaussianBlur(histogram.reshape(_BINS[0], -1), (3, 3), 0).ravel()


def is_cut(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether two views, one after the other in time, are of two shots."""
    return cv2.compareHist(before, after, cv2.HISTCMP_BHATTACHARYYA) >= CUT_DISTANCE


def number_shots(frames: Sequence[VideoFrame]) -> list[int]:
    """For each frame, in order of time, the number of its shot, counted from 0."""
    views = [view_of(frame.image) for frame in frames]
    numbers, shot = [], 0
    for index, view in enumerate(views):
        shot += index > 0 and is_cut(views[index - 1], view)
        numbers.append(shot)
    return numbers
