"""How long an analysis will still take, told from how fast its stages have been: early, and without jumping."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

USUAL_COSTS: Final = {"listen": 0.12, "translate": 0.35, "watch": 0.15, "feel": 0.1, "copy": 0.15}
"""Seconds of work for a second of video, roughly as on two cores. Their proportions say what to expect of a stage
that has not begun; how fast this machine is with this video, the others have shown by then."""

TRUST_SECONDS: Final = 20.0
"""After so much of the video, a stage's own pace counts as much as what was expected of it."""

START_SECONDS: Final = 2.0
"""Of work, until this machine's pace counts as much as the usual one."""

SETTLING_SHARE: Final = 0.1
MOST_SETTLING_SECONDS: Final = 6.0
"""In this share of the time that has passed, two thirds of what a new estimate changes have reached what is shown:
the first estimates are worth little, and give way quickly."""


class TimeLeft:
    """An estimate that is told of progress and asked at any time, by the same clock, in seconds."""

    def __init__(self) -> None:
        self._total_seconds = 0.0
        self._done_seconds: dict[str, float] = {}
        self._spent_seconds: dict[str, float] = {}
        self._told_at = 0.0
        self._asked_at = 0.0
        self._ends_at: float | None = None

    def tell(self, stage: str, done_seconds: float, total_seconds: float, now_seconds: float) -> None:
        """A stage, one of USUAL_COSTS, has so much of the video behind it."""
        if self._has_begun or done_seconds > 0:  # before that, the file was opened and read through
            spent = self._spent_seconds.get(stage, 0.0)
            self._spent_seconds[stage] = spent + max(0.0, now_seconds - self._told_at)
        self._told_at, self._total_seconds = now_seconds, total_seconds
        self._done_seconds[stage] = max(done_seconds, self._done_seconds.get(stage, 0.0))

    def ask(self, now_seconds: float) -> float | None:
        """How many seconds are left; None before some of the video is done."""
        if not self._has_begun:
            return None
        ends_at = now_seconds + max(0.0, self._work_left() - (now_seconds - self._told_at))
        if self._ends_at is None:
            self._ends_at = ends_at
        settling_seconds = min(MOST_SETTLING_SECONDS, SETTLING_SHARE * now_seconds)
        settled = 1.0 - math.exp(-(now_seconds - self._asked_at) / settling_seconds) if settling_seconds > 0 else 1.0
        self._ends_at += (ends_at - self._ends_at) * settled
        self._asked_at = now_seconds
        return max(0.0, self._ends_at - now_seconds)

    @property
    def _has_begun(self) -> bool:
        return any(self._done_seconds.values())

    def _work_left(self) -> float:
        """Seconds of work, as of the newest progress."""
        usual = sum(USUAL_COSTS[stage] * done for stage, done in self._done_seconds.items())
        slowness = (sum(self._spent_seconds.values()) + START_SECONDS) / (usual + START_SECONDS)
        left = 0.0
        for stage in expected_stages(self._done_seconds):
            done, spent = self._done_seconds.get(stage, 0.0), self._spent_seconds.get(stage, 0.0)
            cost = (spent + TRUST_SECONDS * USUAL_COSTS[stage] * slowness) / (done + TRUST_SECONDS)
            left += cost * (self._total_seconds - done)
        return left


def expected_stages(begun: Iterable[str]) -> set[str]:
    """Those that have begun and those that always come; of somebody who watches, nothing is listened to."""
    stages = set(begun)
    return stages | ({"watch", "feel"} if "watch" in stages else {"listen", "watch", "feel"})


def time_left_in_words(seconds: float) -> str:
    """A time as one says it, rounded to what an estimate is worth: "about 40 s left", "about 3 min left"."""
    if seconds < 5:
        return "a few seconds left"
    if seconds <= 50:
        return f"about {10 * math.ceil(seconds / 10)} s left"
    if seconds < 3600:
        return f"about {max(1, round(seconds / 60))} min left"
    hours, minutes = divmod(10 * round(seconds / 600), 60)
    return f"about {hours} h {minutes} min left" if minutes else f"about {hours} h left"
