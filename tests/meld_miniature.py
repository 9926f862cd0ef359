"""MELD in miniature: real video files in the real layout, in nested archives, with everything known to be wrong.

The rows are MELD's own where they are at hand (the folder beside the project that holds the corpora), else made up.
The face is a public-domain portrait; the lines are spoken by espeak-ng, or hummed where it is not installed.

    MELD.Raw/README.txt                                     MELD.Raw/dev_sent_emo.csv (cp1252)
    MELD.Raw/train.tar.gz > train/train_sent_emo.csv, train/train_splits/dia0_utt0.mp4 ...
    MELD.Raw/dev.tar.gz   > dev_splits_complete/...         MELD.Raw/test_sent_emo.csv (UTF-8)
    MELD.Raw/test.tar.gz  > output_repeated_splits_test/dia0_utt0.mp4, final_videos_testdia0_utt0.mp4 ...
"""

from __future__ import annotations

import csv
import io
import math
import shutil
import sys
import tarfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from media_files import even_times, write_media
from skimage import data

from train.corpora import meld
from train.probe_media import VOICES, Voice, speak

ORIGINAL_ROWS = Path(__file__).resolve().parents[2] / "shared" / "data" / "meld"

HEADING = (
    *("Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID"),
    *("Season", "Episode", "StartTime", "EndTime"),
)

RATE_HZ = 16_000
FRAMES_PER_SECOND = 10
WIDTH_PX, HEIGHT_PX = 160, 96
LONGEST_SECONDS = 2.5
"""Of a clip without a trap: so much of a line is said."""

NEEDED_DIALOGUES = {
    "train": ((125, 4), (309, 1), (71, 1)),
    "dev": ((110, 8), (99, 4)),
    "test": ((38, 5), (220, 1), (155, 4)),
}
"""(dialogue, first utterances) with which the known traps come; the rest of the rows are dialogues from 0 up."""

CSV_ENCODINGS = {"train": "utf-8", "dev": "cp1252", "test": "utf-8"}

UNLISTED_TRAPS = {
    "train/dia0_utt1": "truncated",
    "train/dia0_utt2": "70 s",
    "train/dia0_utt3": "short",
    "train/dia0_utt4": "stereo",
    "train/dia125_utt0": "header only",
    "train/dia125_utt1": "silent",
    "train/dia125_utt2": "no sound",
    "dev/dia110_utt0": "5.1",
    "dev/dia110_utt1": "empty",
    "test/dia38_utt0": "5.1",
    "test/dia0_utt1": "no picture",
}
"""What is wrong beyond MELD's known list: any copy may be damaged in its own way."""

LISTED_TRAPS = {
    "train/dia125_utt3": "corrupt",
    "train/dia309_utt0": "41 s",
    "train/dia71_utt0": "short",
    "dev/dia110_utt7": "missing",
    "dev/dia99_utt3": "short",
    "test/dia38_utt4": "305 s",
    "test/dia220_utt0": "235 s",
    "test/dia155_utt3": "header only",
}

RECUTS = ("test/dia0_utt0", "test/dia155_utt0")
"""Of which a plain and a corrected clip exist. The plain one is blue and hums low."""

EXTRA_CLIPS = ("dev/dia66_utt9", "test/dia108_utt2", "train/dia999_utt0")
"""Clips that no row describes."""

INVENTED_LINES = (
    ("I’ll buy bread and milk on my way back.", "neutral", "neutral"),
    ("I got the job! This is wonderful news!", "joy", "positive"),
    ("You lied to me… again — and I am furious!", "anger", "negative"),
    ("I miss my grandmother so much.", "sadness", "negative"),
    ("Wait, what? You’re already here?", "surprise", "positive"),
    ("There is somebody downstairs, don’t leave me alone.", "fear", "negative"),
    ("That milk has gone off. “Fresh”, they said!", "disgust", "negative"),
    ("No! How could this happen?", "surprise", "negative"),
)


def make_miniature(folder: Path, rows_per_split: int = 12, seed: int = 0) -> Path:
    """Writes `folder`/MELD.Raw.tar.gz with that many rows in each split, and returns its path."""
    if rows_per_split < 12:
        raise ValueError(f"the traps need at least 12 rows in each split, got {rows_per_split}")
    work = folder / "miniature"
    raw = work / "MELD.Raw"
    raw.mkdir(parents=True)
    (raw / "README.txt").write_text("A miniature.\n")
    for part, clip_folder in zip(("train", "dev", "test"), meld.CLIP_FOLDERS.values(), strict=True):
        rows = choose_rows(part, rows_per_split)
        inner = work / part
        clips = inner / ("train" if part == "train" else ".") / clip_folder
        clips.mkdir(parents=True)
        write_csv((clips.parent if part == "train" else raw) / f"{part}_sent_emo.csv", rows, CSV_ENCODINGS[part])
        write_clips(clips, part, rows, seed)
        pack(raw / f"{part}.tar.gz", inner)
    archive = folder / "MELD.Raw.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(raw, "MELD.Raw")
    shutil.rmtree(work)
    return archive


