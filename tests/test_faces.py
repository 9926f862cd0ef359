from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest
import skimage.data

from sentiment.datatypes import FaceBox
from sentiment.errors import SettingsError
from sentiment.faces import FaceFinder, FaceSettings, follow_face, frames_of, overlap
from sentiment.media_datatypes import VideoFrame

ASTRONAUT_FACE = FaceBox(0.36, 0.12, 0.53, 0.34, 1.0)
"""Eileen Collins's face in skimage's picture, measured by eye."""


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return skimage.data.astronaut()


def frames_at(images: Sequence[np.ndarray], step_seconds: float = 0.5) -> list[VideoFrame]:
    return [VideoFrame(i * step_seconds, image) for i, image in enumerate(images)]


def place(face: np.ndarray, side: int, left: int, top: int, canvas: np.ndarray | None = None) -> np.ndarray:
    """The picture of a face, shrunk to a square of `side`, on grey (or on a picture of 640x360)."""
    picture = np.full((360, 640, 3), 128, np.uint8) if canvas is None else canvas.copy()
    picture[top : top + side, left : left + side] = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    return picture


# ---------------------------------------------------------------- the detector


@pytest.mark.parametrize("side", [512, 256, 128])
def test_a_face_is_found_at_any_size(finder: FaceFinder, astronaut: np.ndarray, side: int) -> None:
    picture = cv2.resize(astronaut, (side, side), interpolation=cv2.INTER_AREA)
    (face,) = finder.find(picture, time_seconds=1.5)
    assert overlap(face, ASTRONAUT_FACE) > 0.7
    assert face.confidence > 0.7
    assert face.time_seconds == 1.5


def test_the_picture_is_not_squeezed(finder: FaceFinder, astronaut: np.ndarray) -> None:
    (face,) = finder.find(place(astronaut, 300, left=320, top=30))
    expected = FaceBox(
        (320 + 300 * ASTRONAUT_FACE.left) / 640,
        (30 + 300 * ASTRONAUT_FACE.top) / 360,
        (320 + 300 * ASTRONAUT_FACE.right) / 640,
        (30 + 300 * ASTRONAUT_FACE.bottom) / 360,
        1.0,
    )
    assert overlap(face, expected) > 0.7


def test_a_grey_face_is_found_too(finder: FaceFinder, astronaut: np.ndarray) -> None:
    grey = cv2.cvtColor(cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    assert overlap(finder.find(grey)[0], ASTRONAUT_FACE) > 0.7


NO_FACES: dict[str, Callable[[], np.ndarray]] = {
    "black": lambda: np.zeros((240, 320, 3), np.uint8),
    "white": lambda: np.full((240, 320, 3), 255, np.uint8),
    "noise": lambda: np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8),
    "rocket": skimage.data.rocket,
    "coffee": skimage.data.coffee,
    "cat": skimage.data.chelsea,
    "one pixel": lambda: np.zeros((1, 1, 3), np.uint8),
    "strip": lambda: np.zeros((2, 700, 3), np.uint8),
}


@pytest.mark.parametrize("name", NO_FACES)
def test_no_face_where_there_is_none(finder: FaceFinder, name: str) -> None:
    assert finder.find(NO_FACES[name]()) == []


@pytest.mark.parametrize(("left", "top"), [(0.45, 0.0), (0.0, 0.2), (0.15, 0.2)])
def test_boxes_stay_inside_of_the_picture(finder: FaceFinder, astronaut: np.ndarray, left: float, top: float) -> None:
    """The face is cut off by the picture's border."""
    height, width, _ = astronaut.shape
    cut = astronaut[int(top * height) : int(0.45 * height), int(left * width) : int(0.6 * width)]
    for face in finder.find(np.ascontiguousarray(cut)):
        assert 0 <= face.left < face.right <= 1
        assert 0 <= face.top < face.bottom <= 1


def test_finding_faces_prints_nothing(capfd: pytest.CaptureFixture[str], astronaut: np.ndarray) -> None:
    FaceFinder().find(astronaut)
    assert capfd.readouterr().out == ""


# ---------------------------------------------------------------- following a real face


def test_the_box_moves_with_the_face(finder: FaceFinder, astronaut: np.ndarray) -> None:
    frames = frames_at([place(astronaut, 300, left=10 * i, top=30) for i in range(16)])
    boxes = follow_face(finder, frames)
    assert [box.time_seconds for box in boxes] == [frame.time_seconds for frame in frames]
    moved = np.diff([box.left for box in boxes]) * 640
    assert moved == pytest.approx(10, abs=4)  # in each step, also where the detector did not look


def test_of_two_faces_the_larger_is_followed(finder: FaceFinder, astronaut: np.ndarray) -> None:
    both = place(astronaut, 150, left=450, top=150, canvas=place(astronaut, 300, left=20, top=30))
    assert len(finder.find(both)) == 2
    boxes = follow_face(finder, frames_at([both] * 8))
    assert len(boxes) == 8
    assert all(box.right < 0.5 for box in boxes)


