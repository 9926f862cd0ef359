"""What is seen: the frames of a segment, the faces in them, and what is cut out of them for the network.

Segments are looked at in order of time: frames are read once, and faces keep their numbers from one to the next.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sentiment.clip_datatypes import ClipSettings
from sentiment.clips import crop_faces, sample_times
from sentiment.datatypes import FaceBox, Segment
from sentiment.face_tracks import FaceNumbering
from sentiment.faces import FaceFinder, FaceSettings, follow_faces, frames_of
from sentiment.media import MediaFile
from sentiment.thumbnails import middle_thumbnail


class Face(NamedTuple):
    """A face of a segment."""

    track: int
    boxes: tuple[FaceBox, ...]
    thumbnail: bytes | None


class Look(NamedTuple):
    """What one segment looks like."""

    images: list[np.ndarray] | None = None
    """What the network is to see; None where there is nothing that it has learned to look at."""
    faces: tuple[Face, ...] = ()
    """Those that could be read, where it sees faces; `images` are cut out around the first."""
    images_of_others: tuple[list[np.ndarray], ...] = ()
    """The same around each of the others."""
    thumbnail: bytes | None = None
    """Of the face, or of the whole picture where there is none; see `SegmentPrediction.thumbnail`."""


class Looking:
    """The picture of one file, for a network that reads faces, whole frames, or neither."""

    def __init__(self, media: MediaFile, clip: ClipSettings, faces: FaceSettings, max_frame_side_px: int) -> None:
        self._clip = clip
        self._face_settings = faces
        looks = media.video is not None and "video" in clip.modalities
        self._frames = media.frame_reader(max_frame_side_px) if looks else None
        self._face_finder = FaceFinder(faces) if looks and clip.framing == "face" else None
        self._numbering = FaceNumbering(faces)

    def at(self, segment: Segment) -> Look:
        """The pictures that the network is to see, and what is kept of them for whoever asks why."""
        if self._frames is None:
            return Look()
        frames = self._frames.at(sample_times(segment, self._clip))
        pictures = [frame.image for frame in frames]
        if self._face_finder is None:
            return Look(pictures, thumbnail=middle_thumbnail(pictures))
        followed = follow_faces(self._face_finder, frames, self._face_settings)
        if not followed:
            return Look(thumbnail=middle_thumbnail(pictures))
        crops = [crop_faces(frames_of(f.boxes, frames), f.boxes, self._clip) for f in followed]
        faces = tuple(
            Face(track, face.boxes, middle_thumbnail(images))
            for track, face, images in zip(self._numbering.number(followed, frames), followed, crops, strict=True)
        )
        return Look(crops[0], faces, tuple(crops[1:]), faces[0].thumbnail)
