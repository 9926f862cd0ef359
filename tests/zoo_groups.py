"""The zoo's groups: every codec and container that can be written here, files cut at many points, lists of others."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import zoo_writers as odd
from media_files import even_times, numbered_picture, tone, write_media
from media_zoo import NO_MEDIA, NOTHING, Found, compare, examine

from sentiment.decoder_process import DecoderProcess
from sentiment.errors import MediaError
from sentiment.media import open_media

VIDEO_CONTAINERS = ("mkv", "mov", "mp4", "avi", "flv", "ts", "mpg", "wmv", "webm", "ogv", "3gp", "3g2")
SOUND_CONTAINERS = (
    "mka",
    "wav",
    "w64",
    "caf",
    "aiff",
    "m4a",
    "mp3",
    "flac",
    "ogg",
    "aac",
    "amr",
    "wma",
    *VIDEO_CONTAINERS,
)
HARDWARE = ("_nvenc", "_qsv", "_amf", "_v4l2m2m", "_vaapi", "_vulkan", "_mf", "_videotoolbox", "_at")

SIZES = {"h261": (176, 144), "h263": (176, 144), "h263p": (176, 144), "dvvideo": (720, 576), "dnxhd": (1280, 720),
         "cinepak": (160, 120), "roqvideo": (128, 128), "rv10": (176, 144), "rv20": (176, 144)}  # fmt: skip
"""Of codecs that know but a few."""

NO_CLIPS = frozenset({"vnull", "anull", "wrapped_avframe", "a64multi", "a64multi5", "comfortnoise"})
"""Encoders that write nothing, or memory addresses, or what only their own machine reads."""


def encoders(kind: str) -> Iterator[av.Codec]:
    """Those that run on any processor, by name."""
    for name in sorted(av.codecs_available):
        if name.endswith(HARDWARE) or name in NO_CLIPS:
            continue
        try:
            codec = av.Codec(name, "w")
        except av.codec.codec.UnknownCodecError:
            continue
        if codec.type == kind and codec.name == name:
            yield codec


def write_clip(path: Path, codec: av.Codec) -> bool:
    """Half a second of one codec; whether it can be written into a file of this ending."""
    try:
        with av.open(str(path), "w") as container:
            if codec.name not in container.supported_codecs:
                return False
            make = add_picture if codec.type == "video" else add_sound
            container.mux([packet for packet in make(container, codec) if packet.size])
    except (av.FFmpegError, ValueError):
        return False  # the muxer or the encoder wants it otherwise
    return True


def add_picture(container: av.container.OutputContainer, codec: av.Codec) -> list[av.Packet]:
    stream = container.add_stream(codec.name, rate=25, options={"strict": "experimental"})
    stream.width, stream.height = SIZES.get(codec.name, (160, 120))
    stream.pix_fmt = codec.video_formats[0].name if codec.video_formats else "yuv420p"
    stream.codec_context.time_base = Fraction(1, 25)
    stream.bit_rate = 60_000_000 if codec.name == "dnxhd" else 2_000_000
    frames = [av.VideoFrame.from_ndarray(numbered_picture(30, stream.width, stream.height), format="rgb24")] * 13
    packets = []
    for number, frame in enumerate(frames):
        picture = frame.reformat(format=stream.pix_fmt)
        picture.pts, picture.time_base = number, Fraction(1, 25)
        packets += stream.encode(picture)
    return packets + stream.encode(None)


def add_sound(container: av.container.OutputContainer, codec: av.Codec) -> list[av.Packet]:
    rate_hz = 48_000 if not codec.audio_rates or 48_000 in codec.audio_rates else max(codec.audio_rates)
    stream = container.add_stream(codec.name, rate=rate_hz, layout="mono", options={"strict": "experimental"})
    packets = []
    for start in range(0, rate_hz // 2, 960):
        block = np.ascontiguousarray(tone(0.5, rate_hz=rate_hz)[start : start + 960]).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


# ---------------------------------------------------------------- groups


def observe_codecs(decoder: DecoderProcess, folder: Path) -> Iterator[tuple[str, str]]:
    """For each container the codecs that were written into it and read again; each codec in the first that takes it."""
    for kind, containers in (("video", VIDEO_CONTAINERS), ("audio", SOUND_CONTAINERS)):
        read: dict[str, list[str]] = {}
        for codec in encoders(kind):
            paths = (folder / f"{codec.name}.{ending}" for ending in containers)
            path = next((path for path in paths if write_clip(path, codec)), None)
            if path is not None:
                check_clip(path, codec, examine(decoder, path))
                read.setdefault(path.suffix, []).append(codec.name)
        for ending, names in read.items():
            yield f"{kind} in {ending[1:]}: {', '.join(names)}", f"{len(names)} read"


def check_clip(path: Path, codec: av.Codec, got: Found | str) -> None:
    """Half a second of one grey, or of a tone."""
    assert isinstance(got, Found), f"{path.name}: {got}"
    assert 0.4 <= got.seconds <= 0.65, f"{path.name}: {got}"
    if codec.type == "video":
        assert all(abs(number - 30) <= 1 for number in got.numbers.values()), f"{path.name}: {got.numbers}"
    else:
        assert got.sound, path.name


CONTAINERS = {
    "mp4": ("libx264", "aac"), "mov": ("libx264", "aac"), "m4v": ("libx264", "aac"), "3gp": ("libx264", "aac"),
    "3g2": ("libx264", "aac"), "mkv": ("libx264", "libopus"), "webm": ("libvpx", "libopus"),
    "avi": ("mpeg4", "pcm_s16le"), "ts": ("libx264", "aac"), "m2ts": ("libx264", "aac"), "mpg": ("mpeg1video", "mp2"),
    "flv": ("flv", "libmp3lame"), "wmv": ("wmv2", "libmp3lame"), "f4v": ("libx264", "aac"),
    "wav": (None, "pcm_s16le"), "w64": (None, "pcm_s16le"), "mp3": (None, "libmp3lame"), "flac": (None, "flac"),
    "ogg": (None, "libopus"), "opus": (None, "libopus"), "oga": (None, "flac"), "aac": (None, "aac"),
    "m4a": (None, "aac"), "aiff": (None, "pcm_s16be"), "caf": (None, "pcm_s16le"), "mka": (None, "flac"),
}  # fmt: skip
"""By ending, a codec for the picture and one for the sound."""


def write_container(path: Path) -> Path:
    """One second of its numbered frames and of a tone; the index lies at the beginning, where a format has one."""
    picture, heard = CONTAINERS[path.suffix[1:]]
    rate = {"mpg": 25}.get(path.suffix[1:])
    times = even_times(1.0) if picture else ()
    if rate is None:
        options = {"movflags": "faststart"} if path.suffix in (".mp4", ".m4a") else {}
        return write_media(
            path, times_seconds=times, video_codec=picture, sound=tone(1.0), audio_codec=heard, options=options
        )
    with av.open(str(path), "w") as container:
        container.mux(add_picture(container, av.Codec(picture, "w")))
    return path


def observe_containers(decoder: DecoderProcess, folder: Path) -> Iterator[tuple[str, str]]:
    for ending in CONTAINERS:
        path = write_container(folder / f"whole.{ending}")
        got = examine(decoder, path, [0.41])
        assert isinstance(got, Found), f"{ending}: {got}"
        if ending != "mpg":
            assert abs(got.seconds - 1.0) < 0.13 and got.sound, f"{ending}: {got}"
            assert not got.numbers or abs(got.numbers[0.41] - 10) <= 1, f"{ending}: {got.numbers}"
    yield f"a container each: {', '.join(CONTAINERS)}", f"{len(CONTAINERS)} read"


CUT = ("mp4", "mkv", "webm", "avi", "ts", "flv", "wmv", "wav", "mp3", "flac", "ogg", "m4a")
CUT_POINTS = tuple(range(5, 100, 10))
"""In percent of a file's bytes."""