def test_a_small_face_that_stays_beats_a_large_one_that_passes(finder: FaceFinder, astronaut: np.ndarray) -> None:
    small = place(astronaut, 220, left=400, top=60)
    both = place(astronaut, 300, left=20, top=30, canvas=small)
    boxes = follow_face(finder, frames_at([small, small, both, small, small, small]))
    assert all(box.left > 0.5 for box in boxes)


def test_after_a_cut_the_face_is_taken_from_where_it_was(finder: FaceFinder, astronaut: np.ndarray) -> None:
    face, landscape = place(astronaut, 300, left=20, top=30), np.full((360, 640, 3), 90, np.uint8)
    frames = frames_at([landscape] * 4 + [face] * 6 + [landscape] * 6)
    boxes = follow_face(finder, frames)
    assert len(boxes) == len(frames)
    sources = frames_of(boxes, frames)
    assert all(frame.image is face for frame in sources)
    assert [box.time_seconds for box in boxes] == sorted(box.time_seconds for box in boxes)


def test_no_face_in_the_whole_segment(finder: FaceFinder) -> None:
    assert follow_face(finder, frames_at([skimage.data.rocket()] * 4)) == ()
    assert follow_face(finder, []) == ()


# ---------------------------------------------------------------- following, as arithmetic


class KnownFaces:
    """Finds what it is told: frames carry their number in their first pixel."""

    def __init__(self, faces: Sequence[Sequence[FaceBox]]) -> None:
        self.faces = faces
        self.looked_at: list[int] = []

    def find(self, image: np.ndarray, time_seconds: float = 0.0) -> list[FaceBox]:
        number = int(image[0, 0, 0])
        self.looked_at.append(number)
        return [FaceBox(b.left, b.top, b.right, b.bottom, b.confidence, time_seconds) for b in self.faces[number]]


def box(left: float, top: float, size: float = 0.1, confidence: float = 0.9) -> FaceBox:
    return FaceBox(left, top, left + size, top + size, confidence)


def follow(faces: Sequence[Sequence[FaceBox]], settings: FaceSettings | None = None) -> list[float]:
    """The left edges of the boxes, when the faces of each frame are known."""
    frames = frames_at([np.full((8, 8, 3), i, np.uint8) for i in range(len(faces))])
    boxes = follow_face(KnownFaces(faces), frames, settings or FaceSettings(max_detections=len(faces)))
    return [round(b.left, 3) for b in boxes]


def test_the_detector_looks_at_a_few_frames_spread_over_all() -> None:
    finder = KnownFaces([[box(0.1 + 0.01 * i, 0.1)] for i in range(16)])
    frames = frames_at([np.full((8, 8, 3), i, np.uint8) for i in range(16)])
    boxes = follow_face(finder, frames, FaceSettings(max_detections=4))
    assert finder.looked_at == [0, 5, 10, 15]
    assert [b.left for b in boxes] == pytest.approx([0.1 + 0.01 * i for i in range(16)])
    follow_face(finder := KnownFaces([[box(0.1, 0.1)]] * 3), frames[:3], FaceSettings(max_detections=6))
    assert finder.looked_at == [0, 1, 2]


def test_a_missed_look_is_bridged_but_not_two() -> None:
    here = [box(0.1, 0.1)]
    assert follow([here, [], [box(0.14, 0.1)]]) == [0.1, 0.12, 0.14]
    later = [box(0.14, 0.1, confidence=0.8)]
    assert follow([here, here, [], [], later]) == [0.1, 0.1, 0.1, 0.1, 0.1]


def test_a_track_does_not_jump_across_a_cut() -> None:
    one, other = [box(0.1, 0.1)], [box(0.7, 0.5)]
    assert follow([one, one, one, other, other]) == [0.1] * 5
    assert follow([one, one, other, other, other]) == [0.7] * 5


def test_two_faces_that_come_close_are_not_mixed_up() -> None:
    left = [box(x, 0.1, size=0.11) for x in (0.10, 0.15, 0.20, 0.25)]
    right = [box(x, 0.1) for x in (0.50, 0.45, 0.40, 0.36)]
    pairs = [[a, b] for a, b in zip(left, right, strict=True)]
    assert follow(pairs) == [0.1, 0.15, 0.2, 0.25]
    assert follow([list(reversed(pair)) for pair in pairs]) == [0.1, 0.15, 0.2, 0.25]


def test_a_face_may_move_by_its_own_size_but_then_not_grow() -> None:
    assert follow([[box(0.1, 0.1)], [box(0.19, 0.1)]]) == [0.1, 0.19]
    assert follow([[box(0.1, 0.1)], [box(0.19, 0.1, size=0.2)]]) == [0.19, 0.19]


@pytest.mark.parametrize(
    "changes",
    [
        {"detection_side_px": 16},
        {"min_confidence": 0.0},
        {"min_confidence": 1.5},
        {"min_overlap": -0.1},
        {"max_detections": 0},
        {"max_missed": -1},
        {"max_shift": float("nan")},
        {"max_growth": 0.5},
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=next(iter(changes))):
        FaceSettings(**changes)
