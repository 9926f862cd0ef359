"""A timeline as chapters and markers for editors.

chapters.txt    for a video's description on YouTube: "0:42 Anger"
markers.edl     DaVinci Resolve: right-click the timeline, Timelines > Import > Timeline Markers from EDL
markers.xml     Premiere Pro: File > Import. A Final Cut Pro 7 XML (xmeml): one sequence, which holds the video under
                its file name, to be linked when Premiere asks, and a marker for each segment

Editors count frames. The files count at the standard rate nearest to the video's, and at FALLBACK_RATE_HZ where
there is none near: sound alone, or the recording of a browser.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from sentiment.captions import answer_in_short
from sentiment.datatypes import SegmentPrediction, Timeline
from sentiment.plain_text import one_line, video_name
from sentiment.timeline import format_clock

if TYPE_CHECKING:
    from opentimelineio.opentime import RationalTime
    from opentimelineio.schema import Marker, Track

LEAST_CHAPTER_SECONDS = 10.0
"""YouTube takes no shorter ones, and no list of fewer than three."""

STANDARD_RATES_HZ: Final = (24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 48.0, 50.0, 60000 / 1001, 60.0)
"""What editors offer for a timeline."""

FALLBACK_RATE_HZ = 30.0

RATE_TOLERANCE = 0.02
"""How far the video's rate may lie from a standard one: phones wander around 30 frames a second."""

RESOLVE_START_SECONDS = 3600
"""DaVinci Resolve's timelines start at 01:00:00:00 unless told otherwise."""

RESOLVE_COLOURS: Final = {
    "anger": "Red",
    "disgust": "Green",
    "fear": "Purple",
    "joy": "Yellow",
    "neutral": "Cream",
    "sadness": "Blue",
    "surprise": "Cyan",
}
"""Of the sixteen that Resolve has, those nearest to EMOTION_COLOURS."""


# ---------------------------------------------------------------- chapters


def youtube_chapters(timeline: Timeline) -> str:
    """A line per chapter, "0:42 Anger", from certain answers alone; "0:00 Start" where there is none.

    A chapter begins where the emotion changes, as soon as the one before is LEAST_CHAPTER_SECONDS long, and is called
    after the emotion that leads it for the longest time.
    """
    chapters = _chapters(timeline) or [(0.0, "start")]
    return "".join(f"{format_clock(start_seconds)} {name.capitalize()}\n" for start_seconds, name in chapters)


def _chapters(timeline: Timeline) -> list[tuple[float, str]]:
    """(start in seconds, leading emotion) of each chapter; neighbours differ."""
    chapters: list[tuple[float, str]] = []
    for start_seconds, emotion in _chapters_by_length(timeline):
        if not chapters or chapters[-1][1] != emotion:
            chapters.append((start_seconds, emotion))
    return chapters


def _chapters_by_length(timeline: Timeline) -> Iterator[tuple[float, str]]:
    start_seconds, led_seconds, emotion_before = 0.0, defaultdict[str, float](float), ""
    for prediction in timeline.segments:
        if not prediction.certain or prediction.affect is None:
            continue
        segment, emotion = prediction.segment, prediction.affect.top_emotion
        rest_seconds = timeline.duration_seconds - segment.start_seconds
        is_long = min(segment.start_seconds - start_seconds, rest_seconds) >= LEAST_CHAPTER_SECONDS
        if led_seconds and emotion != emotion_before and is_long:
            yield start_seconds, max(led_seconds, key=led_seconds.__getitem__)
            start_seconds, led_seconds = segment.start_seconds, defaultdict(float)
        led_seconds[emotion] += segment.duration_seconds
        emotion_before = emotion
    if led_seconds:
        yield start_seconds, max(led_seconds, key=led_seconds.__getitem__)


# ---------------------------------------------------------------- markers


def editing_rate_hz(timeline: Timeline) -> float:
    """The frame rate in which the marker files count."""
    rate_hz = timeline.video.get("frame_rate_hz")
    if not rate_hz:
        return FALLBACK_RATE_HZ
    nearest = min(STANDARD_RATES_HZ, key=lambda standard: abs(standard - rate_hz))
    return nearest if abs(nearest - rate_hz) <= RATE_TOLERANCE * nearest else FALLBACK_RATE_HZ