def observe_cuts(decoder: DecoderProcess, folder: Path) -> Iterator[tuple[str, str]]:
    """Each container cut at ten points: the longer it is, the more is read, and what is refused is refused clearly."""
    for ending in CUT:
        data = write_container(folder / f"to cut.{ending}").read_bytes()
        seconds = [
            _read_cut(decoder, folder / f"cut at {p}.{ending}", data[: len(data) * p // 100]) for p in CUT_POINTS
        ]
        read = [value for value in seconds if value is not None]
        assert read == sorted(read), f"{ending}: a longer file gave less: {seconds}"
        assert all(value < 1.15 for value in read), f"{ending}: {seconds}"
        refused = len(seconds) - len(read)
        yield f"{ending}, cut at {len(CUT_POINTS)} points", f"{len(read)} read as far as they go, {refused} refused"


def _read_cut(decoder: DecoderProcess, path: Path, data: bytes) -> float | None:
    path.write_bytes(data)
    got = examine(decoder, path)
    if isinstance(got, Found):
        return round(got.seconds, 2)
    compare(f"{NO_MEDIA}|{NOTHING}|is empty|lasts 0 seconds", got)
    return None


# ---------------------------------------------------------------- lists of other files

PLAYLISTS: Mapping[str, str] = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n",
    "hls with a key": '#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n'
    "#EXTINF:2,\n{target}\n",
    "m3u": "{target}\n",
    "pls": "[playlist]\nFile1={target}\nNumberOfEntries=1\n",
    "concat": "ffconcat version 1.0\nfile '{target}'\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet '
    'mimeType="video/mp4"><Representation id="1"><BaseURL>{target}</BaseURL></Representation></AdaptationSet>'
    "</Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\na=control:{target}\n",
    "asx": '<asx version="3.0"><entry><ref href="{target}"/></entry></asx>',
    "smil": '<smil><body><video src="{target}"/></body></smil>',
    "svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="{target}"/></svg>',
    "internet shortcut": "[InternetShortcut]\nURL={target}\n",
    "subtitles": "WEBVTT\n\n00:00.000 --> 00:01.000\n{target}\n",
}
DISGUISES = ("mp4", "m3u8", "ffconcat", "mpd")


def observe_playlists(decoder: DecoderProcess, folder: Path) -> Iterator[tuple[str, str]]:
    """Lists that name a file beside them, one elsewhere, and an address; nothing of it may be opened."""
    canary = write_container(folder / "canary.mp4")
    with listening() as (address, was_called), watched(canary) as opened:
        targets = (
            canary.name,
            str(canary),
            f"file:{canary}",
            f"concat:{canary}",
            f"{address}/a.mp4",
            f"data:,{canary}",
        )
        for name, text in PLAYLISTS.items():
            for number, target in enumerate(targets):
                for ending in DISGUISES:
                    path = folder / f"{name} {number}.{ending}"
                    path.write_text(text.format(target=target))
                    compare(NO_MEDIA, examine(decoder, path))
        for number, target in enumerate(targets):
            path = folder / f"reference {number}.mov"
            odd.mp4_that_refers_to(path, target)
            compare(f"{NOTHING}|{NO_MEDIA}", examine(decoder, path))
        assert opened() == 0, "a list had another file opened"
        assert not was_called(), "a list had an address called"
    count = len(PLAYLISTS) * len(targets) * len(DISGUISES) + len(targets)
    names = ", ".join([*PLAYLISTS, "a QuickTime film that refers to another"])
    yield (
        f"{count} lists of other files and addresses, called {', '.join(DISGUISES)}: {names}",
        "refused, and nothing opened",
    )


@contextmanager
def listening() -> Iterator[tuple[str, Callable[[], bool]]]:
    """An address on this machine, and whether anybody called it."""
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)

        def was_called() -> bool:
            try:
                server.accept()[0].close()
            except BlockingIOError:
                return False
            return True

        yield f"http://127.0.0.1:{server.getsockname()[1]}", was_called


