"""Several people's reactions to one stimulus, on its timeline: their mean, and how far they lie apart.

A viewer counts wherever they have an answer, certain or not: what is unsure is mostly weak, and a mean without it would
make every reaction look strong. What names an emotion counts certain answers alone. Where a viewer has no answer (no
face in the picture, not recording yet or any more) they do not count, and nothing stands in for them: how many do
count is told for every moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sentiment.compare import SCORE_DIGITS, format_score
from sentiment.datatypes import Timeline
from sentiment.errors import SettingsError
from sentiment.plain_text import one_line, video_name
from sentiment.steps import Cells, Placement, cut_into_cells
from sentiment.timeline import format_clock

QUORUM_SHARE = 0.5
"""A moment stands for the viewers where at least this share of them has an answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One viewer, recorded while they watched."""

    timeline: Timeline
    """Of an analysis with viewing="watching"; SettingsError for any other: its words may be the stimulus's."""
    stimulus_start_seconds: float = 0.0
    """How far into the recording the stimulus begins; negative where the recording began after it."""

    def __post_init__(self) -> None:
        if any(p.segment.kind != "watched" for p in self.timeline.segments):
            raise SettingsError(f'{self.name} was read as somebody who speaks; reactions need viewing="watching".')

    @property
    def name(self) -> str:
        return one_line(video_name(self.timeline)) or "Recording"


@dataclass(frozen=True, slots=True)
class ViewerMean:
    """One viewer over the whole stimulus."""

    name: str
    mean: float | None
    """Sentiment score averaged over the time with an answer, in [-1, 1]; None where there is none."""
    answered_share: float
    """Of the stimulus, in [0, 1]."""
    certain_share: float


@dataclass(frozen=True, slots=True)
class ReactionMoment:
    """A stretch of the stimulus through which every viewer's answer stays the same."""

    start_seconds: float
    end_seconds: float
    mean: float
    deviation: float | None
    viewers: int
    emotions: Mapping[str, int]
    """How many of those viewers show which emotion most likely; of certain answers alone, from the most down."""


@dataclass(frozen=True, slots=True, eq=False)
class Reactions:
    """All viewers on the timeline of the stimulus. n is the number of cells."""

    recordings: tuple[Recording, ...]
    stimulus: Timeline | None
    """What they watched, where it was analysed, too."""
    duration_seconds: float
    """Of the stimulus; where it is not known, until the last recording ends."""
    cells: Cells
    """k viewers, on seconds of the stimulus."""
    viewers: np.ndarray
    """(n,) int64: how many have an answer."""
    mean: np.ndarray
    """(n,) float64: their mean sentiment score in [-1, 1]; NaN where nobody has an answer."""
    deviation: np.ndarray
    """(n,) float64: the sample standard deviation between them; NaN for fewer than two."""
    viewer_means: tuple[ViewerMean, ...]
    """In the order of the recordings."""
    highest: ReactionMoment | None
    """Where the mean is highest, lowest, and viewers lie farthest apart: the first of such moments. Only moments
    with a quorum count; None where there is none, and for `most_divided` with fewer than two viewers."""
    lowest: ReactionMoment | None
    most_divided: ReactionMoment | None

    @property
    def overall_mean(self) -> float | None:
        """The mean of the viewers' means, in which each counts once; None where nobody has an answer."""
        means = self._means()
        return float(np.mean(means)) if means else None

    @property
    def overall_deviation(self) -> float | None:
        """The sample standard deviation between the viewers' means; None for fewer than two."""
        means = self._means()
        return float(np.std(means, ddof=1)) if len(means) > 1 else None

    def _means(self) -> list[float]:
        return [viewer.mean for viewer in self.viewer_means if viewer.mean is not None]


def combine_reactions(recordings: Sequence[Recording], stimulus: Timeline | None = None) -> Reactions:
    """Lay the recordings over the stimulus, each by its own start.

    Raises:
        SettingsError: there is no recording, one is not analysed to its end, or one has no moment in common with
            the stimulus.
    """
    if not recordings:
        raise SettingsError("There is no recording of a viewer; at least one is needed.")
    ends = [r.timeline.duration_seconds - r.stimulus_start_seconds for r in recordings]
    duration_seconds = max(ends) if stimulus is None else stimulus.duration_seconds
    for recording, end in zip(recordings, ends, strict=True):
        _check_overlap(recording, end, duration_seconds)
    placements = [Placement(r.timeline, origin_seconds=r.stimulus_start_seconds) for r in recordings]
    cells = cut_into_cells(placements, duration_seconds)
    viewers, mean, deviation = _moments_of(cells.scores)
    quorum = np.nonzero(viewers >= max(1.0, QUORUM_SHARE * len(recordings)))[0]
    divided = quorum[viewers[quorum] > 1]

    def moment(columns: np.ndarray, values: np.ndarray) -> ReactionMoment | None:
        if not len(columns):
            return None
        # Of moments that a person is told the same of, the first: which differ in their last bits is no news.
        first = np.argmax(np.round(values[columns], SCORE_DIGITS))
        return _moment(recordings, cells, int(columns[first]), mean, deviation)

    return Reactions(
        *(tuple(recordings), stimulus, duration_seconds, cells, viewers, mean, deviation),
        viewer_means=tuple(_viewer_mean(r, cells, row) for row, r in enumerate(recordings)),
        highest=moment(quorum, mean),
        lowest=moment(quorum, -mean),
        most_divided=moment(divided, deviation),
    )


