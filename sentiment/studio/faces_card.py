"""Whose face counts: the faces of a video with their pictures, to be ticked.

A face is followed by its place within a shot and no further, so one person may be listed several times.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from sentiment.datatypes import Timeline
from sentiment.face_tracks import FaceTrack, list_faces
from sentiment.studio.evidence import thumbnail_source
from sentiment.studio.panels import heading
from sentiment.timeline import format_clock

PERSISTENT_SECONDS = 2.0
"""A face that is on the screen for less is no choice worth asking about."""

SHOWN_AT_ONCE = 8

MOST_SHOWN = 48
"""A film that is cut quickly has hundreds; the longest of them are enough to choose from."""

SIDE_SHARE = 0.4
"""A face whose middle is in this part of the picture's width is "on the left"; likewise on the right."""


def faces_card(timeline: Timeline) -> str:
    """A card with a tick box for each face; "" where there is no choice to make."""
    faces = list_faces(timeline)
    persistent = [face for face in faces if face.seconds_on_screen >= PERSISTENT_SECONDS]
    if len(persistent) < 2 and not timeline.edits.faces:
        return ""
    shown = faces[:MOST_SHOWN]
    first, more = shown[:SHOWN_AT_ONCE], shown[SHOWN_AT_ONCE:]
    has_chosen_in_more = any(face.track in timeline.edits.faces for face in more)
    rest = (
        f"<details{' open' if has_chosen_in_more else ''}><summary>{len(more)} more, on the screen for less"
        f"</summary>{_list(more, timeline)}</details>"
        if more
        else ""
    )
    left_out = len(faces) - len(shown)
    if left_out:
        rest += f'<p class="note">{left_out} that are seen for less still are not listed.</p>'
    clear = '<button type="button" class="plain" id="clear-faces">Untick all</button>' if timeline.edits.faces else ""
    return (
        f'<div class="card faces" role="group" aria-labelledby="faces-title">'
        f'<div id="faces-title">{heading("Whose face counts?", "tick it, and all is read anew from that face")}</div>'
        f'<p class="note" id="faces-note">{escape(_what_counts(timeline))} {clear}</p>'
        f"{_list(first, timeline)}{rest}"
        '<p class="note">A face is followed by its place in the picture. After a cut everybody is a new face: nobody '
        "is recognised. Tick all that are the same person.</p></div>"
    )


def _what_counts(timeline: Timeline) -> str:
    chosen = timeline.edits.faces
    if not chosen:
        return "None is ticked: in each moment the largest face counts."
    one = "The ticked face counts" if len(chosen) == 1 else f"The {len(chosen)} ticked faces count, as one person"
    with_faces = [p for p in timeline.segments if p.candidates]
    without = sum(p.face_track is None for p in with_faces)
    if not without:
        return f"{one}."
    moments = f"{without} of {len(with_faces)} segments with a face"
    return f"{one}. In {moments}, {'it is' if len(chosen) == 1 else 'they are'} not seen, and no face counts."


def _list(faces: Sequence[FaceTrack], timeline: Timeline) -> str:
    return f'<ul class="face-list">{"".join(_item(face, timeline) for face in faces)}</ul>'


def _item(face: FaceTrack, timeline: Timeline) -> str:
    """A tick box that is its picture, too, and beside it when the face is first seen, as a way there."""
    checked = " checked" if face.track in timeline.edits.faces else ""
    picture = f'<img src="{thumbnail_source(face.thumbnail)}" alt="">' if face.thumbnail is not None else ""
    when = f"{format_clock(face.start_seconds)}–{format_clock(face.end_seconds)}"
    side, seconds = _side(face, timeline), format_clock(face.seconds_on_screen)
    return (
        f'<li><label title="face_track {face.track} in the files">'
        f'<input type="checkbox" name="face" value="{face.track}"{checked}'
        f' aria-label="Face {side}, on the screen for {seconds}, {when}">{picture}'
        f"<span><b>{side.capitalize()}</b>"
        f'<span class="number">for {seconds}</span></span></label>'
        f'<button type="button" class="plain number" data-start="{face.start_seconds:.3f}"'
        f' aria-label="Go to {format_clock(face.start_seconds)}, where it is first seen">at {when}</button></li>'
    )


def _side(face: FaceTrack, timeline: Timeline) -> str:
    """Where in the picture it mostly is: one word that tells two faces apart without looking."""
    middles = [
        (box.left + box.right) / 2
        for index in face.segments
        for candidate in timeline.segments[index].candidates
        if candidate.track == face.track
        for box in candidate.boxes
    ]
    middle = sum(middles) / len(middles)
    return "on the left" if middle < SIDE_SHARE else "on the right" if middle > 1 - SIDE_SHARE else "in the middle"
