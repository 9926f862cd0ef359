"""Every file of the zoo gives a right result or one clear sentence, in bounded time and memory, and leaves nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from media_zoo import KINDS, TABLE, Found, Kind, examine, observe, table
from small_parts import require_whisper, save_random_checkpoint, wait_until
from zoo_groups import GROUPS, observe_group

from sentiment.decoder_process import DecoderProcess
from sentiment.errors import MediaError
from sentiment.media import is_playable_in_browser, open_media, write_playable_copy

MOST_SECONDS = 60.0
"""For one kind, made and read; a second is usual. Processors may be slow and shared."""

MOST_MEMORY_BYTES = 900 * 2**20
"""The decoder's at its largest, which 8K takes; a hundred megabytes are usual."""

SHARED_MEMORY = Path("/dev/shm")


class Zoo:
    """One decoder reads file after file; what was found is kept for the table."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        others = psutil.Process().children()
        self.decoder = DecoderProcess()
        [self.process] = set(psutil.Process().children()) - set(others)
        self.outcomes: dict[str, str] = {}
        self.groups: dict[str, dict[str, str]] = {}

    def visit(self, number: int) -> str:
        kind = KINDS[number]
        if kind.name not in self.outcomes:
            started = time.monotonic()
            self.outcomes[kind.name] = str(observe(self.decoder, kind, self.folder / str(number)))
            assert time.monotonic() - started < MOST_SECONDS
        return self.outcomes[kind.name]

    def visit_group(self, name: str) -> dict[str, str]:
        if name not in self.groups:
            self.groups[name] = observe_group(self.decoder, name, self.folder / name)
        return self.groups[name]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    """What it leaves is seen at the end."""
    folder = tmp_path_factory.mktemp("zoo")
    temporary = tmp_path_factory.mktemp("temporary")
    shared_before = shared_memory()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TMPDIR", str(temporary))
        zoo = Zoo(folder)
    yield zoo
    assert zoo.process.memory_info().rss < MOST_MEMORY_BYTES
    assert zoo.process.num_fds() < 20, "files are left open"
    zoo.decoder.close()
    assert not zoo.process.is_running()
    assert list(temporary.iterdir()) == [], "the decoder left temporary files"
    wait_until(lambda: shared_memory() <= shared_before)  # tests beside this one have some for a moment


def shared_memory() -> set[str]:
    return {path.name for path in SHARED_MEMORY.iterdir()} if SHARED_MEMORY.is_dir() else set()


@pytest.mark.parametrize("number", range(len(KINDS)), ids=[kind.name.encode("ascii", "replace") for kind in KINDS])
def test_each_kind_gives_what_it_should(zoo: Zoo, number: int) -> None:
    assert zoo.visit(number)


@pytest.mark.parametrize("name", GROUPS)
def test_each_group_gives_what_it_should(zoo: Zoo, name: str) -> None:
    assert zoo.visit_group(name)


def test_memory_was_bounded(zoo: Zoo) -> None:
    """The most that the decoder ever had, over all files that were read so far."""
    status = Path(f"/proc/{zoo.process.pid}/status")
    if not status.exists():
        pytest.skip("the system does not say")
    zoo.visit(next(number for number, kind in enumerate(KINDS) if kind.name == "8k.mkv"))
    peak_kb = int(status.read_text().split("VmHWM:")[1].split()[0])
    assert peak_kb * 1024 < MOST_MEMORY_BYTES


def test_the_table_is_what_was_found(zoo: Zoo) -> None:
    assert len(KINDS) + len(GROUPS) >= 40
    outcomes = {kind.name: zoo.visit(number) for number, kind in enumerate(KINDS)}
    rows = {what: outcome for name in GROUPS for what, outcome in zoo.visit_group(name).items()}
    assert TABLE.read_text(encoding="utf-8") == table(outcomes, rows), "run: python tests/media_zoo.py"


# ---------------------------------------------------------------- through the doors that the app has


def animals(*names: str) -> list[Kind]:
    return [kind for kind in KINDS if kind.name in names]


@pytest.mark.parametrize(
    "kind",
    animals("two sizes.mkv", "turned 90 flip.mp4", "dot.mkv", "song.mp3", "bomb.mkv", "text.mp4"),
    ids=lambda kind: kind.name,
)
def test_copies_of_odd_files(tmp_path: Path, kind: Kind) -> None:
    source, target = tmp_path / kind.name, tmp_path / "copies" / "copy.mp4"
    target.parent.mkdir()
    kind.make(source)
    if isinstance(kind.expected, str):
        with pytest.raises(MediaError, match=kind.expected):
            write_playable_copy(source, target)
        assert list(target.parent.iterdir()) == []
        return
    write_playable_copy(source, target)
    assert is_playable_in_browser(target)
    with open_media(target) as copy:
        assert copy.duration_seconds == pytest.approx(kind.expected.seconds, abs=0.1)
        assert (copy.video is not None, copy.has_audio) == (kind.expected.size is not None, kind.expected.sound)


@pytest.mark.parametrize(
    "kind",
    animals("one frame.mp4", "dot.mkv", "one sample.wav", "silence.flac", "noise.wav", "song.mp3", "encrypted.mp4"),
    ids=lambda kind: kind.name,
)
def test_the_whole_path(tmp_path: Path, kind: Kind, models: object) -> None:
    """Nobody speaks in these, and nobody is seen: a gap for each, or the sentence."""
    from sentiment.pipeline import analyze_video

    path = tmp_path / kind.name
    kind.make(path)
    processes_before = psutil.Process().children()
    if isinstance(kind.expected, str):
        with pytest.raises(MediaError, match=kind.expected):
            analyze_video(path, models)
        return
    timeline = analyze_video(path, models)
    assert timeline.is_complete
    assert timeline.duration_seconds == pytest.approx(kind.expected.seconds, abs=0.1)
    assert all(prediction.segment.kind == "silent" for prediction in timeline.segments)
    assert psutil.Process().children() == processes_before


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> object:
    from sentiment.pipeline import load_models

    require_whisper()
    return load_models(save_random_checkpoint(tmp_path_factory.mktemp("weights") / "faces"), device="cpu")


def test_the_zoo_can_tell_right_from_wrong(tmp_path: Path, small_video: Path) -> None:
    """A file that is another than its label says is noticed."""
    kind = next(kind for kind in KINDS if kind.name == "plain.mp4")
    from dataclasses import replace

    decoder = DecoderProcess()
    wrong = [Found(3.0, (160, 120), True), Found(2.0, (120, 160), True), Found(2.0, (160, 120), True, {1.01: 40}), "no"]
    for number, expected in enumerate(wrong):
        with pytest.raises(AssertionError, match=r"expected|is shown"):
            observe(decoder, replace(kind, expected=expected), tmp_path / str(number))
    assert isinstance(examine(decoder, small_video), Found)
    decoder.close()
