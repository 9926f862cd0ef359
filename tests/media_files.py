"""Makes small real videos and sound files, whose every frame says when it is shown."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from sentiment.media_datatypes import AudioTrack

DARKEST, GREY_PER_FRAME, NUMBERS = 20, 4, 56
"""Frame i is a flat grey of DARKEST + (i % NUMBERS) * GREY_PER_FRAME, which survives every codec."""

Picture = Callable[[int], np.ndarray]
"""From the number of a frame to its (height, width, 3) uint8 RGB pixels."""


def numbered_picture(number: int, width: int = 160, height: int = 120) -> np.ndarray:
    """A flat picture from which `number_in` reads its number."""
    return np.full((height, width, 3), DARKEST + GREY_PER_FRAME * (number % NUMBERS), dtype=np.uint8)


def number_in(image: np.ndarray) -> int:
    """The number that a `numbered_picture` carries."""
    return round((float(image.mean()) - DARKEST) / GREY_PER_FRAME)


def quartered_picture(_number: int = 0, width: int = 160, height: int = 120) -> np.ndarray:
    """Red, green / blue, white: every turn and every mirroring of it looks different."""
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    picture[: height // 2, : width // 2] = (255, 0, 0)
    picture[: height // 2, width // 2 :] = (0, 255, 0)
    picture[height // 2 :, : width // 2] = (0, 0, 255)
    picture[height // 2 :, width // 2 :] = (255, 255, 255)
    return picture


def corners(image: np.ndarray) -> str:
    """The colours of a `quartered_picture`'s quarters: "rgbw" where it is upright (reading left to right, down)."""
    height, width, _ = image.shape
    letters = {(1, 0, 0): "r", (0, 1, 0): "g", (0, 0, 1): "b", (1, 1, 1): "w"}
    points = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return "".join(letters[tuple(int(value > 128) for value in image[point])] for point in points)


def even_times(duration_seconds: float, rate: int = 25, start_seconds: float = 0.0) -> list[float]:
    """The times of a constant frame rate."""
    return [start_seconds + number / rate for number in range(round(duration_seconds * rate))]


def tone(
    duration_seconds: float, pitch_hz: float = 440.0, rate_hz: int = 48_000, channels: int = 1, level: float = 0.5
) -> np.ndarray:
    """(num_samples, channels) int16: a sine, the same in every channel."""
    seconds = np.arange(round(duration_seconds * rate_hz)) / rate_hz
    wave = level * 32767 * np.sin(2 * np.pi * pitch_hz * seconds)
    return np.repeat(wave.astype(np.int16)[:, None], channels, axis=1)


def silence(duration_seconds: float, rate_hz: int = 48_000, channels: int = 1) -> np.ndarray:
    """(num_samples, channels) int16 zeros."""
    return np.zeros((round(duration_seconds * rate_hz), channels), dtype=np.int16)


def loud_seconds(track: AudioTrack) -> tuple[float, float]:
    """When the first and when the last loud sample of a track is heard."""
    loud = np.flatnonzero(np.abs(track.samples) > 0.1)
    first, last = track.start_seconds + loud[[0, -1]] / track.sample_rate_hz
    return float(first), float(last)


LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def write_media(
    path: Path,
    *,
    times_seconds: Sequence[float] = (),
    picture: Picture = numbered_picture,
    video_codec: str = "libx264",
    sound: np.ndarray | None = None,
    sound_start_seconds: float = 0.0,
    audio_codec: str = "aac",
    rate_hz: int = 48_000,
    rotation_degrees: int = 0,
    hflip: bool = False,
    pixel_aspect: Fraction | None = None,
    format_name: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Writes a file with one frame for each of `times_seconds`, and with sound, either of which may be missing.

    `rotation_degrees` counts counter-clockwise, as players turn the stored picture.
    """
    with av.open(str(path), "w", format=format_name, options=options or {}) as container:
        video = _add_video(container, video_codec, picture(0), rotation_degrees, hflip) if len(times_seconds) else None
        audio = None
        if sound is not None:
            audio = container.add_stream(audio_codec, rate=rate_hz, layout=LAYOUTS[sound.shape[1]])
        if video is not None:
            if pixel_aspect is not None:
                video.codec_context.sample_aspect_ratio = pixel_aspect
            mux_pictures(container, video, times_seconds, picture)
        if audio is not None:
            mux_sound(container, audio, sound, sound_start_seconds, rate_hz)
    return path


def _add_video(
    container: av.container.OutputContainer, codec: str, first: np.ndarray, rotation_degrees: int, hflip: bool
) -> av.VideoStream:
    rate = 25
    stream = container.add_stream(codec, rate=rate)
    stream.height, stream.width = first.shape[:2]
    stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    is_avi = container.format.name == "avi"  # it knows one frame rate and no timestamps
    stream.codec_context.time_base = Fraction(1, rate if is_avi else 1000)
    if rotation_degrees or hflip:
        stream.set_display_rotation(rotation_degrees, hflip=hflip)
    return stream


def mux_pictures(
    container: av.container.OutputContainer, stream: av.VideoStream, times_seconds: Sequence[float], picture: Picture
) -> None:
    time_base = stream.codec_context.time_base
    for number, seconds in enumerate(times_seconds):
        frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
        frame.time_base = time_base
        frame.pts = round(seconds / time_base)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def mux_sound(
    container: av.container.OutputContainer,
    stream: av.AudioStream,
    sound: np.ndarray,
    start_seconds: float,
    rate_hz: int,
    block_samples: int = 960,
) -> None:
    for start in range(0, len(sound), block_samples):
        block = np.ascontiguousarray(sound[start : start + block_samples]).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout=LAYOUTS[sound.shape[1]])
        frame.sample_rate = rate_hz
        frame.time_base = Fraction(1, rate_hz)
        frame.pts = round(start_seconds * rate_hz) + start
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def write_recorder_webm(path: Path, times_seconds: Sequence[float], sound: np.ndarray | None = None) -> Path:
    """As a browser's MediaRecorder writes it: VP8 and Opus, live, so with no duration in the header and no index."""
    return write_media(
        path,
        times_seconds=times_seconds,
        video_codec="libvpx",
        sound=sound,
        audio_codec="libopus",
        format_name="webm",
        options={"live": "1"},
    )


def speak(path: Path, text: str, voice: str = "en-us", words_per_minute: int = 160) -> Path:
    """Writes a wav (22,050 Hz, mono) in which espeak-ng says the text."""
    espeak = shutil.which("espeak-ng")
    if espeak is None:
        raise FileNotFoundError("espeak-ng is not installed")
    command = [espeak, "-v", voice, "-s", str(words_per_minute), "-w", str(path), text]
    subprocess.run(command, check=True, capture_output=True)
    return path
