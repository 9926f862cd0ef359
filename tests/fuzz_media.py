"""A fuzzer of media files: bytes flipped, chunks cut out and repeated, sizes forged; each case reads all there is.

    python tests/fuzz_media.py --cases 3000 --seed 7      # of the files below; prints what came of them, as JSON
    python tests/fuzz_media.py --case 1234 --keep bad.mp4 # one case again, and its file

Each case is a number: the same number makes the same bytes. What brings the decoder down is a finding, but the app
lives on, which is what is promised; that nothing hangs, that no code of ours stumbles, and that every answer is a
result or a sentence is what is tested.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, this folder is the only one that is searched

from media_files import even_times, numbered_picture, tone, write_media  # noqa: E402

from sentiment.decoder_process import DecoderProcess  # noqa: E402
from sentiment.decoder_spawn import DecoderLimits  # noqa: E402
from sentiment.errors import MediaError  # noqa: E402

LIMITS = DecoderLimits(memory_bytes=2 * 2**30, open_seconds=20.0, step_seconds=10.0, request_seconds=60.0)
"""Tighter than in use: these files are small."""

MOST_FRAMES_SECONDS = 20.0
"""A forged clock may make a file last for a day; so much of it is looked at, at ten times."""
MOST_SOUND_BLOCKS = 8

SEEDS: dict[str, dict[str, Any]] = {
    "h264.mp4": {"options": {"movflags": "faststart"}},
    "index last.mp4": {},
    "fragments.mp4": {"options": {"movflags": "frag_keyframe+empty_moov"}},
    "mpeg4.mov": {"video_codec": "mpeg4", "audio_codec": "pcm_s16le"},
    "h264.mkv": {"audio_codec": "libopus"},
    "vp8.webm": {"video_codec": "libvpx", "audio_codec": "libopus"},
    "hevc.mkv": {"video_codec": "libx265", "audio_codec": "flac"},
    "mjpeg.avi": {"video_codec": "mjpeg", "audio_codec": "pcm_s16le"},
    "mpeg4.avi": {"video_codec": "mpeg4", "audio_codec": "pcm_s16le"},
    "h264.ts": {},
    "flv.flv": {"video_codec": "flv", "audio_codec": "libmp3lame"},
    "wmv.wmv": {"video_codec": "wmv2", "audio_codec": "libmp3lame"},
    "ffv1.mkv": {"video_codec": "ffv1", "audio_codec": "aac"},
    "sound.wav": {"audio_codec": "pcm_s16le"},
    "sound.mp3": {"audio_codec": "libmp3lame"},
    "sound.flac": {"audio_codec": "flac"},
    "sound.ogg": {"audio_codec": "libopus"},
    "sound.m4a": {},
    "sound.aiff": {"audio_codec": "pcm_s16be"},
    "sound.caf": {"audio_codec": "pcm_s16le"},
    "sound.aac": {},
}
"""The valid files that the cases start from, and how they are written."""


def write_seeds(folder: Path) -> list[Path]:
    """Half a second each, of pictures that are not all alike, so that the codecs have something to say."""
    texture = np.random.default_rng(0).integers(0, 60, (48, 64, 3), dtype=np.uint8)

    def picture(number: int) -> np.ndarray:
        return np.roll(numbered_picture(number, 64, 48) // 2 + texture, number, axis=1)

    paths = []
    for name, how in SEEDS.items():
        times = () if name.startswith("sound") else even_times(0.5)
        # No random identifiers and no dates: a case shall be the same bytes each time.
        options = {"fflags": "+bitexact", **how.get("options", {})}
        how = {**how, "options": options}
        paths.append(write_media(folder / name, times_seconds=times, picture=picture, sound=tone(0.5), **how))
    return paths


# ---------------------------------------------------------------- mutations


def mutate(data: bytes, random: np.random.Generator) -> bytes:
    """One to three changes. Half of them fall into the first kilobytes, where the headers lie."""
    changed = bytearray(data)
    for _ in range(random.integers(1, 4)):
        change = MUTATIONS[random.integers(len(MUTATIONS))]
        changed = change(changed, random) or bytearray(b"\0")
    return bytes(changed)


def _place(data: bytearray, random: np.random.Generator) -> int:
    end = min(len(data), 4096) if random.random() < 0.5 else len(data)
    return int(random.integers(end))


def _length(data: bytearray, random: np.random.Generator) -> int:
    """Mostly short, at times a good part of the file."""
    return int(min(len(data), 2 ** random.uniform(0, np.log2(len(data) + 1))))


def flip_bits(data: bytearray, random: np.random.Generator) -> bytearray:
    for _ in range(2 ** int(random.integers(0, 8))):
        data[_place(data, random)] ^= 1 << int(random.integers(8))
    return data


def set_bytes(data: bytearray, random: np.random.Generator) -> bytearray:
    for _ in range(2 ** int(random.integers(0, 6))):
        data[_place(data, random)] = int(random.choice([0, 1, 0x7F, 0x80, 0xFF, random.integers(256)]))
    return data


def forge_number(data: bytearray, random: np.random.Generator) -> bytearray:
    """Four or eight bytes become a number at the edge of what fits."""
    size = int(random.choice([2, 4, 8]))
    edges = [0, 1, 2 ** (8 * size) - 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), len(data), 8]
    start = _place(data, random)
    order = "big" if random.random() < 0.5 else "little"
    data[start : start + size] = (edges[random.integers(len(edges))] % 2 ** (8 * size)).to_bytes(size, order)
    return data


def cut_out(data: bytearray, random: np.random.Generator) -> bytearray:
    start = _place(data, random)
    return data[:start] + data[start + _length(data, random) :]


def cut_off(data: bytearray, random: np.random.Generator) -> bytearray:
    return data[: max(1, _place(data, random))]


def repeat(data: bytearray, random: np.random.Generator) -> bytearray:
    start = _place(data, random)
    chunk = data[start : start + _length(data, random)]
    return data[:start] + chunk * int(random.integers(2, 5)) + data[start:]


def swap(data: bytearray, random: np.random.Generator) -> bytearray:
    """A chunk is laid over another place."""
    source, target = _place(data, random), _place(data, random)
    chunk = data[source : source + _length(data, random)]
    data[target : target + len(chunk)] = chunk
    return data


def blank(data: bytearray, random: np.random.Generator) -> bytearray:
    start, length = _place(data, random), _length(data, random)
    data[start : start + length] = (
        random.bytes(min(length, len(data) - start)) if random.random() < 0.5 else bytes(min(length, len(data) - start))
    )
    return data


MUTATIONS = (flip_bits, set_bytes, forge_number, cut_out, cut_off, repeat, swap, blank)


# ---------------------------------------------------------------- cases


@dataclass(frozen=True)
class Outcome:
    """What came of one case."""

    case: int
    seed: str
    answer: str
    """What was read, or the sentence."""
    seconds: float

    @property
    def kind(self) -> str:
        """The sentence without what differs from file to file; "read" for a result."""
        if not self.answer.startswith(self.seed):
            return "read"
        return re.sub(r"-?\d[\d.]*(e[+-]?\d+)?", "#", self.answer.removeprefix(self.seed).split(";")[0]).strip()


class Fuzzer:
    """Runs cases through one decoder, which is started anew where a case has brought it down."""

    def __init__(self, folder: Path) -> None:
        self._seeds = [(path.name, path.read_bytes()) for path in write_seeds(folder)]
        self._folder = folder / "cases"
        self._folder.mkdir()
        self._decoder: DecoderProcess | None = None

    def bytes_of(self, case: int) -> tuple[str, bytes]:
        """The name of the file that a case starts from, and the changed bytes."""
        random = np.random.default_rng(case)
        name, data = self._seeds[case % len(self._seeds)]
        return name, mutate(data, random)

    def run(self, case: int) -> Outcome:
        """Reads the file of a case as the pipeline would."""
        name, data = self.bytes_of(case)
        path = self._folder / name
        path.write_bytes(data)
        self._decoder = self._decoder or DecoderProcess(LIMITS)
        started = time.monotonic()
        try:
            answer = read_some(self._decoder, path)
        except MediaError as error:
            answer = str(error)
            if not self._decoder.is_alive:
                self._decoder = None
        path.unlink()
        return Outcome(case, name, answer, time.monotonic() - started)

    def close(self) -> None:
        if self._decoder is not None:
            self._decoder.close()


def read_some(decoder: DecoderProcess, path: Path) -> str:
    """Frames over the whole of a file, some sound, and whether a browser plays it."""
    info = decoder.open(path)
    seen = heard = 0
    if info.video is not None:
        frames = decoder.frames(640)
        end_seconds = min(info.duration_seconds, MOST_FRAMES_SECONDS)
        seen = len({frame.time_seconds for frame in frames.at([end_seconds * share / 9 for share in range(10)])})
        frames.close()
    if info.has_audio:
        with closing(decoder.sound(16_000)) as blocks:
            heard = sum(len(block) for _, block in zip(range(MOST_SOUND_BLOCKS), blocks, strict=False))
    decoder.is_playable()
    return f"{info.duration_seconds:.2f} s, {seen} frames, {heard} samples"


def run_cases(cases: Iterator[int] | range, folder: Path) -> Iterator[Outcome]:
    """The outcome of each case, in turn."""
    with closing(Fuzzer(folder)) as fuzzer:
        for case in cases:
            yield fuzzer.run(case)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0, help="the number of the first case")
    parser.add_argument("--case", type=int, help="one case alone")
    parser.add_argument("--keep", type=Path, help="where to write the file of that one case")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if options.case is not None:
            with closing(Fuzzer(Path(name))) as fuzzer:
                if options.keep is not None:
                    options.keep.write_bytes(fuzzer.bytes_of(options.case)[1])
                print(fuzzer.run(options.case))
            return
        started = time.monotonic()
        outcomes = []
        for outcome in run_cases(range(options.seed, options.seed + options.cases), Path(name)):
            outcomes.append(outcome)
            if "brought the decoder down" in outcome.answer or outcome.seconds > LIMITS.step_seconds:
                print(outcome, file=sys.stderr)
    slowest = max(outcomes, key=lambda outcome: outcome.seconds)
    print(
        json.dumps(
            {
                "cases": len(outcomes),
                "seconds": round(time.monotonic() - started, 1),
                "slowest": {"case": slowest.case, "seconds": round(slowest.seconds, 2)},
                "outcomes": dict(Counter(outcome.kind for outcome in outcomes).most_common()),
            },
            indent=2,
            ensure_ascii=False,
        )
    )


if __name__ == "__main__":
    main()