# ---------------------------------------------------------------- rows


def choose_rows(part: str, count: int) -> list[dict[str, str]]:
    """The rows that the traps need, and before them the first of the split until there are `count`."""
    rows = _original_rows(part) or _invented_rows(part, count)
    wanted = {(dialogue, utterance) for dialogue, length in NEEDED_DIALOGUES[part] for utterance in range(length)}
    chosen = [row for row in rows if _number(row) in wanted]
    others = [row for row in rows if _number(row) not in wanted]
    chosen += others[: count - len(chosen)]
    return sorted(chosen, key=_number)


def _number(row: dict[str, str]) -> tuple[int, int]:
    return int(row["Dialogue_ID"]), int(row["Utterance_ID"])


def _original_rows(part: str) -> list[dict[str, str]]:
    path = ORIGINAL_ROWS / f"{part}_sent_emo.csv"
    if not path.is_file():
        return []
    return list(csv.DictReader(io.StringIO(meld.decode(path.read_bytes(), path), newline="")))


def _invented_rows(part: str, count: int) -> list[dict[str, str]]:
    numbers = [(dialogue, utterance) for dialogue in range((count + 5) // 6) for utterance in range(6)]
    numbers += [(dialogue, utterance) for dialogue, length in NEEDED_DIALOGUES[part] for utterance in range(length)]
    rows = []
    for i, (dialogue, utterance) in enumerate(numbers):
        line, emotion, sentiment = INVENTED_LINES[i % len(INVENTED_LINES)]
        speaker, number = ("Rachel", "Joey")[i % 2], (str(dialogue), str(utterance))
        times = ("00:00:01,000", "00:00:03,000")
        fields = (str(i + 1), line, speaker, emotion, sentiment, *number, "1", "1", *times)
        rows.append(dict(zip(HEADING, fields, strict=True)))
    return rows


def write_csv(path: Path, rows: Sequence[dict[str, str]], encoding: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, HEADING)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))


# ---------------------------------------------------------------- clips


def write_clips(folder: Path, part: str, rows: Sequence[dict[str, str]], seed: int = 0) -> None:
    """The clips of one split with all that is wrong with them."""
    for i, row in enumerate(rows):
        dialogue, utterance = _number(row)
        name = f"dia{dialogue}_utt{utterance}.mp4"
        key = f"{part}/{name.removesuffix('.mp4')}"
        trap = LISTED_TRAPS.get(key) or UNLISTED_TRAPS.get(key)
        voice = VOICES[(sum(map(ord, row["Speaker"])) + seed) % len(VOICES)]
        sound = say(row["Utterance"], voice)
        path = folder / name
        if key in RECUTS:
            write_clip(folder / f"final_videos_test{name}", sound, portrait(i + seed))
            write_clip(path, hum(1.0, 60.0), lambda _: np.full((HEIGHT_PX, WIDTH_PX, 3), (0, 0, 255), dtype=np.uint8))
        elif trap is None:
            write_clip(path, sound, portrait(i + seed))
        else:
            TRAPS[trap](path, sound)
    extra = [key.partition("/")[2] for key in EXTRA_CLIPS if key.startswith(part)]
    for name in extra:
        write_clip(folder / f"{name}.mp4", hum(0.5, 120.0), portrait(0))
    for path in sorted(folder.glob("dia*.mp4"))[:2]:
        (folder / f"._{path.name}").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ")


def write_clip(
    path: Path, sound: np.ndarray, picture: Callable[[int], np.ndarray], rate: int = FRAMES_PER_SECOND
) -> None:
    """An mp4 (H.264, AAC) as long as its sound, (num_samples, channels) int16 at RATE_HZ."""
    times_seconds = even_times(max(len(sound) / RATE_HZ, 1 / rate), rate)
    write_media(path, times_seconds=times_seconds, picture=picture, sound=sound, rate_hz=RATE_HZ)


def _write_damaged(path: Path, sound: np.ndarray) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(4000))