def reactions_headline(reactions: Reactions) -> str:
    """One plain sentence: "3 viewers: highest at 0:12 (+0.41), lowest at 0:31 (−0.20), most divided at 0:24."."""
    count = len(reactions.recordings)
    who = f"{count} viewer{'s' if count > 1 else ''}"
    if reactions.overall_mean is None:
        return f"{who}: no face could be read in any recording."
    parts = [f"{format_score(reactions.overall_mean)} on average"]
    standing_out = moments_standing_out(reactions)
    if reactions.highest is None or reactions.lowest is None:
        parts.append("at no moment has half of them an answer")
    elif "highest" not in standing_out:
        parts.append("the same all through")
    for name, moment in standing_out.items():
        score = f" ({format_score(moment.mean)})" if name != "most divided" else ""
        parts.append(f"{name} at {format_clock(moment.start_seconds)}{score}")
    return f"{who}: {', '.join(parts)}."


def moments_standing_out(reactions: Reactions) -> dict[str, ReactionMoment]:
    """Under "highest", "lowest" and "most divided", those moments that a person is told something of.

    A mean that is the same all through has no highest and no lowest, and viewers who agree are nowhere divided.
    """
    highest, lowest, divided = reactions.highest, reactions.lowest, reactions.most_divided
    found: dict[str, ReactionMoment] = {}
    if highest is not None and lowest is not None and format_score(highest.mean) != format_score(lowest.mean):
        found |= {"highest": highest, "lowest": lowest}
    if divided is not None and divided.deviation is not None and format_score(divided.deviation) != format_score(0.0):
        found["most divided"] = divided
    return found


def coverage_notes(reactions: Reactions) -> list[str]:
    """A sentence for each recording that does not reach from the start of the stimulus to its end, to the second."""
    notes = []
    for recording in reactions.recordings:
        start = max(0.0, -recording.stimulus_start_seconds)
        end = min(reactions.duration_seconds, recording.timeline.duration_seconds - recording.stimulus_start_seconds)
        if start >= 1 or reactions.duration_seconds - end >= 1:
            span = f"{format_clock(start)} to {format_clock(end)} of {format_clock(reactions.duration_seconds)}"
            notes.append(f"{recording.name} covers {span}.")
    return notes


def emotions_of(recordings: Sequence[Recording], cells: Cells, column: int) -> dict[str, int]:
    """How many viewers show which emotion most likely in a cell; of certain answers alone, from the most down."""
    answers = [
        recording.timeline.segments[index].affect
        for recording, index, certain in zip(
            recordings, cells.segments[:, column], cells.certain[:, column], strict=True
        )
        if certain
    ]
    emotions = Counter(affect.top_emotion for affect in answers if affect is not None)
    return dict(emotions.most_common())


def _check_overlap(recording: Recording, end_seconds: float, duration_seconds: float) -> None:
    if end_seconds <= 0:
        raise SettingsError(
            f"{recording.name} lasts {recording.timeline.duration_seconds:.1f} s; the stimulus cannot begin "
            f"{recording.stimulus_start_seconds:.1f} s into it."
        )
    if -recording.stimulus_start_seconds >= duration_seconds:
        raise SettingsError(
            f"{recording.name} begins {-recording.stimulus_start_seconds:.1f} s after the stimulus, "
            f"which lasts {duration_seconds:.1f} s."
        )


def _moments_of(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count, mean and sample standard deviation of the k answers in each column of (k, n); NaN stands for none."""
    answered = ~np.isnan(scores)
    viewers = answered.sum(axis=0)
    known = np.where(answered, scores, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = known.sum(axis=0) / viewers
        squares = (np.where(answered, scores - mean, 0.0) ** 2).sum(axis=0)
        deviation = np.where(viewers > 1, np.sqrt(squares / (viewers - 1)), np.nan)
    return viewers, mean, deviation


def _viewer_mean(recording: Recording, cells: Cells, row: int) -> ViewerMean:
    seconds, scores = cells.lengths, cells.scores[row]
    answered = ~np.isnan(scores)
    answered_seconds = float(seconds[answered].sum())
    mean = float((seconds * scores)[answered].sum()) / answered_seconds if answered_seconds > 0 else None
    whole = float(cells.edges[-1])
    return ViewerMean(recording.name, mean, answered_seconds / whole, float(seconds[cells.certain[row]].sum()) / whole)


def _moment(
    recordings: Sequence[Recording], cells: Cells, column: int, mean: np.ndarray, deviation: np.ndarray
) -> ReactionMoment:
    return ReactionMoment(
        start_seconds=float(cells.edges[column]),
        end_seconds=float(cells.edges[column + 1]),
        mean=float(mean[column]),
        deviation=None if np.isnan(deviation[column]) else float(deviation[column]),
        viewers=int((~np.isnan(cells.scores[:, column])).sum()),
        emotions=emotions_of(recordings, cells, column),
    )
