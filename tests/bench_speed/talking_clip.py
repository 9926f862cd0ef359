"""The clip that is measured: a portrait that says thirteen sentences in 70 s, and longer ones made by repeating it.

The portrait is scikit-image's astronaut (NASA, public domain), the voices are espeak-ng's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from skimage import data

from train.probe_media import VOICES, speak, write_video

WIDTH_PX, HEIGHT_PX, FRAME_RATE_HZ = 640, 360, 25
SAMPLE_RATE_HZ: Final = 48_000
CLIP_SECONDS: Final = 70.0

SENTENCES: Final = (
    "I got the job, and I am so happy that I could dance all the way home.",
    "We will meet in the small room next to the kitchen after lunch.",
    "You lied to me again, and I have had enough of your excuses.",
    "My grandmother died last winter, and the house feels empty without her.",
    "I did not expect you until Friday, so what are you doing here?",
    "There is somebody downstairs, please do not leave me alone.",
    "This soup is disgusting, somebody has put a whole fish into it.",
    "Please turn left at the church and follow the river to the bridge.",
    "This is the most beautiful present that anybody has ever given me.",
    "I am sorry, I really thought that you knew about the letter.",
    "Why would you tell everybody what I said to you in secret?",
    "The library is open from Monday to Friday, and closed in August.",
    "I cannot believe it, we have won, we have really won the game!",
)
"""Thirteen utterances. No numbers: whoever writes them down may choose between words and digits."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """A sentence, and when it is said."""

    start_seconds: float
    end_seconds: float
    text: str


def write_talking_clip(path: Path) -> list[Utterance]:
    """Writes the clip of CLIP_SECONDS as mp4 (H.264, AAC), with its utterances as JSON beside it; not anew."""
    beside = path.with_suffix(".json")
    if path.is_file() and beside.is_file():
        return [Utterance(**utterance) for utterance in json.loads(beside.read_text(encoding="utf-8"))]
    spoken = [speak(text, VOICES[i % len(VOICES)], SAMPLE_RATE_HZ) for i, text in enumerate(SENTENCES)]
    pause_seconds = (CLIP_SECONDS - sum(map(len, spoken)) / SAMPLE_RATE_HZ) / len(spoken)
    if not 0.5 < pause_seconds < 3:
        raise ValueError(f"pauses of {pause_seconds:.2f} s between the sentences are not those of somebody who talks")
    sound = np.zeros(round(CLIP_SECONDS * SAMPLE_RATE_HZ), dtype=np.int16)
    utterances, start = [], pause_seconds / 2
    for text, samples in zip(SENTENCES, spoken, strict=True):
        first = round(start * SAMPLE_RATE_HZ)
        sound[first : first + len(samples)] = np.round(samples * 32767)
        end = start + len(samples) / SAMPLE_RATE_HZ
        utterances.append(Utterance(start, end, text))
        start = end + pause_seconds
    portrait = data.astronaut()
    write_video(path, sound, SAMPLE_RATE_HZ, FRAME_RATE_HZ, lambda seconds: _picture_at(portrait, seconds))
    beside.write_text(json.dumps([asdict(utterance) for utterance in utterances], indent=1), encoding="utf-8")
    return utterances


def _picture_at(portrait: np.ndarray, seconds: float) -> np.ndarray:
    """(HEIGHT_PX, WIDTH_PX, 3) uint8 RGB: the face nearer and farther and from side to side."""
    zoom = 1.75 + 0.12 * math.sin(2 * math.pi * seconds / 11)
    right = WIDTH_PX / 2 - zoom * (222 + 8 * math.sin(2 * math.pi * seconds / 7))
    down = HEIGHT_PX / 2 - zoom * (128 + 5 * math.sin(2 * math.pi * seconds / 5))
    matrix = np.array([[zoom, 0.0, right], [0.0, zoom, down]])
    size = (WIDTH_PX, HEIGHT_PX)
    return cv2.warpAffine(portrait, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def write_repeated(path: Path, source: Path, duration_seconds: float) -> None:
    """The source over and over for `duration_seconds`, its packets copied and not encoded anew, unless it is there."""
    if path.is_file():
        return
    partial = path.with_name(f"partial {path.name}")
    with av.open(str(source)) as first, av.open(str(partial), "w") as writing:
        copies = [writing.add_stream_from_template(stream) for stream in first.streams]
        for turn in range(math.ceil(duration_seconds / CLIP_SECONDS)):
            shift_seconds = turn * Fraction(CLIP_SECONDS)
            with av.open(str(source)) as reading:
                for packet in reading.demux():
                    if packet.dts is None or (turn and packet.stream.type == "audio" and packet.pts < 0):
                        continue  # the last one says that there are no more; the encoder's lead-in is heard once
                    if packet.dts * packet.time_base + shift_seconds >= duration_seconds:
                        break
                    shift = round(shift_seconds / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = copies[packet.stream.index]
                    writing.mux(packet)
    partial.replace(path)


def repeated_utterances(utterances: Sequence[Utterance], duration_seconds: float) -> list[Utterance]:
    """What is said in the repeated clip, as far as it is said to the end."""
    turns = range(math.ceil(duration_seconds / CLIP_SECONDS))
    moved = [
        Utterance(u.start_seconds + turn * CLIP_SECONDS, u.end_seconds + turn * CLIP_SECONDS, u.text)
        for turn in turns
        for u in utterances
    ]
    return [utterance for utterance in moved if utterance.end_seconds <= duration_seconds]
