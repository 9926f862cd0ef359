"""What a person puts right, as options of the command line: the counterpart of the page's cells and faces."""

from __future__ import annotations

import argparse

from sentiment.edits import Edits
from sentiment.errors import SettingsError


def add_edit_options(parser: argparse.ArgumentParser) -> None:
    """--correct, --translate and --faces."""
    parser.add_argument(
        "--correct",
        action="append",
        default=[],
        metavar="INDEX=WORDS",
        help="what is really said in a segment that was misheard, counted from 0 as in timeline.json; may be repeated",
    )
    parser.add_argument(
        "--translate",
        action="append",
        default=[],
        metavar="INDEX=WORDS",
        help="the English of a segment in another language, in place of the recogniser's; may be repeated",
    )
    parser.add_argument(
        "--faces",
        default="",
        metavar="TRACKS",
        help='whose face counts: numbers of "faces" in timeline.json, with commas between; several are taken for '
        "one person (default: in each segment the largest face)",
    )


def edits_from(options: argparse.Namespace) -> Edits:
    """Raises SettingsError for what is no index or no number; whether there is such a segment or face, scoring finds
    out.
    """
    tracks = [track.strip() for track in options.faces.split(",") if track.strip()]
    if not all(track.isdecimal() for track in tracks):
        raise SettingsError(f"--faces takes the numbers of faces, with commas between, got {options.faces!r}.")
    return Edits(
        _by_index(options.correct, "--correct"),
        _by_index(options.translate, "--translate"),
        tuple(int(track) for track in tracks),
    )


def _by_index(entries: list[str], option: str) -> dict[int, str]:
    texts = {}
    for entry in entries:
        index, equals, text = entry.partition("=")
        if not (equals and index.strip().isdecimal()):
            raise SettingsError(
                f"{option} takes a segment's index and its words, such as 3='Well done.', got {entry!r}."
            )
        texts[int(index)] = text
    return texts
