"""Faces keep their number while they keep their place in one shot, and get another after a cut."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from sentiment.face_tracks import FaceNumbering
from sentiment.faces import FaceFinder, FaceSettings, follow_faces
from sentiment.media_datatypes import VideoFrame
from sentiment.shots import number_shots

SETTINGS = FaceSettings()


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


def room(colour: tuple[int, int, int], *faces: tuple[int, int, int]) -> np.ndarray:
    """A wall, and in front of it a face for each (left, top, side) in pixels of 640x360."""
    picture = np.full((360, 640, 3), colour, np.uint8)
    for left, top, side in faces:
        face = data.astronaut()[0:256, 96:352]
        picture[top : top + side, left : left + side] = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    return picture


def frames_from(start_seconds: float, pictures: list[np.ndarray]) -> list[VideoFrame]:
    return [VideoFrame(start_seconds + 0.25 * i, picture) for i, picture in enumerate(pictures)]


GREY, RED = (128, 128, 128), (160, 40, 40)
LEFT, RIGHT = (20, 40, 260), (380, 60, 200)


def tracks(finder: FaceFinder, *segments: list[VideoFrame]) -> list[list[int]]:
    numbering = FaceNumbering(SETTINGS)
    numbers = []
    for frames in segments:
        faces = follow_faces(finder, frames, SETTINGS)
        numbers.append(numbering.number(faces, frames) if faces else [])
    return numbers


def test_a_cut_is_a_change_of_colours_and_a_moving_face_is_none() -> None:
    moving = frames_from(0, [room(GREY, (20 + 15 * i, 40, 260)) for i in range(8)])
    assert number_shots(moving) == [0] * 8
    cut = frames_from(0, [room(GREY, LEFT)] * 3 + [room(RED, LEFT)] * 3)
    assert number_shots(cut) == [0, 0, 0, 1, 1, 1]


def test_numbers_stay_within_a_shot(finder: FaceFinder) -> None:
    both = room(GREY, LEFT, RIGHT)
    first, second = tracks(finder, frames_from(0, [both] * 4), frames_from(1, [both] * 4))
    assert first == second == [0, 1]


def test_who_is_larger_does_not_change_the_number(finder: FaceFinder) -> None:
    before = room(GREY, (20, 40, 240), (380, 60, 220))
    after = room(GREY, (20, 40, 220), (380, 60, 240))
    first, second = tracks(finder, frames_from(0, [before] * 4), frames_from(1, [after] * 4))
    assert (first, second) == ([0, 1], [1, 0])


def test_after_a_cut_the_same_place_is_another_face(finder: FaceFinder) -> None:
    first, second = tracks(finder, frames_from(0, [room(GREY, LEFT)] * 4), frames_from(1, [room(RED, LEFT)] * 4))
    assert (first, second) == ([0], [1])


def test_a_cut_inside_of_a_segment_ends_a_face(finder: FaceFinder) -> None:
    cut = frames_from(0, [room(GREY, LEFT)] * 4 + [room(RED, LEFT)] * 4)
    faces = follow_faces(finder, cut, SETTINGS)
    assert [(f.in_first_shot, f.in_last_shot) for f in sorted(faces, key=lambda f: not f.in_first_shot)] == [
        (True, False),
        (False, True),
    ]
    (both, after) = tracks(finder, cut, frames_from(2, [room(RED, LEFT)] * 4))
    assert set(both) == {0, 1}
    assert after == [both[[f.in_last_shot for f in faces].index(True)]]


def test_a_face_that_was_gone_for_long_is_a_new_one(finder: FaceFinder) -> None:
    seen = [room(GREY, LEFT)] * 4
    first, second = tracks(finder, frames_from(0, seen), frames_from(10, seen))
    assert (first, second) == ([0], [1])


def test_a_passer_by_is_no_candidate(finder: FaceFinder) -> None:
    pictures = [room(GREY, LEFT, RIGHT) if i == 3 else room(GREY, LEFT) for i in range(6)]
    assert len(follow_faces(finder, frames_from(0, pictures), SETTINGS)) == 1