def _write_truncated(path: Path, sound: np.ndarray) -> None:
    """As an interrupted copy leaves it: what stands at the end of the file, and tells where all lies, is missing."""
    write_clip(path, sound, portrait(0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _write_header_only(path: Path, sound: np.ndarray) -> None:
    """What ffmpeg cuts from a second to the same second: streams without a single frame."""
    import av

    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        video.width, video.height, video.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        container.start_encoding()


def _write_long(seconds: float) -> Callable[[Path, np.ndarray], None]:
    """Minutes of scene after one line. A frame every five seconds is written quickly, and is as long."""

    def write(path: Path, sound: np.ndarray) -> None:
        times_seconds = [*np.arange(0.0, seconds - 0.08, 5.0), seconds - 0.08, seconds - 0.04]
        write_media(path, times_seconds=times_seconds, picture=lambda _: portrait(0)(0), sound=sound, rate_hz=RATE_HZ)

    return write


TRAPS: dict[str, Callable[[Path, np.ndarray], object]] = {
    "corrupt": _write_damaged,
    "truncated": _write_truncated,
    "header only": _write_header_only,
    "empty": lambda path, _: path.touch(),
    "missing": lambda path, _: None,
    "41 s": _write_long(41.0),
    "70 s": _write_long(70.0),
    "235 s": _write_long(235.0),
    "305 s": _write_long(305.0),
    # As short as MELD's shortest: two frames.
    "short": lambda path, sound: write_clip(path, sound[: round(0.084 * RATE_HZ)], portrait(0), rate=24),
    "stereo": lambda path, sound: write_clip(path, np.hstack([sound, np.zeros_like(sound)]), portrait(1)),
    "5.1": lambda path, sound: write_clip(path, in_centre(sound), portrait(2)),
    "silent": lambda path, sound: write_clip(path, np.zeros_like(sound), portrait(3)),
    "no sound": lambda path, _: write_media(path, times_seconds=even_times(1.0, 10), picture=portrait(4)),
    "no picture": lambda path, sound: write_media(path, sound=sound, rate_hz=RATE_HZ),
}


def in_centre(sound: np.ndarray) -> np.ndarray:
    """(num_samples, 6) int16: 5.1 with the voice in the centre alone, where films have it."""
    channels = np.zeros((len(sound), 6), dtype=np.int16)
    channels[:, 2] = sound[:, 0]
    return channels


def say(text: str, voice: Voice) -> np.ndarray:
    """(num_samples, 1) int16 at RATE_HZ: a line's beginning, spoken where espeak-ng is installed, else hummed."""
    if shutil.which("espeak-ng") is None:
        return hum(min(LONGEST_SECONDS, 0.6 + 0.05 * len(text)), 100.0 + 3 * (sum(map(ord, voice.name)) % 50))
    spoken = speak(text, voice, RATE_HZ)[: round(LONGEST_SECONDS * RATE_HZ)]
    return np.round(spoken * 32767).astype(np.int16)[:, None]


def hum(seconds: float, pitch_hz: float) -> np.ndarray:
    """(num_samples, 1) int16: harmonics in syllables of a quarter of a second."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    tones = sum(np.sin(2 * math.pi * pitch_hz * k * times) / k for k in range(1, 12))
    return np.round(3000 * tones * np.abs(np.sin(4 * math.pi * times))).astype(np.int16)[:, None]


def portrait(number: int) -> Callable[[int], np.ndarray]:
    """From the number of a frame to (HEIGHT_PX, WIDTH_PX, 3) uint8 RGB: a face that moves, in a light of its own."""
    light = 0.7 + 0.06 * (number % 6)
    face = _face()

    def picture(frame: int) -> np.ndarray:
        right, down = 4 * math.sin(frame / 5 + number), 2 * math.sin(frame / 3)
        matrix = np.array([[1.0, 0.0, right], [0.0, 1.0, down]])
        moved = cv2.warpAffine(face, matrix, (WIDTH_PX, HEIGHT_PX), borderMode=cv2.BORDER_REPLICATE)
        return (moved * light).astype(np.uint8)

    return picture


@cache
def _face() -> np.ndarray:
    """(HEIGHT_PX, WIDTH_PX, 3) uint8: head and shoulders of astronaut Eileen Collins (NASA, public domain)."""
    return cv2.resize(data.astronaut()[:240, 20:420], (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)


def pack(archive: Path, folder: Path) -> None:
    """A tar.gz of what is in the folder, named from there."""
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)


if __name__ == "__main__":
    make_miniature(Path(sys.argv[1]), int(sys.argv[2]))