@contextmanager
def watched(path: Path) -> Iterator[Callable[[], int]]:
    """How often the system says that a file was opened or read since (inotify, on Linux)."""
    if not hasattr(os, "O_TMPFILE"):  # Linux alone has it
        yield lambda: 0
        return
    library = ctypes.CDLL(None, use_errno=True)
    watch = library.inotify_init1(os.O_NONBLOCK)
    assert watch >= 0
    assert library.inotify_add_watch(watch, os.fsencode(path), 0x1 | 0x20) >= 0  # IN_ACCESS | IN_OPEN

    def events() -> int:
        try:
            return len(os.read(watch, 65_536)) // struct.calcsize("iIII")
        except BlockingIOError:
            return 0

    path.read_bytes()
    assert events() > 0, "nothing is seen of what is opened"
    try:
        yield events
    finally:
        os.close(watch)


def observe_dots(decoder: DecoderProcess, folder: Path) -> Iterator[tuple[str, str]]:
    """A path that climbs is a path: who may name one is decided elsewhere."""
    (folder / "below").mkdir()
    got = examine(decoder, folder / "below" / ".." / write_container(folder / "plain.mp4").name)
    assert isinstance(got, Found)
    yield "`../` on the way to a file, given by the one who runs this", str(got)


def observe_addresses() -> Iterator[tuple[str, str]]:
    """Addresses in the place of a path are names of files that are not there."""
    addresses = (
        *("http://127.0.0.1/a.mp4", "tcp://127.0.0.1:1", "concat:a.mp4|b.mp4", "subfile,,start,0,end,0,,:a.mp4"),
        *("data:,x", "pipe:0", "-", "a\0b", "x" * 4000),
    )
    for address in addresses:
        try:
            open_media(address).close()
        except MediaError as error:
            compare("^There is no file ", str(error))
        else:
            raise AssertionError(f"{address} was opened")
    yield f"{len(addresses)} addresses in the place of a path", "refused: There is no file …"


GROUPS = {
    "codecs": observe_codecs,
    "containers": observe_containers,
    "cuts": observe_cuts,
    "playlists": observe_playlists,
    "dots": observe_dots,
    "addresses": lambda decoder, folder: observe_addresses(),
}


def observe_group(decoder: DecoderProcess, name: str, folder: Path) -> dict[str, str]:
    """Makes and reads a group of files in a new folder; its rows of the table."""
    folder.mkdir()
    return dict(GROUPS[name](decoder, folder))


def observe_groups(decoder: DecoderProcess, folder: Path) -> dict[str, str]:
    rows: dict[str, str] = {}
    for name in GROUPS:
        rows |= observe_group(decoder, name, folder / name)
    return rows
