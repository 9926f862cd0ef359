"""Makes example.mp4: a public-domain portrait, synthetic voices with lines of different feeling, and a silence.

Needs scikit-image (the portrait: astronaut Eileen Collins, NASA, public domain) and espeak-ng (the voices).

    python assets/make_example.py
"""

from __future__ import annotations

import math
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from skimage import data

ASSETS = Path(__file__).resolve().parent
sys.path.insert(0, str(ASSETS.parent))

from sentiment.media import write_playable_copy  # noqa: E402 (found only now)
from train.probe_media import Voice, speak, write_video  # noqa: E402

WIDTH, HEIGHT, FRAME_RATE = 640, 360, 25
SAMPLE_RATE_HZ = 48_000
PAUSE_SECONDS = 0.8


@dataclass(frozen=True)
class Line:
    """One thing that is said, and how espeak-ng says it."""

    text: str
    voice: str
    words_per_minute: int = 155
    pitch: int = 50


@dataclass(frozen=True)
class Silence:
    """A stretch in which nobody speaks, but somebody is seen."""

    seconds: float


SCRIPT: tuple[Line | Silence, ...] = (
    Silence(0.5),
    Line("I will buy bread and milk on my way back from the office.", "en-us+m3", 140, 45),
    Line("I got the job! I am so happy! This is wonderful news!", "en-us+f3", 150, 60),
    Line("I have had enough of this! You lied to me again, and I am furious!", "en-gb+m7", 165, 40),
    Silence(4.0),
    Line("I miss my grandmother so much. The house feels so empty without her.", "en-us+f4", 135, 35),
    Line("Wait, what? You are already here? I did not expect you until Friday!", "en-gb-scotland+m1", 165, 70),
    Line("There is somebody downstairs. I am so scared, please do not leave me alone.", "en-us+f3", 160, 60),
)


def main() -> None:
    """Writes assets/example.mp4."""
    if shutil.which("espeak-ng") is None:
        sys.exit("make_example: espeak-ng is not installed")
    with tempfile.TemporaryDirectory() as folder:
        sound = np.concatenate([sound_of(part) for part in SCRIPT])
        # Picture and sound as they are; `write_playable_copy` encodes them.
        lossless = Path(folder) / "lossless.mkv"
        portrait = data.astronaut()
        write_video(
            lossless, sound, SAMPLE_RATE_HZ, FRAME_RATE, lambda s: picture_at(portrait, s), ("ffv1", "pcm_s16le")
        )
        write_playable_copy(lossless, ASSETS / "example.mp4")
    size_bytes = (ASSETS / "example.mp4").stat().st_size
    print(f"example.mp4: {len(sound) / SAMPLE_RATE_HZ:.1f} s, {size_bytes / 1e6:.2f} MB", file=sys.stderr)


def sound_of(part: Line | Silence) -> np.ndarray:
    """(num_samples,) int16 at SAMPLE_RATE_HZ, ending in a pause where it is a line."""
    if isinstance(part, Silence):
        return np.zeros(round(part.seconds * SAMPLE_RATE_HZ), dtype=np.int16)
    speech = speak(part.text, Voice(part.voice, part.words_per_minute, part.pitch), SAMPLE_RATE_HZ)
    pause = np.zeros(round(PAUSE_SECONDS * SAMPLE_RATE_HZ), dtype=np.float32)
    return np.round(np.concatenate([speech, pause]) * 32767).astype(np.int16)


def picture_at(portrait: np.ndarray, seconds: float) -> np.ndarray:
    """(HEIGHT, WIDTH, 3) uint8: the face, gently nearer and farther and from side to side, as a hand holds a phone."""
    zoom = 1.75 + 0.12 * math.sin(2 * math.pi * seconds / 11)
    centre_x = 222 + 8 * math.sin(2 * math.pi * seconds / 7)
    centre_y = 128 + 5 * math.sin(2 * math.pi * seconds / 5)
    shift_x, shift_y = WIDTH / 2 - zoom * centre_x, HEIGHT / 2 - zoom * centre_y
    matrix = np.array([[zoom, 0.0, shift_x], [0.0, zoom, shift_y]])
    return cv2.warpAffine(portrait, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


if __name__ == "__main__":
    main()
