"""Whether browsers play a file, and the copies that they do; both tried in a real one."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from media_files import (
    corners,
    even_times,
    loud_seconds,
    number_in,
    numbered_picture,
    quartered_picture,
    tone,
    write_media,
    write_recorder_webm,
)

from sentiment.errors import MediaError
from sentiment.media import is_playable_in_browser, open_media, write_playable_copy

SOUND_KINDS = {"wav": "pcm_s16le", "mp3": "libmp3lame", "flac": "flac", "m4a": "aac", "ogg": "libopus"}


def test_what_a_browser_plays_as_it_is(tmp_path: Path, small_video: Path, recorder_webm: Path) -> None:
    assert is_playable_in_browser(small_video)
    sounds = {
        ending: write_media(tmp_path / f"s.{ending}", sound=tone(1.0), audio_codec=codec)
        for ending, codec in SOUND_KINDS.items()
    }
    assert [ending for ending, path in sounds.items() if is_playable_in_browser(path)] == ["wav", "mp3", "flac", "m4a"]
    assert not is_playable_in_browser(recorder_webm)  # no duration: the player could not be sent to a moment
    shutil.copy(small_video, tmp_path / "renamed.mkv")
    assert not is_playable_in_browser(tmp_path / "renamed.mkv")
    times = even_times(1.0)
    assert not is_playable_in_browser(write_media(tmp_path / "old.mp4", times_seconds=times, video_codec="mpeg4"))
    assert not is_playable_in_browser(write_media(tmp_path / "flip.mp4", times_seconds=times, hflip=True))
    late = write_media(tmp_path / "late.mp4", times_seconds=even_times(1.0, start_seconds=1.0))
    assert not is_playable_in_browser(late)


COPIED = {
    "recorded.webm": lambda path: write_recorder_webm(path, even_times(2.0), tone(2.0)),
    "old.avi": lambda path: write_media(
        path, times_seconds=even_times(2.0), sound=tone(2.0), video_codec="mjpeg", audio_codec="pcm_s16le"
    ),
    "variable.mkv": lambda path: write_media(
        path, times_seconds=[0.0, 0.1, 0.15, 0.9, 1.0], sound=tone(1.0), sound_start_seconds=1.0
    ),
    "late.mkv": lambda path: write_media(path, times_seconds=even_times(2.0, start_seconds=5.0)),
    "odd.mkv": lambda path: write_media(
        path, times_seconds=even_times(2.0), picture=lambda n: numbered_picture(n, 151, 101), video_codec="ffv1"
    ),
}


@pytest.mark.parametrize("name", COPIED)
def test_copy_has_the_time_axis_of_the_original(tmp_path: Path, name: str) -> None:
    original = COPIED[name](tmp_path / name)
    copy = tmp_path / "copy.mp4"
    write_playable_copy(original, copy)
    assert is_playable_in_browser(copy)
    with av.open(str(copy)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.video[0].pix_fmt == "yuv420p"
    data = copy.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with open_media(original) as before, open_media(copy) as after:
        assert after.duration_seconds == pytest.approx(before.duration_seconds, abs=0.05)
        assert after.has_audio == before.has_audio
        times = [0.0, 0.12, 0.5, 0.95]
        for one, other in zip(before.frame_reader().at(times), after.frame_reader().at(times), strict=True):
            assert number_in(one.image) == number_in(other.image)
            assert one.time_seconds == pytest.approx(other.time_seconds, abs=1e-3)
        if before.has_audio:
            (heard,), (copied,) = before.audio_windows(), after.audio_windows()
            assert loud_seconds(copied) == pytest.approx(loud_seconds(heard), abs=0.03)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "copy.mp4"])


def test_copy_is_upright_with_even_sides_and_square_pixels(tmp_path: Path) -> None:
    original = write_media(
        tmp_path / "phone.mov",
        times_seconds=even_times(0.4),
        picture=quartered_picture,
        rotation_degrees=90,
        hflip=True,
        pixel_aspect=Fraction(101, 100),
    )
    write_playable_copy(original, tmp_path / "copy.mp4")
    with open_media(original) as before, open_media(tmp_path / "copy.mp4") as after:
        assert (before.video.width, before.video.height) == (120, 162)
        assert (after.video.width, after.video.height) == (120, 162)
        assert after.video.display_matrix is None
        expected = corners(before.frame_reader().at([0.0])[0].image)
        assert corners(after.frame_reader().at([0.0])[0].image) == expected == "wgbr"


def test_copy_of_sound_alone(tmp_path: Path, sound_file: Path) -> None:
    write_playable_copy(sound_file, tmp_path / "copy.m4a")
    with open_media(tmp_path / "copy.m4a") as media:
        assert media.video is None
        (track,) = media.audio_windows()
    assert loud_seconds(track) == pytest.approx((1.0, 2.0), abs=0.03)


def test_a_copy_that_fails_leaves_nothing_behind(tmp_path: Path, small_video: Path, text_named_mp4: Path) -> None:
    with pytest.raises(MediaError):
        write_playable_copy(text_named_mp4, tmp_path / "copy.mp4")
    with pytest.raises(MediaError, match="No playable copy"):
        write_playable_copy(small_video, tmp_path / "no such folder" / "copy.mp4")
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- in a real browser

PLAY = """async ([encoded, times]) => {
    const bytes = Uint8Array.from(atob(encoded), character => character.charCodeAt(0));
    const video = document.createElement("video");
    const event = name => new Promise((done, fail) => {
        video.addEventListener(name, done, {once: true});
        video.addEventListener("error", () => fail(video.error.message), {once: true});
    });
    const loaded = event("loadeddata");
    video.muted = true;
    video.src = URL.createObjectURL(new Blob([bytes]));
    await loaded;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const context = canvas.getContext("2d", {willReadFrequently: true});
    const greys = [];
    for (const time of times) {
        // A busy machine has found the place before its picture is drawn; where the picture stays, none is announced.
        const drawn = new Promise(done => { video.requestVideoFrameCallback(done); setTimeout(done, 3000); });
        const seeked = event("seeked");
        video.currentTime = time;
        await seeked;
        await drawn;
        context.drawImage(video, 0, 0);
        greys.push(context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data[1]);
    }
    return {duration: video.duration, size: [video.videoWidth, video.videoHeight], greys};
}"""


@pytest.fixture(scope="module")
def browser_page(browser: Any) -> Iterator[Any]:
    """A page of Debian's Chromium."""
    page = browser.new_page()
    yield page
    page.close()


