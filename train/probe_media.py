"""What the probes show and say: a synthetic voice, flat sentences, and still faces that are labelled neutral."""

from __future__ import annotations

import math
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from sentiment.faces import FaceFinder
from sentiment.media import read_audio
from sentiment.media_datatypes import AudioTrack
from train.corpora import Example, fer2013
from train.dataset import load_image
from train.errors import DataError

SPEECH_LEVEL: Final = 0.08
"""Root mean square of everything that is said, so that all voices are equally loud."""

MARGIN_SECONDS: Final = 0.5
"""Silence before and after a line: recordings do not begin with the first sound of a word."""

WIDTH_PX, HEIGHT_PX, FACE_PX = 640, 360, 240
"""Of a reading, and of the face in it. CenterFace finds 60 of 60 faces of FER-2013 at that size."""

FRAMES_PER_SECOND: Final = 10
"""Faces that are still need no more, and the network looks at sixteen frames a segment."""

SAMPLE_RATE_HZ: Final = 48_000


@dataclass(frozen=True, slots=True)
class Voice:
    """How espeak-ng speaks."""

    name: str
    """A language of espeak-ng, and where wanted "+" and one of its variants: m1 to m8, f1 to f5."""
    words_per_minute: int
    pitch: int = 50
    """In [0, 99]; 50 is the voice's own."""


VOICES: Final = (
    Voice("en-us+m3", 150),
    Voice("en-us+f3", 150, 55),
    Voice("en-gb+m7", 160, 45),
    Voice("en-gb+f4", 145),
    Voice("en-us", 165),
    Voice("en-us+f2", 160, 60),
    Voice("en-gb-scotland+m1", 150),
    Voice("en-gb-x-rp+f5", 150),
)
"""Four of men and four of women, American and British."""

NEUTRAL_SENTENCES: Final = (
    "The next train to the airport leaves from platform four at nine forty.",
    "Tomorrow it will be cloudy, with light wind from the west.",
    "Press the green button and wait until the display shows the time.",
    "The library is open from ten in the morning until six in the evening.",
    "Cut the paper along the dotted line and fold it in the middle.",
    "The bus stops at the town hall, the museum and the central station.",
    "Temperatures will be between twelve and fifteen degrees in the afternoon.",
    "Put two cups of flour and one cup of water into a bowl.",
    "The meeting is on the second floor, in the room next to the stairs.",
    "Write your name and your address in the upper part of the form.",
    "The river flows through three towns before it reaches the sea.",
    "Turn left at the second traffic light and follow the road for two miles.",
    "The table is two metres long and eighty centimetres wide.",
    "On Mondays the post office closes at half past five.",
    "Connect the cable to the socket on the back of the printer.",
    "The report has twelve pages and was printed on both sides.",
    "In the north there will be some fog in the early morning.",
    "The second lesson begins at a quarter past ten in room eight.",
    "Water boils at one hundred degrees at the level of the sea.",
    "The parcel weighs three kilograms and will be delivered on Thursday.",
    "Use the blue key for the front door and the small one for the cellar.",
    "The ferry to the island runs every two hours from April to October.",
    "The chairs are in the hall, and the lamps are on the shelf.",
    "Store the bottle in a dry place at room temperature.",
)
"""Weather, instructions, timetables, measures: nothing that anyone could feel about."""


def say(text: str, voice: Voice, sample_rate_hz: int) -> AudioTrack:
    """The text as espeak-ng says it, with MARGIN_SECONDS of silence on either side; raises what `speak` raises."""
    margin = np.zeros(round(MARGIN_SECONDS * sample_rate_hz), dtype=np.float32)
    return AudioTrack(np.concatenate([margin, speak(text, voice, sample_rate_hz), margin]), sample_rate_hz)


def speak(text: str, voice: Voice, sample_rate_hz: int) -> np.ndarray:
    """(num_samples,) float32 in [-1, 1]: the text as espeak-ng says it, at SPEECH_LEVEL.

    Raises DataError where espeak-ng is not installed, or has no sound for the text.
    """
    espeak = shutil.which("espeak-ng")
    if espeak is None:
        raise DataError("The probes speak with espeak-ng, which is not installed here.")
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "line.wav"
        how = ["-v", voice.name, "-s", str(voice.words_per_minute), "-p", str(voice.pitch), "-b", "1"]
        # Through stdin: as an argument, a line that begins with a dash would be an option.
        subprocess.run([espeak, *how, "-w", str(wav), "--stdin"], input=text.encode(), check=True, capture_output=True)
        speech = read_audio(wav, sample_rate_hz).samples
    level = float(np.sqrt(np.mean(speech**2)))
    if level == 0:
        raise DataError(f"espeak-ng has no sound for {text!r}.")
    return np.clip(speech * (SPEECH_LEVEL / level), -1.0, 1.0).astype(np.float32)


