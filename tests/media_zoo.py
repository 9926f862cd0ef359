"""The zoo: bad and odd media, what they are to give, and the table of what they gave.

    python tests/media_zoo.py          writes assets/media_zoo.md anew, from files made and read now

Every frame of a picture carries its number (see `media_files`), so that a right result can be told from a wrong one.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, this folder is the only one that is searched

import zoo_writers as odd  # noqa: E402
from media_files import (  # noqa: E402
    even_times,
    number_in,
    numbered_picture,
    quartered_picture,
    tone,
    write_media,
    write_recorder_webm,
)

from sentiment.decoder_process import DecoderProcess  # noqa: E402
from sentiment.decoding import ACCEPTED  # noqa: E402
from sentiment.errors import MediaError  # noqa: E402
from sentiment.media import MediaFile  # noqa: E402

TABLE = ROOT / "assets" / "media_zoo.md"

NOTHING = "holds no picture and no sound that can be decoded"
NO_MEDIA = "is no video or sound that can be read"


@dataclass(frozen=True)
class Found:
    """What was read from a file, or what is to be read."""

    seconds: float
    size: tuple[int, int] | None
    """(width, height) as displayed; None without a picture."""
    sound: bool
    numbers: Mapping[float, int] = field(default_factory=dict, compare=False)
    """At some seconds, the number of the frame that is shown."""

    def __str__(self) -> str:
        parts = [f"{self.seconds:.2f} s", "{} × {}".format(*self.size) if self.size else "no picture"]
        return " · ".join([*parts, "sound" if self.sound else "no sound"])


@dataclass(frozen=True)
class Kind:
    """One animal: a file's name, what is odd about it, who makes it, and what it is to give."""

    name: str
    what: str
    make: Callable[[Path], object]
    expected: Found | str
    """A sentence is given as a pattern that occurs in it."""


PLAIN = Found(2.0, (160, 120), True, {0.0: 0, 1.01: 25, 1.99: 49})
SILENT = Found(2.0, (160, 120), False, PLAIN.numbers)
HEARD = Found(2.0, None, True)


# ---------------------------------------------------------------- makers


def video(path: Path, seconds: float = 2.0, sound_seconds: float = 0.0, **options: object) -> Path:
    sound = tone(sound_seconds) if sound_seconds else None
    return write_media(path, times_seconds=even_times(seconds), sound=sound, **options)


def sound(path: Path, samples: np.ndarray, rate_hz: int = 48_000, codec: str = "pcm_s16le") -> Path:
    return write_media(path, sound=samples, rate_hz=rate_hz, audio_codec=codec)


@cache
def still(number: int, width: int = 160, height: int = 120) -> bytes:
    return odd.jpeg(numbered_picture(number, width, height))


def stills(path: Path, milliseconds: Iterable[int], **options: object) -> None:
    """Frame after frame, with these times in this order, by a muxer that sees nothing wrong in them."""
    packets = [(time, still(number)) for number, time in enumerate(milliseconds)]
    odd.matroska(path, packets, **options)