def resolve_edl(timeline: Timeline) -> str:
    """Markers as DaVinci Resolve writes and reads them: a CMX 3600 list with colour, name, length in comments."""
    from opentimelineio.opentime import RationalTime, to_timecode

    rate_hz = editing_rate_hz(timeline)
    # Counted in whole seconds of the nominal rate: at 29.97, 01:00:00:00 is frame 108,000, after 3,603.6 s.
    start = RationalTime(RESOLVE_START_SECONDS * round(rate_hz), rate_hz)
    lines = [f"TITLE: {_edl_text(_title(timeline))}", "FCM: NON-DROP FRAME", ""]
    for number, prediction in enumerate(_answered(timeline), start=1):
        first, length = _frames(prediction, rate_hz)
        at, after = (to_timecode(start + first + RationalTime(n, rate_hz), rate_hz, False) for n in (0, 1))
        lines += [
            f"{number:03d}  001      V     C        {at} {after} {at} {after}",
            f" {_edl_text(one_line(prediction.segment.text))}".rstrip() + f" |C:ResolveColor{_colour(prediction)}"
            f" |M:{answer_in_short(prediction)} |D:{length.to_frames()}",
            "",
        ]
    return "\n".join(lines)


def premiere_xml(timeline: Timeline) -> str:
    """A sequence with a marker per answered segment, as Final Cut Pro 7 XML, which Premiere Pro imports."""
    import opentimelineio as otio
    from opentimelineio.opentime import RationalTime

    rate_hz = editing_rate_hz(timeline)
    edit = otio.schema.Timeline(_title(timeline), global_start_time=RationalTime(0, rate_hz))
    if timeline.video.get("width"):
        edit.metadata["fcp_xml"] = {"media": {"video": {"format": {"samplecharacteristics": {
            "width": str(timeline.video["width"]), "height": str(timeline.video["height"]),
        }}}}}  # fmt: skip
        edit.tracks.append(_track(timeline, otio.schema.TrackKind.Video, rate_hz))
    if timeline.video.get("has_audio", True):
        edit.tracks.append(_track(timeline, otio.schema.TrackKind.Audio, rate_hz))
    edit.tracks.markers.extend(_marker(prediction, rate_hz) for prediction in _answered(timeline))
    return str(otio.adapters.write_to_string(edit, "fcp_xml"))


def _track(timeline: Timeline, kind: str, rate_hz: float) -> Track:
    """The whole file as one clip, called after its track too: the adapter takes equal clips for one and the same."""
    from opentimelineio.opentime import RationalTime, TimeRange
    from opentimelineio.schema import Clip, ExternalReference
    from opentimelineio.schema import Track as NewTrack

    whole = TimeRange(RationalTime(0, rate_hz), RationalTime(round(timeline.duration_seconds * rate_hz), rate_hz))
    name = _title(timeline)
    track = NewTrack(kind, kind=kind)
    track.append(Clip(f"{name} ({kind.lower()})", ExternalReference(name, available_range=whole), source_range=whole))
    return track


def _marker(prediction: SegmentPrediction, rate_hz: float) -> Marker:
    from opentimelineio.opentime import TimeRange
    from opentimelineio.schema import Marker as NewMarker

    words = one_line(prediction.segment.text)
    metadata = {"fcp_xml": {"comment": words}} if words else None
    return NewMarker(answer_in_short(prediction), TimeRange(*_frames(prediction, rate_hz)), metadata=metadata)


def _answered(timeline: Timeline) -> Iterator[SegmentPrediction]:
    return (prediction for prediction in timeline.segments if prediction.affect is not None)


def _frames(prediction: SegmentPrediction, rate_hz: float) -> tuple[RationalTime, RationalTime]:
    """The segment's first frame and its length, at least one frame."""
    from opentimelineio.opentime import RationalTime

    segment = prediction.segment
    first, after = round(segment.start_seconds * rate_hz), round(segment.end_seconds * rate_hz)
    return RationalTime(first, rate_hz), RationalTime(max(1, after - first), rate_hz)


def _colour(prediction: SegmentPrediction) -> str:
    assert prediction.affect is not None  # only answered segments become markers
    return RESOLVE_COLOURS[prediction.affect.top_emotion]


def _title(timeline: Timeline) -> str:
    return video_name(timeline) or "video"


def _edl_text(text: str) -> str:
    """A bar would begin the next field of a comment."""
    return text.replace("|", "/")