def find_neutral_faces(data_folder: Path, count: int, seed: int = 0) -> list[tuple[str, np.ndarray]]:
    """(key, picture) of `count` faces of FER-2013's test part that are labelled neutral; see `set_in_frame`.

    Drawn by the seed among those in which the face detector finds one face. The network has no say: faces
    that it would read wrongly are as welcome as others.

    Raises DataError where the corpus is absent, or has fewer such faces.
    """
    neutral = [example for example in fer2013.load(data_folder, "test") if example.emotion == "neutral"]
    finder = FaceFinder()
    found = []
    for index in np.random.default_rng(seed).permutation(len(neutral)):
        picture = set_in_frame(_picture_of(neutral[index]))
        if len(finder.find(picture)) == 1:
            found.append((neutral[index].key, picture))
        if len(found) == count:
            return found
    raise DataError(f"{data_folder}: {len(found)} of FER-2013's neutral test faces can be found, {count} are needed.")


def _picture_of(example: Example) -> np.ndarray:
    assert example.image is not None  # FER-2013 has nothing else
    return load_image(example.image)


def set_in_frame(face: np.ndarray) -> np.ndarray:
    """(HEIGHT_PX, WIDTH_PX, 3) uint8: the picture, (H, W, 3) uint8, enlarged, in the middle of a plain grey."""
    frame = np.full((HEIGHT_PX, WIDTH_PX, 3), 128, dtype=np.uint8)
    top, left = (HEIGHT_PX - FACE_PX) // 2, (WIDTH_PX - FACE_PX) // 2
    frame[top : top + FACE_PX, left : left + FACE_PX] = cv2.resize(
        face, (FACE_PX, FACE_PX), interpolation=cv2.INTER_CUBIC
    )
    return frame


def write_reading(path: Path, picture: np.ndarray, lines: Sequence[AudioTrack]) -> list[tuple[float, float]]:
    """Writes an mp4 (H.264, AAC) in which the lines are said one after the other over a picture that hardly moves.

    `picture` is (H, W, 3) uint8 RGB, the lines are sound of SAMPLE_RATE_HZ. Returns when each line begins
    and ends, in seconds.
    """
    sound = np.concatenate([line.samples for line in lines])
    ends = np.cumsum([len(line.samples) for line in lines]) / SAMPLE_RATE_HZ
    samples = np.round(sound * 32767).astype(np.int16)
    write_video(path, samples, SAMPLE_RATE_HZ, FRAMES_PER_SECOND, lambda seconds: _drift(picture, seconds))
    return [(float(end - line.duration_seconds), float(end)) for line, end in zip(lines, ends, strict=True)]


def write_video(
    path: Path,
    sound: np.ndarray,
    sample_rate_hz: int,
    frames_per_second: int,
    picture_at: Callable[[float], np.ndarray],
    codecs: tuple[str, str] = ("libx264", "aac"),
) -> None:
    """Writes a video as long as its sound, (num_samples,) int16.

    `picture_at` gives the picture of a time in seconds, (H, W, 3) uint8 RGB, always of one even size; `codecs`
    are FFmpeg's names for picture and sound.
    """
    import av

    with av.open(str(path), "w") as container:
        video = container.add_stream(codecs[0], rate=frames_per_second)
        video.height, video.width = picture_at(0.0).shape[:2]
        video.pix_fmt = "yuv420p"
        audio = container.add_stream(codecs[1], rate=sample_rate_hz, layout="mono")
        block_samples = sample_rate_hz // frames_per_second
        for number in range(math.ceil(len(sound) / block_samples)):
            shown = av.VideoFrame.from_ndarray(picture_at(number / frames_per_second), format="rgb24")
            shown.pts, shown.time_base = number, Fraction(1, frames_per_second)
            container.mux(video.encode(shown))
            block = sound[number * block_samples :][:block_samples]
            heard = av.AudioFrame.from_ndarray(block[None], format="s16", layout="mono")
            heard.sample_rate, heard.time_base = sample_rate_hz, Fraction(1, sample_rate_hz)
            heard.pts = number * block_samples
            container.mux(audio.encode(heard))
        container.mux([*video.encode(None), *audio.encode(None)])


def _drift(picture: np.ndarray, seconds: float) -> np.ndarray:
    """The picture a few pixels from its place, as a hand holds a phone."""
    right = 5 * math.sin(2 * math.pi * seconds / 7)
    down = 3 * math.sin(2 * math.pi * seconds / 5)
    size = (picture.shape[1], picture.shape[0])
    return cv2.warpAffine(
        picture, np.array([[1.0, 0.0, right], [0.0, 1.0, down]]), size, borderMode=cv2.BORDER_REPLICATE
    )