def then(make: Callable[[Path], object], change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """A file whose bytes are changed once it is written."""

    def made(path: Path) -> None:
        make(path)
        path.write_bytes(change(path.read_bytes()))

    return made


def patch(make: Callable[[Path], object], after: bytes, offset: int, new: bytes) -> Callable[[Path], None]:
    def made(path: Path) -> None:
        make(path)
        odd.patched(path, after, offset, new)

    return made


def deep(path: Path, pixel_format: str, codec: str) -> None:
    """More bits for each colour than eight."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, pixel_format
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(numbered_picture(number), format="rgb24")
            container.mux(stream.encode(frame.reformat(format=pixel_format)))
        container.mux(stream.encode(None))


def tracks(path: Path, count: int, loud: int) -> None:
    """Several tracks of sound, of which one is the default and alone is not silent."""
    import av
    from av.stream import Disposition

    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in range(count)]
        for number, stream in enumerate(streams):
            stream.disposition = Disposition.default if number == loud else Disposition(0)
        for number, stream in enumerate(streams):
            samples = tone(2.0, rate_hz=8000) if number == loud else np.zeros((16_000, 1), np.int16)
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate = 8000
            container.mux(stream.encode(frame))


def covered(path: Path) -> None:
    """A song with its cover, which ID3 and FFmpeg call a video stream."""
    import av
    from av.stream import Disposition

    with av.open(str(path), "w") as container:
        song = container.add_stream("libmp3lame", rate=48_000, layout="mono")
        cover = container.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 160, 120, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame.from_ndarray(numbered_picture(9), format="rgb24")))
        for start in range(0, 96_000, 1152):
            block = np.ascontiguousarray(tone(2.0)[start : start + 1152]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48_000, start
            container.mux(song.encode(frame))
        container.mux([*cover.encode(None), *song.encode(None)])


def subtitles(path: Path) -> None:
    odd.matroska(path, [(0, b"Hello")], codec="S_TEXT/UTF8")


def two_sizes(path: Path) -> None:
    odd.matroska(path, [(40 * n, still(n) if n < 25 else still(n, 320, 240)) for n in range(50)])


def bomb(path: Path) -> None:
    """A packet of 64 MB in 64 KB."""
    packed = zlib.compress(bytes(64 * 2**20), 9)
    odd.matroska(path, [(0, zlib.compress(still(0))), (40, packed)], track_extra=odd.ZLIB)


def noise(num_bytes: int) -> bytes:
    """The same random bytes each time."""
    return np.random.default_rng(0).bytes(num_bytes)


def link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


ENCRYPTED = {
    "encryption_scheme": "cenc-aes-ctr",
    "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
    "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
}
HTML = b"<html><script>alert(1)</script></html>"
ZIP_END = b"PK\x05\x06" + bytes(18)
FASTSTART = {"movflags": "faststart"}
CHORD = sum(tone(2.0, pitch, level=0.2).astype(int) for pitch in (261.6, 329.6, 392.0)).astype(np.int16)
HUGE = b"\x7f\xff\xff\xff"


def _turned() -> Iterator[Kind]:
    upright = {"times_seconds": even_times(2.0), "picture": quartered_picture}
    for degrees in (0, 90, 180, 270):
        for flip in (False, True):
            if degrees or flip:
                size = (120, 160) if degrees in (90, 270) else (160, 120)
                make = partial(write_media, **upright, rotation_degrees=degrees, hflip=flip)
                what = " and ".join([f"turned by {degrees}°"] * bool(degrees) + ["mirrored"] * flip)
                yield Kind(f"turned {degrees}{' flip' if flip else ''}.mp4", what, make, Found(2.0, size, False))


KINDS: tuple[Kind, ...] = (
    # ---- how long, and when
    Kind("plain.mp4", "nothing odd, to compare with", partial(video, sound_seconds=2.0), PLAIN),
    Kind("no frames.mkv", "a video track without a frame", lambda p: odd.matroska(p, []), NO_MEDIA),
    Kind("one frame.mp4", "a single frame", partial(video, seconds=0.04), Found(0.04, (160, 120), False, {0.0: 0})),
    Kind("one sample.wav", "a single sample", lambda p: sound(p, tone(2.0)[:1]), Found(0.0, None, True)),
    Kind("nothing.wav", "a header and no samples",
         then(lambda p: sound(p, tone(2.0)), lambda data: data[: data.index(b"data") + 4] + bytes(4)), NOTHING),
    Kind("long sound.mp4", "sound longer than the picture", partial(video, seconds=0.5, sound_seconds=2.0),
         Found(2.0, (160, 120), True, {0.2: 5, 1.9: 12})),
    Kind("long picture.mp4", "picture longer than the sound", partial(video, sound_seconds=0.5), PLAIN),
    Kind("jump.mkv", "the clock jumps by a minute and a half", partial(stills, milliseconds=[0, 40, 80, 90_000]),
         Found(90.0, (160, 120), False, {50.0: 2, 90.0: 3})),
    Kind("repeat.mkv", "timestamps repeat", partial(stills, milliseconds=[0, 40, 40, 40, 80, 120]),
         Found(0.2, (160, 120), False, {0.0: 0, 0.05: 1, 0.09: 4})),
    Kind("backwards.mkv", "timestamps go backwards", partial(stills, milliseconds=[0, 40, 80, 40, 0, 120]),
         Found(0.2, (160, 120), False, {0.0: 0, 0.09: 2, 0.13: 5})),
    Kind("backwards only.mkv", "every frame is earlier than the one before",
         partial(stills, milliseconds=range(2000, -1, -40)), Found(0.04, (160, 120), False, {0.0: 0})),
    Kind("a day.mkv", "the clock jumps beyond a day", partial(stills, milliseconds=[0, 40, 100_000_000]),
         "lasts 100000 seconds; expected is more than 0 and at most 24 hours"),
    Kind("variable.mkv", "variable frame rate", lambda p: write_media(p, times_seconds=[0.0, 0.1, 0.15, 0.9, 1.0]),
         Found(1.0, (160, 120), False, {0.09: 0, 0.5: 2, 0.95: 3})),
    Kind("1000 a second.mkv", "a thousand frames a second",
         lambda p: write_media(p, times_seconds=even_times(0.2, 1000)),
         Found(0.2, (160, 120), False, {0.0: 0, 0.0205: 20})),
    Kind("slow.mkv", "a frame every ten seconds", lambda p: write_media(p, times_seconds=[0.0, 10.0, 20.0]),
         Found(20.0, (160, 120), False, {9.9: 0, 10.1: 1})),
    Kind("late.mkv", "begins at five seconds",
         lambda p: write_media(p, times_seconds=even_times(2.0, 25, 5.0)), SILENT),
    Kind("wrap.ts", "the clock of MPEG-TS runs over, as it does every 26.5 hours",
         partial(video, sound_seconds=2.0, options={"output_ts_offset": "95442"}), PLAIN),
    Kind("two hours.mkv", "two hours declared, two seconds there",
         partial(stills, milliseconds=range(0, 2000, 40), declared_ms=7_200_000.0), SILENT),
    Kind("two hours.mp4", "two hours declared, two seconds there",
         patch(partial(video, sound_seconds=2.0), b"mvhd", 16, (7_200_000).to_bytes(4, "big")), PLAIN),
    # ---- pixels
    Kind("10 bit.mkv", "10 bits a colour, 4:2:0", partial(deep, pixel_format="yuv420p10le", codec="libx264"), SILENT),
    Kind("12 bit.mkv", "12 bits a colour, 4:4:4", partial(deep, pixel_format="yuv444p12le", codec="ffv1"), SILENT),
    Kind("prores.mov", "ProRes, 10 bits, 4:2:2", partial(deep, pixel_format="yuv422p10le", codec="prores_ks"), SILENT),
    Kind("odd.mkv", "sides that are odd numbers",
         partial(video, picture=lambda n: numbered_picture(n, 151, 101), video_codec="ffv1"),
         Found(2.0, (151, 101), False, PLAIN.numbers)),
    Kind("dot.mkv", "1 × 1 pixel", partial(video, picture=lambda n: numbered_picture(n, 1, 1), video_codec="ffv1"),
         Found(2.0, (1, 1), False, PLAIN.numbers)),
    Kind("slim.mkv", "2 × 4000 pixels", partial(video, seconds=0.2,
         picture=lambda n: numbered_picture(n, 2, 4000)), Found(0.2, (2, 4000), False, {0.1: 2})),
    Kind("8k.mkv", "7680 × 4320 pixels", partial(video, seconds=0.04, video_codec="mjpeg",
         picture=lambda n: numbered_picture(n, 7680, 4320)), Found(0.04, (7680, 4320), False, {0.0: 0})),
    Kind("claimed.mkv", "a JPEG of 160 × 120 that claims 65500 × 65500",
         lambda p: odd.matroska(p, [(0, _claiming(still(0), 65_500))], size=(160, 120)),
         f"{NOTHING}|pictures of 65500 × 65500 pixels"),
    Kind("claimed.mp4", "a header that claims 65535 × 65535 for 160 × 120",
         patch(video, b"avc1", 24, b"\xff\xff\xff\xff"), Found(2.0, (160, 120), False, PLAIN.numbers)),
    Kind("wide pixels.mp4", "pixels twice as wide as high", partial(video, pixel_aspect=2),
         Found(2.0, (320, 120), False, PLAIN.numbers)),
    Kind("two sizes.mkv", "the picture grows half way", two_sizes, SILENT),
    *_turned(),
    # ---- sound
    Kind("six channels.mkv", "5.1 sound", lambda p: sound(p, tone(2.0, channels=6)), HEARD),
    Kind("telephone.wav", "8 kHz", lambda p: sound(p, tone(2.0, rate_hz=8000), 8000), HEARD),
    Kind("high.wav", "192 kHz", lambda p: sound(p, tone(2.0, rate_hz=192_000), 192_000), HEARD),
    Kind("silence.flac", "silence", lambda p: sound(p, 0 * tone(2.0), codec="flac"), HEARD),
    Kind("noise.wav", "pure noise", lambda p: sound(p, np.frombuffer(noise(192_000), np.int16)[:, None] // 4), HEARD),
    Kind("music.ogg", "a chord, and nobody speaks", lambda p: sound(p, CHORD, codec="libopus"), HEARD),
    Kind("two tracks.mkv", "two tracks of sound, the second the default", partial(tracks, count=2, loud=1), HEARD),
    Kind("forty tracks.mkv", "forty tracks of sound", partial(tracks, count=40, loud=39), HEARD),
    Kind("song.mp3", "cover art as a video stream", covered, HEARD),
    Kind("junk first.mp3", "a kilobyte of junk before the sound",
         then(lambda p: sound(p, tone(2.0), codec="libmp3lame"), lambda data: noise(1024) + data), HEARD),
    # ---- damage, lies and traps
    Kind("fragments.mp4", "an mp4 in fragments", partial(video, sound_seconds=2.0,
         options={"movflags": "frag_keyframe+delay_moov"}), PLAIN),
    Kind("recorded.webm", "no duration and no index, as browsers record",
         lambda p: write_recorder_webm(p, even_times(2.0), tone(2.0)), PLAIN),
    Kind("endless.mkv", "a segment of 2⁵⁶ bytes declared",
         partial(stills, milliseconds=range(0, 2000, 40), segment_size=2**56 - 2), SILENT),
    Kind("huge data.wav", "4 GB of samples declared",
         patch(lambda p: sound(p, tone(2.0)), b"data", 0, b"\xff\xff\xff\xff"), HEARD),
    Kind("huge table.mp4", "two thousand million samples declared",
         patch(video, b"stsz", 8, HUGE), f"{NOTHING}|{NO_MEDIA}"),
    Kind("huge box.mp4", "a box of 2 GB declared",
         patch(partial(video, options=FASTSTART), b"ftyp", -8, HUGE), NO_MEDIA),
    Kind("bomb.mkv", "a packet of 64 MB, packed into 64 KB", bomb, Found(0.1, (160, 120), False, {0.0: 0})),
    Kind("encrypted.mp4", "encrypted (Common Encryption)",
         partial(video, sound_seconds=2.0, options=ENCRYPTED), f"is encrypted and {NOTHING}"),
    Kind("encrypted.mkv", "encrypted (Matroska)", lambda p: odd.matroska(
         p, [(40 * n, noise(900)) for n in range(50)], codec="V_MPEG4/ISO/AVC", track_extra=odd.AES), NO_MEDIA),
    Kind("no index.mp4", "cut before the index at its end",
         then(video, lambda data: data[: data.index(b"moov") - 4]), NO_MEDIA),
    Kind("blank.mp4", "an index, and zeros where the data were",
         then(partial(video, options=FASTSTART), lambda data: _zeroed(data, b"mdat")), NOTHING),
    Kind("subtitles.mkv", "subtitles alone", subtitles, NOTHING),
    # ---- no media
    Kind("empty.mp4", "an empty file", Path.touch, r"is empty; expected is"),
    Kind("text.mp4", "text", lambda p: p.write_text("This is no video.\n" * 99), NO_MEDIA),
    Kind("noise.mp4", "random bytes", lambda p: p.write_bytes(noise(200_000)), NO_MEDIA),
    Kind("picture.mp4", "a PNG", lambda p: p.write_bytes(_png()), NO_MEDIA),
    Kind("archive.mp4", "an empty zip", lambda p: p.write_bytes(ZIP_END), NO_MEDIA),
    Kind("page.mp4", "HTML", lambda p: p.write_bytes(HTML), NO_MEDIA),
    Kind("polyglot.mp4", "an mp4 that is a web page and a zip as well",
         then(partial(video, sound_seconds=2.0), lambda data: _behind_type(data, odd.box(b"free", HTML)) + ZIP_END),
         PLAIN),
    Kind("folder.mp4", "a folder", Path.mkdir, "is a folder"),
    Kind("fifo.mp4", "a FIFO", os.mkfifo, "is not a regular file"),
    Kind("device.mp4", "a link to /dev/zero", link("/dev/zero"), "is not a regular file"),
    Kind("circle.mp4", "a link to itself", link("circle.mp4"), "There is no file"),
    # ---- names
    Kind("it's \"quoted\" 100%.mp4", "quotes and a percent sign", partial(video, sound_seconds=2.0), PLAIN),
    Kind("two\nlines\t.mp4", "a line end in its name", partial(video, sound_seconds=2.0), PLAIN),
    Kind("two\nlines of text.mp4", "text, and a line end in its name", lambda p: p.write_text("no video"),
         r"^two lines of text\.mp4 is no video"),
    Kind("🎬 \u202egnp.mp4", "an emoji, and letters that turn the line", partial(video, sound_seconds=2.0), PLAIN),
    Kind("<script>alert(1)<", "HTML in its name, and no ending", partial(write_media, times_seconds=even_times(2.0),
         sound=tone(2.0), format_name="mp4"), PLAIN),
    Kind("-i.mp4", "an option for its name", partial(video, sound_seconds=2.0), PLAIN),
    Kind("concat:a|b.mp4", "an address of FFmpeg for its name", partial(video, sound_seconds=2.0), PLAIN),
    Kind("%03d.mp4", "a pattern of numbered files for its name", partial(video, sound_seconds=2.0), PLAIN),
    Kind("x" * 251 + ".mp4", "a name of 255 letters", partial(video, sound_seconds=2.0), PLAIN),
)  # fmt: skip


def _claiming(data: bytes, side: int) -> bytes:
    """A JPEG whose frame header claims another size."""
    start = data.index(b"\xff\xc0") + 5
    return data[:start] + side.to_bytes(2, "big") * 2 + data[start + 4 :]


def _zeroed(data: bytes, after: bytes) -> bytes:
    start = data.index(after) + len(after)
    return data[:start] + bytes(len(data) - start)


def _behind_type(data: bytes, inserted: bytes) -> bytes:
    """An mp4 with a box behind its first one; its index, which lies at the end, has to count those bytes, too."""
    first = int.from_bytes(data[:4], "big")
    data = bytearray(data[:first] + inserted + data[first:])
    start = 0
    while (start := data.find(b"stco", start + 1)) >= 0:
        for entry in range(int.from_bytes(data[start + 8 : start + 12], "big")):
            place = slice(start + 12 + 4 * entry, start + 16 + 4 * entry)
            data[place] = (int.from_bytes(data[place], "big") + len(inserted)).to_bytes(4, "big")
    return bytes(data)


def _png() -> bytes:
    import cv2

    return cv2.imencode(".png", quartered_picture())[1].tobytes()


# ---------------------------------------------------------------- looking


def examine(decoder: DecoderProcess, path: Path, times_seconds: Iterable[float] = ()) -> Found | str:
    """Reads all there is, and checks what holds for every file; the sentence where it is refused."""
    try:
        info = decoder.open(path)
        media = MediaFile(path, decoder, info)
        seconds, numbers = info.duration_seconds, {}
        if media.video is not None:
            wanted = sorted({*times_seconds, *(share * seconds for share in (0, 0.1, 0.5, 0.9, 1))})
            reader = media.frame_reader()
            frames = reader.at(wanted)
            reader.close()
            shown = [frame.time_seconds for frame in frames]
            assert shown == sorted(shown) and shown[0] >= 0, f"frames out of order: {shown}"
            assert all(max(frame.image.shape) <= 640 for frame in frames)
            numbers = {time: number_in(frame.image) for time, frame in zip(wanted, frames, strict=True)}
        heard = 0.0
        for window in media.audio_windows(30.0):
            assert abs(window.start_seconds - heard) < 1e-6 and np.isfinite(window.samples).all()
            heard = window.end_seconds
        if media.has_audio:
            assert abs(heard - seconds) < 0.001, f"{heard} s of sound in {seconds} s"
        size = (media.video.width, media.video.height) if media.video else None
        return Found(seconds, size, media.has_audio, numbers)
    except MediaError as error:
        return str(error)


def compare(expected: Found | str, got: Found | str) -> None:
    """Fails where it is not what it should be."""
    if isinstance(expected, str):
        assert isinstance(got, str) and re.search(expected, got), f"expected {expected!r}, got {got}"
        assert "\n" not in got and got.endswith("."), repr(got)
        return
    assert isinstance(got, Found), f"expected {expected}, got {got!r}"
    assert abs(got.seconds - expected.seconds) < 0.1, f"expected {expected}, got {got}"
    assert (got.size, got.sound) == (expected.size, expected.sound), f"expected {expected}, got {got}"
    for time, number in expected.numbers.items():
        # A lossy codec shifts a grey by as much as lies between two numbers.
        assert abs(got.numbers[time] - number) <= 1, f"frame {number} is shown at {time} s, got {got.numbers[time]}"


def observe(decoder: DecoderProcess, kind: Kind, folder: Path) -> Found | str:
    """Makes a kind in a new folder, and looks at it: what was found, which is checked."""
    folder.mkdir()
    path = folder / kind.name
    kind.make(path)
    before = sorted(folder.iterdir())
    times = kind.expected.numbers if isinstance(kind.expected, Found) else ()
    got = examine(decoder, path, times)
    compare(kind.expected, got)
    assert sorted(folder.iterdir()) == before, "something was left behind"
    return got


# ---------------------------------------------------------------- the table

HEAD = """# The zoo of odd media

Each of these files is made and read by `tests/test_media_zoo.py`, which fails where the outcome is another one than
here, takes too long or too much memory, or leaves something behind. `python tests/media_zoo.py` writes this table.
Where a sentence ends in dots, it goes on to say what is accepted.

"""


def table(outcomes: Mapping[str, str], groups: Mapping[str, str]) -> str:
    """The page: one row for each kind, and one for each group of files."""
    lines = ["| file | what is odd about it | outcome |", "|---|---|---|"]
    whats = {kind.name: kind.what for kind in KINDS}
    lines += [f"| {_cell(_shown(name))} | {whats[name]} | {_cell(outcome)} |" for name, outcome in outcomes.items()]
    lines += ["", "| many files | outcome |", "|---|---|"]
    lines += [f"| {_cell(what)} | {_cell(outcome)} |" for what, outcome in groups.items()]
    return HEAD + "\n".join(lines) + "\n"


def _shown(name: str) -> str:
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    return f"`{shown if len(shown) < 40 else shown[:20] + '…' + shown[-8:]}`"


def _cell(text: str) -> str:
    return text.replace(f"; expected is {ACCEPTED}", "; …").replace("|", "\\|")


def main() -> None:
    from zoo_groups import observe_groups

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        decoder = DecoderProcess()
        outcomes = {kind.name: str(observe(decoder, kind, folder / str(n))) for n, kind in enumerate(KINDS)}
        groups = observe_groups(decoder, folder)
        decoder.close()
    TABLE.write_text(table(outcomes, groups), encoding="utf-8")


if __name__ == "__main__":
    main()