PLAYED_AS_IT_IS = {
    "plain.mp4": lambda path: write_media(path, times_seconds=even_times(2.0), sound=tone(2.0)),
    "turned.mp4": lambda path: write_media(path, times_seconds=even_times(2.0), rotation_degrees=90),
    "late.mp4": lambda path: write_media(
        path, times_seconds=even_times(1.5, start_seconds=0.5), sound=tone(2.0), pixel_aspect=Fraction(2, 1)
    ),
    "vp9.webm": lambda path: write_media(
        path, times_seconds=even_times(2.0), sound=tone(2.0), video_codec="libvpx-vp9", audio_codec="libopus"
    ),
}


@pytest.mark.parametrize("name", [*PLAYED_AS_IT_IS, *COPIED])
def test_a_browser_shows_at_every_time_what_was_analysed(tmp_path: Path, browser_page: Any, name: str) -> None:
    """The clock of the player is the clock of the decoder, for originals and for copies."""
    original = (PLAYED_AS_IT_IS | COPIED)[name](tmp_path / name)
    shown = original
    assert is_playable_in_browser(original) == (name in PLAYED_AS_IT_IS)
    if name in COPIED:
        shown = tmp_path / "copy.mp4"
        write_playable_copy(original, shown)
    times = [0.02, 0.54, 0.94]
    played = browser_page.evaluate(PLAY, [base64.b64encode(shown.read_bytes()).decode(), times])
    with open_media(original) as media:
        frames = media.frame_reader().at(times)
        assert played["duration"] == pytest.approx(media.duration_seconds, abs=0.06)
        assert played["size"] == pytest.approx([media.video.width, media.video.height], abs=1)  # odd sides
    assert played["greys"] == pytest.approx([float(frame.image.mean()) for frame in frames], abs=2)


RECORD = """async () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [160, 120];
    const context = canvas.getContext("2d");
    const audio = new AudioContext();
    const [tone, gain, out] = [audio.createOscillator(), audio.createGain(), audio.createMediaStreamDestination()];
    gain.gain.value = 0;
    tone.connect(gain).connect(out);
    tone.start();
    await audio.resume();
    let colour = "#000";
    const painting = setInterval(() => {
        context.fillStyle = colour;
        context.fillRect(0, 0, 160, 120);
        context.fillStyle = "#888";
        context.fillRect(150 * Math.random(), 0, 2, 2);  // nothing is recorded of a canvas that stays the same
    }, 40);
    const tracks = [...canvas.captureStream(25).getTracks(), ...out.stream.getTracks()];
    const recorder = new MediaRecorder(new MediaStream(tracks), {mimeType: "video/webm;codecs=vp8,opus"});
    const parts = [];
    recorder.ondataavailable = event => parts.push(event.data);
    const stopped = new Promise(done => recorder.onstop = done);
    const wait = milliseconds => new Promise(done => setTimeout(done, milliseconds));
    recorder.start(250);
    await wait(1000);
    [colour, gain.gain.value] = ["#fff", 0.5];
    await wait(1000);
    recorder.stop();
    await stopped;
    clearInterval(painting);
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""));
}"""


def test_what_a_browser_records_is_seen_and_heard_at_the_same_time(tmp_path: Path, browser_page: Any) -> None:
    """After a second the picture turns white and a tone sets in."""
    path = tmp_path / "recorded.webm"
    path.write_bytes(base64.b64decode(browser_page.evaluate(RECORD)))
    with av.open(str(path)) as container:
        assert container.duration is None
    with open_media(path) as media:
        times = [number / 50 for number in range(round(media.duration_seconds * 50))]
        frames = media.frame_reader().at(times)
        (track,) = media.audio_windows()
    white_seconds = next(frame.time_seconds for frame in frames if frame.image.mean() > 128)
    assert white_seconds > 0.5
    assert loud_seconds(track)[0] == pytest.approx(white_seconds, abs=0.25)
