"""A timeline once more, with what a person has put right in it: only what that changes is computed again.

Corrected words go through the words' encoder, and so do the utterances that have them as their context; of another
face the encoder has spoken already. The fusion answers for those segments; all others stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sentiment.clips import words_to_read
from sentiment.context import Line, WordsInContext, put_in_context
from sentiment.datatypes import FaceCandidate, Segment, SegmentPrediction, Timeline
from sentiment.edits import Edits
from sentiment.errors import SettingsError
from sentiment.face_tracks import choose_face
from sentiment.labels import MODALITIES
from sentiment.prediction import Presence, answer, encode
from sentiment.timeline import summarize

if TYPE_CHECKING:
    from sentiment.checkpoint import Checkpoint
    from sentiment.pipeline import LoadedModels

_TEXT, _VIDEO = MODALITIES.index("text"), MODALITIES.index("video")


def rescore(timeline: Timeline, models: LoadedModels, edits: Edits) -> Timeline:
    """The timeline as it is with these edits, which replace those it had: no edits give the first answers again.

    `models` are those that made it. The timeline itself stays as it was.

    Raises:
        SettingsError: an edit of something that is not there: a segment, words in a segment without speech, a
            translation where none is read, a face.
    """
    if edits == timeline.edits:
        return timeline
    _check(timeline, edits)
    checkpoint = models.checkpoint
    segments = [_corrected(prediction, index, edits) for index, prediction in enumerate(timeline.segments)]
    words = _words_features(timeline, segments, checkpoint)
    changed: dict[int, _Change] = {}
    for index, prediction in enumerate(segments):
        face = choose_face(prediction.candidates, edits.faces)
        other_face = prediction.candidates and prediction.face_track != (None if face is None else face.track)
        if index in words or other_face:
            change = _Change.of(prediction)
            if index in words:
                change = change.with_features(_TEXT, words[index])
            if other_face:
                change = change.with_face(face)
            changed[index] = change
    if changed:
        features = np.stack([change.features for change in changed.values()])
        answers = answer(checkpoint, features, [change.presence for change in changed.values()])
        for (index, change), found in zip(changed.items(), answers, strict=True):
            segments[index] = replace(
                change.prediction, **found._asdict(), features=change.features, presence=change.presence
            )
    summary = summarize(segments, timeline.duration_seconds)
    return replace(timeline, segments=tuple(segments), summary=summary, edits=edits)


def _check(timeline: Timeline, edits: Edits) -> None:
    for index in sorted({*edits.words, *edits.translations}):
        if index >= len(timeline.segments):
            raise SettingsError(f"There is no segment {index} to correct; the last is {len(timeline.segments) - 1}.")
        segment = timeline.segments[index].segment
        if segment.kind != "speech":
            raise SettingsError(f"Segment {index} has no speech whose words could be corrected; it is {segment.kind}.")
        if index in edits.translations and not (timeline.segments[index].as_heard or segment).translation:
            raise SettingsError(f"Segment {index} is read in its own language; there is no translation to correct.")
    known = {face.track for prediction in timeline.segments for face in prediction.candidates}
    for track in edits.faces:
        if track not in known:
            names = ", ".join(map(str, sorted(known))) or "none"
            raise SettingsError(f"There is no face {track} to choose; there are: {names}.")


def _corrected(prediction: SegmentPrediction, index: int, edits: Edits) -> SegmentPrediction:
    """The same answer with the segment's words as they are to be."""
    heard = prediction.as_heard or prediction.segment
    segment = replace(
        heard,
        text=edits.words.get(index, heard.text).strip(),
        translation=edits.translations.get(index, heard.translation).strip(),
    )
    return replace(prediction, segment=segment, as_heard=None if segment == heard else heard)


def _readings(segments: Sequence[Segment], language: str | None, checkpoint: Checkpoint) -> list[WordsInContext | None]:
    """What the words' encoder reads of each segment; None where it reads nothing."""
    settings = checkpoint.clip_settings
    if "text" not in settings.modalities:
        return [None] * len(segments)
    lines = [Line(segment, words_to_read(segment, language, settings)) for segment in segments]
    in_context = chain.from_iterable(put_in_context([lines], settings))
    return [
        None if line.words is None else WordsInContext(line.words, context, following)
        for line, context, following in in_context
    ]


def _words_features(
    timeline: Timeline, corrected: Sequence[SegmentPrediction], checkpoint: Checkpoint
) -> dict[int, np.ndarray | None]:
    """The words' features (128,) of the segments that are read in another way than before; None where no more."""
    before = _readings([p.segment for p in timeline.segments], timeline.language, checkpoint)
    after = _readings([p.segment for p in corrected], timeline.language, checkpoint)
    reread = {i: now for i, (then, now) in enumerate(zip(before, after, strict=True)) if now != then}
    make = checkpoint.preprocessor.make
    clips = {i: make(*reading) for i, reading in reread.items() if reading is not None}
    features: dict[int, np.ndarray | None] = dict.fromkeys(reread)
    if clips:
        features.update(zip(clips, encode(checkpoint, list(clips.values()))[:, _TEXT], strict=True))
    return features


class _Change(NamedTuple):
    """A segment that is answered anew: what is known of it, and what the fusion is to read."""

    prediction: SegmentPrediction
    features: np.ndarray
    """(3, 128) float32."""
    presence: Presence

    @classmethod
    def of(cls, prediction: SegmentPrediction) -> _Change:
        if prediction.features is None:
            raise ValueError(f"there are no features to go on from at {prediction.segment.start_seconds} s")
        return cls(prediction, prediction.features, prediction.presence)

    def with_features(self, modality: int, features: np.ndarray | None) -> _Change:
        """With other features (128,) of one modality, or with that modality absent."""
        changed = self.features.copy()
        changed[modality] = 0.0 if features is None else features
        presence = list(self.presence)
        presence[modality] = features is not None
        return self._replace(features=changed, presence=(presence[0], presence[1], presence[2]))

    def with_face(self, face: FaceCandidate | None) -> _Change:
        """With another face that counts, or with none."""
        if face is None:
            looked_at = replace(self.prediction, face=(), face_track=None, thumbnail=None)
            return self._replace(prediction=looked_at).with_features(_VIDEO, None)
        looked_at = replace(self.prediction, face=face.boxes, face_track=face.track, thumbnail=face.thumbnail)
        return self._replace(prediction=looked_at).with_features(_VIDEO, face.features)
