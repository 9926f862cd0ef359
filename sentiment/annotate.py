"""The video with its answers below the picture: a panel of its own, so that nothing of the picture is hidden.

    ┌──────────────────────────────────────┐
    │               picture                │
    ├──────────────────────────────────────┤
    │ joy   │////////│ anger      │ neutral│   the ribbon: an emotion per segment, hatched where in doubt
    │ ● joy 82%              0:12 / 0:38   │   the answer of the moment, or the doubt about it
    │ anger 3% ▬    disgust 1% ▬     ...   │   all ten probabilities
    └──────────────────────────────────────┘

OpenCV draws; decoding and encoding are those of `write_playable_copy`: H.264 and AAC in an mp4 that streams.
Frames keep their times. Where the video stands still while the answer changes, the frame is shown again.
"""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from sentiment.captions import answer_in_short
from sentiment.datatypes import SegmentPrediction, Timeline
from sentiment.errors import SettingsError
from sentiment.export import ExportProgress
from sentiment.figure_style import channels, ink_on
from sentiment.labels import EMOTION_COLOURS, EMOTIONS, SENTIMENT_COLOURS, SENTIMENTS
from sentiment.media import open_media, write_playable_copy
from sentiment.playable_copy import Drawing
from sentiment.timeline import format_clock, format_percent

Colour = tuple[int, int, int]
"""Red, green and blue, each in [0, 255]."""

BACKGROUND: Final[Colour] = (22, 24, 28)
EMPTY: Final[Colour] = (52, 56, 63)
"""Where there is no answer, and what of a bar is not filled."""
BRIGHT: Final[Colour] = (244, 245, 247)
QUIET: Final[Colour] = (176, 181, 189)

TEXT_SHARE = 1 / 52
"""Of the picture's width: the height of the small text."""
TEXT_RANGE_PX = (11, 26)
"""Below it nobody can read, above it the panel takes the picture's place."""

CELL_WIDTH_TEXTS = 6.9
"""In heights of the small text: what "surprise 100%" needs."""

LABEL_SCALE = 1.5
"""How much larger the answer is written."""

MAX_CLOCK_SHARE = 0.35
"""Of the width; beyond, on the smallest pictures, the answer gets the clock's place."""

REGULAR, SEMIBOLD = 400, 600
"""Weights of the font, which OpenCV brings along."""

DOUBT_SHARE = 0.3
"""How much of an emotion's colour is between the lines of the hatching."""
HATCH_PERIOD_PX = 10
HATCH_LINE_PX = 3

NO_ANSWER = "no answer"


def write_annotated_video(
    timeline: Timeline, source: Path | str, target: Path | str, on_progress: ExportProgress | None = None
) -> None:
    """Write the analysed file `source` as an mp4 with the timeline below its picture. Memory does not grow with it.

    Raises:
        SettingsError: `source` has no picture.
        MediaError: it cannot be decoded, or the mp4 cannot be written.
    """
    with open_media(source) as media:
        if media.video is None:
            raise SettingsError(f"{media.path.name} is sound alone; an annotated video needs a picture.")
    painter = AnswerPainter(timeline)
    write_playable_copy(source, target, Drawing(painter.draw, painter.changes_seconds), on_progress)


