"""Who is in the video: faces keep a number while they keep their place, from segment to segment of one shot.

Position is all that is followed. Nobody is recognised: whoever comes back after a cut is a new face, until a person
says that two are one (`Edits.faces`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sentiment.datatypes import FaceBox, FaceCandidate, SegmentPrediction, Timeline
from sentiment.faces import FaceSettings, FollowedFace, match_boxes
from sentiment.media_datatypes import VideoFrame
from sentiment.shots import is_cut, view_of

MAX_UNSEEN_SECONDS = 2.5
"""For how long a face may be out of sight between two segments: gaps between them are below two seconds."""


class FaceNumbering:
    """Numbers the faces of successive segments. For one pass over one file."""

    def __init__(self, settings: FaceSettings) -> None:
        self._settings = settings
        self._next_track = 0
        self._in_sight: list[tuple[int, FaceBox]] = []
        """Track and last box of the faces at the end of the segment before."""
        self._last_view: np.ndarray | None = None

    def number(self, faces: Sequence[FollowedFace], frames: Sequence[VideoFrame]) -> list[int]:
        """The track of each of the faces that were found in a segment's frames, one at least."""
        known = self._in_sight if self._is_same_shot(frames[0]) else []
        known = [(t, box) for t, box in known if frames[0].time_seconds - box.time_seconds <= MAX_UNSEEN_SECONDS]
        early = [i for i, face in enumerate(faces) if face.in_first_shot]
        same = match_boxes([box for _, box in known], [faces[i].boxes[0] for i in early], self._settings)
        tracks = {early[e]: known[k][0] for e, k in same.items()}
        for i in range(len(faces)):
            if i not in tracks:
                tracks[i], self._next_track = self._next_track, self._next_track + 1
        self._last_view = view_of(frames[-1].image)
        self._in_sight = [(tracks[i], face.boxes[-1]) for i, face in enumerate(faces) if face.in_last_shot]
        return [tracks[i] for i in range(len(faces))]

    def _is_same_shot(self, first: VideoFrame) -> bool:
        return self._last_view is not None and not is_cut(self._last_view, view_of(first.image))


# ---------------------------------------------------------------- the whole video


class FaceTrack(NamedTuple):
    """One face of the video, as far as it can be followed."""

    track: int
    start_seconds: float
    """Where the first segment begins in which it is seen."""
    end_seconds: float
    seconds_on_screen: float
    """How long the segments are in which it is seen."""
    thumbnail: bytes | None
    """A small JPEG of it, from where it is largest."""
    segments: tuple[int, ...]
    """Their indices."""


def list_faces(timeline: Timeline) -> tuple[FaceTrack, ...]:
    """The faces that may be chosen, the one that is longest on the screen first."""
    seen: dict[int, list[tuple[int, SegmentPrediction, FaceCandidate]]] = {}
    for index, prediction in enumerate(timeline.segments):
        for candidate in prediction.candidates:
            seen.setdefault(candidate.track, []).append((index, prediction, candidate))
    tracks = [
        FaceTrack(
            track,
            times[0][1].segment.start_seconds,
            times[-1][1].segment.end_seconds,
            sum(prediction.segment.duration_seconds for _, prediction, _ in times),
            max((candidate for _, _, candidate in times), key=_mean_area).thumbnail,
            tuple(index for index, _, _ in times),
        )
        for track, times in seen.items()
    ]
    return tuple(sorted(tracks, key=lambda face: (-face.seconds_on_screen, face.track)))


def choose_face(candidates: Sequence[FaceCandidate], tracks: Sequence[int]) -> FaceCandidate | None:
    """The face of a segment that counts where these tracks are chosen; the first one where none are.

    None where none of the chosen is there.
    """
    return next((face for face in candidates if not tracks or face.track in tracks), None)


def _mean_area(candidate: FaceCandidate) -> float:
    return sum(box.area for box in candidate.boxes) / len(candidate.boxes)
