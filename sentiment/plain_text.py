"""Words and names that come from outside, made fit for files: no format may be broken by what a video says."""

from __future__ import annotations

import re

from sentiment.datatypes import Timeline

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ufffe\uffff]|[\ud800-\udfff]")
"""What XML may not hold and captions choke on, half surrogates and byte order marks among it; blanks are not."""


def without_control_characters(text: str) -> str:
    """The text without CONTROL_CHARACTERS. Its line ends and tabs stay."""
    return CONTROL_CHARACTERS.sub("", text)


def one_line(text: str) -> str:
    """The text on one line, without control characters and with single blanks."""
    return " ".join(without_control_characters(text).split())


def video_name(timeline: Timeline) -> str:
    """The name of the analysed file, as one may print it: without control characters, on one line; may be empty."""
    return re.sub(r"[\t\r\n]", " ", without_control_characters(str(timeline.video.get("name", ""))))