class AnswerPainter:
    """Puts the panel of a moment below a picture. What the moments of a segment share is drawn once."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._starts_seconds = [p.segment.start_seconds for p in timeline.segments]
        self._panel: _Panel | None = None
        self._shared: tuple[int | None, np.ndarray] | None = None

    @property
    def changes_seconds(self) -> tuple[float, ...]:
        """When the answer changes: at the ends of segments."""
        ends = {s for p in self._timeline.segments for s in (p.segment.start_seconds, p.segment.end_seconds)}
        return tuple(sorted(ends))

    def draw(self, seconds: float, picture: np.ndarray) -> np.ndarray:
        """The (height, width, 3) uint8 RGB picture with its panel, both of even height."""
        if self._panel is None:
            self._panel = _Panel(self._timeline, picture.shape[1])
        index = self._index_at(seconds)
        if self._shared is None or self._shared[0] != index:
            prediction = None if index is None else self._timeline.segments[index]
            self._shared = index, self._panel.draw_answer(prediction)
        return np.vstack([picture, self._panel.draw_moment(seconds, self._shared[1])])

    def _index_at(self, seconds: float) -> int | None:
        """Of the segment; None between segments."""
        index = bisect_right(self._starts_seconds, seconds + 1e-6) - 1
        is_inside = index >= 0 and seconds < self._timeline.segments[index].segment.end_seconds
        return index if is_inside else None


class _Cell(NamedTuple):
    """One of the ten probabilities."""

    label: str
    share: float | None
    """In [0, 1]; None where there is no answer."""
    colour: Colour


class _Panel:
    """Measures and draws the panel for pictures of one width."""

    def __init__(self, timeline: Timeline, width: int) -> None:
        import cv2

        self._timeline = timeline
        self._font = cv2.FontFace("sans")
        self._width = width
        text_px = self._text_px = int(np.clip(round(width * TEXT_SHARE), *TEXT_RANGE_PX))
        self._pad = round(0.7 * text_px)
        self._ribbon_px = round(1.9 * text_px)
        self._label_baseline = self._pad + self._ribbon_px + round(2.1 * text_px)
        self._cells_top = self._label_baseline + round(0.9 * text_px)
        self._cell_px = round(2.2 * text_px)
        emotion_rows, self._emotion_columns = self._grid(len(EMOTIONS))
        sentiment_rows, self._sentiment_columns = self._grid(len(SENTIMENTS))
        self._sentiments_top = self._cells_top + emotion_rows * self._cell_px
        height = self._sentiments_top + sentiment_rows * self._cell_px + self._pad // 2
        clock_px = self._text_width(self._clock(timeline.duration_seconds), text_px)
        self._clock_px = clock_px if clock_px < width * MAX_CLOCK_SHARE else 0
        self._empty = np.full((height + height % 2, width, 3), BACKGROUND, dtype=np.uint8)
        self._draw_ribbon(self._empty)

    def draw_answer(self, prediction: SegmentPrediction | None) -> np.ndarray:
        """(height, width, 3) uint8: the panel for the whole of a segment; None stands for what lies between two."""
        panel = self._empty.copy()
        affect = None if prediction is None else prediction.affect
        self._draw_label(panel, prediction)
        for labels, colours, values, columns, top in (
            (EMOTIONS, EMOTION_COLOURS, affect and affect.emotion, self._emotion_columns, self._cells_top),
            (SENTIMENTS, SENTIMENT_COLOURS, affect and affect.sentiment, self._sentiment_columns, self._sentiments_top),
        ):
            for number, label in enumerate(labels):
                row, column = divmod(number, columns)
                cell = _Cell(label, values[number] if values else None, channels(colours[label]))
                self._draw_cell(panel, cell, column, columns, top + row * self._cell_px)
        return panel

    def draw_moment(self, seconds: float, answer: np.ndarray) -> np.ndarray:
        """What `draw_answer` gave, with the playhead and the clock of this time."""
        panel = answer.copy()
        x, top, bottom = self._x_of(seconds), self._pad - 3, self._pad + self._ribbon_px + 3
        panel[top:bottom, max(0, x - 3) : x + 3] = BACKGROUND
        panel[top:bottom, max(0, x - 1) : x + 1] = BRIGHT
        if self._clock_px:
            clock = self._clock(seconds)
            left = self._width - self._pad - self._text_width(clock, self._text_px)
            self._write(panel, clock, left, self._label_baseline, self._text_px, QUIET)
        return panel

    # ------------------------------------------------------------ its parts

    def _draw_ribbon(self, panel: np.ndarray) -> None:
        """A block for each answered segment, with a hairline between neighbours."""
        bottom = self._pad + self._ribbon_px
        panel[self._pad : bottom, self._pad : self._width - self._pad] = EMPTY
        for prediction in self._timeline.segments:
            if prediction.affect is None:
                continue
            left = self._x_of(prediction.segment.start_seconds)
            right = max(left + 1, self._x_of(prediction.segment.end_seconds) - 1)
            name = prediction.affect.top_emotion
            _fill(panel[self._pad : bottom, left:right], channels(EMOTION_COLOURS[name]), prediction.certain)
            margin = round(0.4 * self._text_px)
            if prediction.certain and self._text_width(name, self._text_px, SEMIBOLD) + 2 * margin <= right - left:
                ink = channels(ink_on(EMOTION_COLOURS[name]))
                baseline = self._pad + round(1.3 * self._text_px)
                self._write(panel, name, left + margin, baseline, self._text_px, ink, SEMIBOLD)

    def _draw_label(self, panel: np.ndarray, prediction: SegmentPrediction | None) -> None:
        """The answer in words behind a patch of its colour, as large as fits beside the clock."""
        left = self._pad
        if prediction is None or prediction.affect is None:
            self._write(panel, NO_ANSWER, left, self._label_baseline, self._text_px, QUIET)
            return
        size_px, patch_px = round(LABEL_SCALE * self._text_px), round(1.1 * self._text_px)
        patch = panel[self._label_baseline - patch_px : self._label_baseline, left : left + patch_px]
        _fill(patch, channels(EMOTION_COLOURS[prediction.affect.top_emotion]), prediction.certain)
        left += patch_px + self._pad
        words = answer_in_short(prediction)
        room_px = max(1, self._width - left - 2 * self._pad - self._clock_px)
        size_px = min(size_px, max(self._text_px // 2, size_px * room_px // self._text_width(words, size_px, SEMIBOLD)))
        self._write(panel, words, left, self._label_baseline, size_px, BRIGHT, SEMIBOLD)

    def _draw_cell(self, panel: np.ndarray, cell: _Cell, column: int, columns: int, top: int) -> None:
        """A name, its probability, and below them a bar."""
        pitch = (self._width - self._pad) / columns
        left, right = self._pad + round(column * pitch), round((column + 1) * pitch)
        baseline = top + round(0.95 * self._text_px)
        size_px = round(0.9 * self._text_px)
        self._write(panel, cell.label, left, baseline, size_px, QUIET)
        bar = panel[baseline + round(0.35 * self._text_px) : baseline + round(0.75 * self._text_px), left:right]
        bar[:] = EMPTY
        if cell.share is not None:
            bar[:, : round(cell.share * (right - left))] = cell.colour
            percent = format_percent(cell.share).replace("under 1%", "<1%")
            self._write(panel, percent, right - self._text_width(percent, size_px), baseline, size_px, BRIGHT)

    def _grid(self, cell_count: int) -> tuple[int, int]:
        """(rows, columns) for so many cells: as few rows as fit, with as even columns as there can be."""
        fitting = max(1, int((self._width - self._pad) // (CELL_WIDTH_TEXTS * self._text_px)))
        rows = -(-cell_count // fitting)
        return rows, -(-cell_count // rows)

    def _x_of(self, seconds: float) -> int:
        share = min(1.0, seconds / self._timeline.duration_seconds)
        return self._pad + round(share * (self._width - 2 * self._pad))

    def _clock(self, seconds: float) -> str:
        return f"{format_clock(seconds)} / {format_clock(self._timeline.duration_seconds)}"

    def _text_width(self, text: str, size_px: int, weight: int = REGULAR) -> int:
        import cv2

        (_, _, width, _) = cv2.getTextSize((0, 0), text, (0, 0), self._font, size_px, weight)
        return int(width)

    def _write(
        self, panel: np.ndarray, text: str, left: int, baseline: int, size_px: int, ink: Colour, weight: int = REGULAR
    ) -> None:
        import cv2

        cv2.putText(panel, text, (left, baseline), ink, self._font, size_px, weight)


def _fill(block: np.ndarray, colour: Colour, certain: bool) -> None:
    """Fill (height, width, 3) pixels with the colour: plain where certain, else paler with lines aslant."""
    if certain:
        block[:] = colour
        return
    diagonal = np.add.outer(np.arange(block.shape[0]), np.arange(block.shape[1]))
    is_line = (diagonal % HATCH_PERIOD_PX < HATCH_LINE_PX)[..., np.newaxis]
    pale = [round(DOUBT_SHARE * c + (1 - DOUBT_SHARE) * b) for c, b in zip(colour, BACKGROUND, strict=True)]
    block[:] = np.where(is_line, np.array(colour), np.array(pale)).astype(np.uint8)
