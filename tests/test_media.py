"""The decoder on real files of every kind."""

from __future__ import annotations

import io
import itertools
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_files import (
    corners,
    even_times,
    loud_seconds,
    number_in,
    numbered_picture,
    quartered_picture,
    silence,
    tone,
    write_media,
)
from zoo_writers import jpeg, matroska

from sentiment.errors import MediaError
from sentiment.media import open_media, read_audio, write_playable_copy
from sentiment.media_datatypes import AudioTrack
from sentiment.sound import _SoundLine

VIDEO_KINDS = {
    "mp4": {},
    "mov": {},
    "mkv": {},
    "webm": {"video_codec": "libvpx-vp9", "audio_codec": "libopus"},
    "avi": {"video_codec": "mjpeg", "audio_codec": "pcm_s16le"},
}
SOUND_KINDS = {"wav": "pcm_s16le", "mp3": "libmp3lame", "flac": "flac", "m4a": "aac", "ogg": "libopus"}


def numbers_at(path: Path, times_seconds: list[float]) -> list[int]:
    with open_media(path) as media:
        return [number_in(frame.image) for frame in media.frame_reader().at(times_seconds)]


def whole_sound(path: Path, **arguments: float) -> list[AudioTrack]:
    with open_media(path) as media:
        return list(media.audio_windows(**arguments))


# ---------------------------------------------------------------- kinds of files


@pytest.mark.parametrize("ending", VIDEO_KINDS)
def test_video_of_every_kind(tmp_path: Path, ending: str) -> None:
    sound = np.concatenate([silence(1.0), tone(1.0)])
    path = write_media(tmp_path / f"video.{ending}", times_seconds=even_times(2.0), sound=sound, **VIDEO_KINDS[ending])
    with open_media(path) as media:
        assert media.duration_seconds == pytest.approx(2.0, abs=0.05)
        assert (media.video.width, media.video.height) == (160, 120)
        assert media.video.display_matrix is None
        assert media.has_audio
    assert numbers_at(path, [0.0, 0.5, 1.01, 1.99]) == [0, 12, 25, 49]
    (track,) = whole_sound(path)
    assert loud_seconds(track) == pytest.approx((1.0, 2.0), abs=0.02)


@pytest.mark.parametrize("ending", SOUND_KINDS)
def test_sound_of_every_kind(tmp_path: Path, ending: str) -> None:
    sound = np.concatenate([silence(1.0), tone(1.0)])
    path = write_media(tmp_path / f"sound.{ending}", sound=sound, audio_codec=SOUND_KINDS[ending])
    with open_media(path) as media:
        assert media.video is None
        assert media.duration_seconds == pytest.approx(2.0, abs=0.05)
        with pytest.raises(ValueError, match="no video"):
            media.frame_reader()
    track = read_audio(path)
    assert (track.sample_rate_hz, track.start_seconds) == (16_000, 0.0)
    assert loud_seconds(track) == pytest.approx((1.0, 2.0), abs=0.02)


def test_recording_of_a_browser_has_no_duration_in_its_header(recorder_webm: Path) -> None:
    with av.open(str(recorder_webm)) as container:
        assert container.duration is None
    with open_media(recorder_webm) as media:
        assert media.duration_seconds == pytest.approx(2.0, abs=0.05)
    assert numbers_at(recorder_webm, [0.0, 0.5, 1.99]) == [0, 12, 49]


def test_avi_with_reordered_frames_keeps_picture_and_sound_together(tmp_path: Path) -> None:
    """H.264 with B-frames: avi says when packets are decoded, which is two frames before they are shown."""
    path = write_media(
        tmp_path / "reordered.avi", times_seconds=even_times(2.0), sound=tone(2.0), audio_codec="pcm_s16le"
    )
    assert numbers_at(path, [0.01, 0.51, 1.01, 1.97]) == [0, 12, 25, 49]


def test_video_without_sound(video_without_sound: Path) -> None:
    with open_media(video_without_sound) as media:
        assert not media.has_audio
        assert list(media.audio_windows()) == []
        assert media.video is not None
    with pytest.raises(MediaError, match=r"without sound\.mp4 has no sound"):
        read_audio(video_without_sound)


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        audio = container.add_stream("aac", rate=48_000, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 160, 120, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame.from_ndarray(numbered_picture(9), format="rgb24")))
        for start in range(0, 48_000, 960):
            frame = av.AudioFrame.from_ndarray(tone(0.02).reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = 48_000, Fraction(1, 48_000), start
            container.mux(audio.encode(frame))
        container.mux([*cover.encode(None), *audio.encode(None)])
    with av.open(str(path)) as container:
        assert container.streams.video[0].disposition & av.stream.Disposition.attached_pic
    with open_media(path) as media:
        assert media.video is None
        assert media.has_audio


def test_of_several_streams_the_default_one_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=25) for _ in range(2)]
        for stream, disposition in zip(streams, (0, av.stream.Disposition.default), strict=True):
            stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
            stream.disposition = disposition
        for number in range(10):
            for stream, shown in zip(streams, (10, 40), strict=True):
                frame = av.VideoFrame.from_ndarray(numbered_picture(shown), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    assert numbers_at(path, [0.1]) == [40]


# ---------------------------------------------------------------- frames


def test_a_frame_is_shown_until_the_next_one(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.15, 0.9, 1.0]
    path = write_media(tmp_path / "variable.mkv", times_seconds=times)
    with open_media(path) as media:
        frames = media.frame_reader().at([0.0, 0.099, 0.1, 0.16, 0.5, 0.899, 0.95, 7.0])
    assert [number_in(frame.image) for frame in frames] == [0, 0, 1, 2, 2, 2, 3, 4]
    assert [frame.time_seconds for frame in frames] == pytest.approx([0.0, 0.0, 0.1, 0.15, 0.15, 0.15, 0.9, 1.0])


def test_times_ascend_over_all_calls(small_video: Path) -> None:
    with open_media(small_video) as media:
        reader = media.frame_reader()
        assert [number_in(frame.image) for frame in reader.at([0.2, 0.2, 0.6])] == [5, 5, 15]
        assert [number_in(frame.image) for frame in reader.at([0.6, 1.0])] == [15, 25]
        with pytest.raises(ValueError, match="ascend"):
            reader.at([0.9])
        assert number_in(media.frame_reader().at([0.0])[0].image) == 0  # another pass begins anew


@pytest.mark.parametrize(
    ("rotation_degrees", "hflip", "expected"),
    [(0, False, "rgbw"), (90, False, "gwrb"), (180, False, "wbgr"), (270, False, "brwg"), (0, True, "grwb")],
)
def test_pictures_are_turned_and_mirrored_as_a_player_does(
    tmp_path: Path, rotation_degrees: int, hflip: bool, expected: str
) -> None:
    path = write_media(
        tmp_path / "phone.mp4",
        times_seconds=even_times(0.4),
        picture=quartered_picture,
        rotation_degrees=rotation_degrees,
        hflip=hflip,
    )
    width, height = (120, 160) if rotation_degrees in (90, 270) else (160, 120)
    with open_media(path) as media:
        assert (media.video.width, media.video.height) == (width, height)
        (frame,) = media.frame_reader().at([0.0])
    assert frame.image.shape == (height, width, 3)
    assert corners(frame.image) == expected


def test_large_pictures_are_scaled_down_and_small_ones_left_alone(small_video: Path) -> None:
    with open_media(small_video) as media:
        assert media.frame_reader(max_side_px=64).at([0.0])[0].image.shape == (48, 64, 3)
        assert media.frame_reader(max_side_px=999).at([0.0])[0].image.shape == (120, 160, 3)


def test_pixels_become_square(tmp_path: Path) -> None:
    path = write_media(tmp_path / "wide.mp4", times_seconds=even_times(0.4), pixel_aspect=Fraction(2, 1))
    with open_media(path) as media:
        assert (media.video.width, media.video.height) == (320, 120)
        assert media.frame_reader(max_side_px=160).at([0.0])[0].image.shape == (60, 160, 3)


@pytest.mark.parametrize(("ending", "codec"), [("mp4", "libx264"), ("avi", "mjpeg"), ("webm", "libvpx-vp9")])
def test_colours_are_right(tmp_path: Path, ending: str, codec: str) -> None:
    skin = np.full((120, 160, 3), (224, 172, 105), dtype=np.uint8)
    path = write_media(
        tmp_path / f"skin.{ending}", times_seconds=even_times(0.4), picture=lambda _: skin, video_codec=codec
    )
    write_playable_copy(path, tmp_path / "copy.mp4")
    for file in (path, tmp_path / "copy.mp4"):
        with open_media(file) as media:
            (frame,) = media.frame_reader().at([0.2])
        assert np.abs(frame.image.astype(int) - skin).max() <= 4, file.name


# ---------------------------------------------------------------- sound


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_full_scale_sound_is_mixed_down_without_clipping(tmp_path: Path, channels: int) -> None:
    path = write_media(tmp_path / "loud.wav", sound=tone(1.0, channels=channels, level=0.99), audio_codec="pcm_s16le")
    samples = read_audio(path).samples
    assert samples.dtype == np.float32
    assert samples.shape == (16_000,)
    assert np.abs(samples).max() == pytest.approx(0.99, abs=0.02)
    pitch_hz = np.abs(np.fft.rfft(samples)).argmax()  # one bin is 1 Hz in one second
    assert pitch_hz == 440


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_sound_that_starts_late_lies_where_it_is_heard(tmp_path: Path, ending: str) -> None:
    path = write_media(
        tmp_path / f"late.{ending}", times_seconds=even_times(3.0), sound=tone(1.0), sound_start_seconds=1.5
    )
    (track,) = whole_sound(path)
    assert track.start_seconds == 0.0
    assert track.duration_seconds == pytest.approx(3.0, abs=0.05)
    assert loud_seconds(track) == pytest.approx((1.5, 2.5), abs=0.03)


def test_a_frame_of_sound_with_a_forged_header_is_silence() -> None:
    def frame(layout: str) -> av.AudioFrame:
        made = av.AudioFrame(format="s16", layout=layout, samples=960)
        made.planes[0].update(np.full(made.planes[0].buffer_size // 2, 1000, np.int16))
        made.sample_rate = 48_000
        return made

    line = _SoundLine(16_000, "mono", 0.06)
    frames = (("mono", 0.0), ("13 channels", 0.02), ("mono", 0.04))
    chunks = [chunk for layout, seconds in frames for chunk in line.add(frame(layout), seconds)]
    sound = np.concatenate([*chunks, *line.finish()])[:, 0]
    assert len(sound) == 960
    thirds = sound.reshape(3, 320)[:, 100:220]
    assert [bool(third.any()) for third in thirds] == [True, False, True]


def test_a_gap_in_the_sound_is_silence(tmp_path: Path) -> None:
    path = tmp_path / "gap.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for start_seconds in (0.0, 2.0):
            frame = av.AudioFrame.from_ndarray(tone(1.0, rate_hz=16_000).reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = 16_000, Fraction(1, 16_000), round(16_000 * start_seconds)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (track,) = whole_sound(path)
    assert track.duration_seconds == pytest.approx(3.0, abs=0.01)
    assert not np.any(track.between(1.01, 1.99).samples)
    assert np.abs(track.between(2.01, 2.99).samples).max() > 0.4


def test_files_that_do_not_begin_at_zero_keep_picture_and_sound_together(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "cut.mkv", times_seconds=even_times(2.0, start_seconds=5.0), sound=tone(1.0), sound_start_seconds=6.0
    )
    with open_media(path) as media:
        assert media.duration_seconds == pytest.approx(2.0, abs=0.05)
    assert numbers_at(path, [0.0, 1.0]) == [0, 25]
    assert loud_seconds(whole_sound(path)[0])[0] == pytest.approx(1.0, abs=0.03)


def test_windows_tile_the_file_and_are_cut_in_pauses(tmp_path: Path) -> None:
    """Ten words of 1.5 s with pauses of half a second; windows of at most 5 s."""
    sound = np.concatenate([tone(1.5, rate_hz=16_000), silence(0.5, 16_000)] * 10)
    path = write_media(tmp_path / "words.wav", sound=sound, audio_codec="pcm_s16le", rate_hz=16_000)
    windows = whole_sound(path, window_seconds=5.0)
    assert np.array_equal(np.concatenate([w.samples for w in windows]), read_audio(path).samples)
    assert windows[0].start_seconds == 0.0
    for before, after in itertools.pairwise(windows):
        assert after.start_seconds == pytest.approx(before.end_seconds)
        assert before.duration_seconds <= 5.0
        assert 1.5 <= after.start_seconds % 2.0 <= 2.0
    assert len(windows) == 5


def test_a_short_first_window_is_followed_by_longer_ones(tmp_path: Path) -> None:
    sound = np.concatenate([tone(1.5, rate_hz=16_000), silence(0.5, 16_000)] * 20)
    path = write_media(tmp_path / "words.wav", sound=sound, audio_codec="pcm_s16le", rate_hz=16_000)
    windows = whole_sound(path, window_seconds=12.0, first_window_seconds=4.0)
    assert np.array_equal(np.concatenate([w.samples for w in windows]), read_audio(path).samples)
    most_seconds = (4.0, 8.0, 12.0, 12.0, 12.0)
    assert all(w.duration_seconds <= most for w, most in zip(windows, most_seconds, strict=False))
    assert windows[1].duration_seconds > 4 and windows[2].duration_seconds > 8
    assert whole_sound(path, window_seconds=5.0, first_window_seconds=99.0)[0].duration_seconds <= 5.0


def test_sound_from_an_archive_is_the_same(sound_file: Path) -> None:
    from_memory = read_audio(io.BytesIO(sound_file.read_bytes()))
    assert np.array_equal(from_memory.samples, read_audio(sound_file).samples)
    with pytest.raises(MediaError, match="The file in memory is no video or sound"):
        read_audio(io.BytesIO(b"not a sound"))


def test_sound_is_resampled(sound_file: Path) -> None:
    assert read_audio(sound_file, sample_rate_hz=8_000).samples.shape == (16_000,)


# ---------------------------------------------------------------- damage


def test_a_file_that_breaks_off_lasts_as_long_as_it_has_frames(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 120, 160, 3), dtype=np.uint8)
    path = write_media(
        tmp_path / "cut.mp4",
        times_seconds=even_times(2.0),
        picture=lambda number: noise[number],
        options={"movflags": "faststart"},
    )
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with open_media(path) as media:
        assert 0.5 < media.duration_seconds < 1.5
        (frame,) = media.frame_reader().at([2.0])
        assert frame.time_seconds < media.duration_seconds


def test_damaged_packets_are_skipped(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "damaged.mkv",
        times_seconds=even_times(2.0),
        sound=tone(2.0),
        video_codec="mjpeg",
        audio_codec="flac",
    )
    data = bytearray(path.read_bytes())
    middle = slice(len(data) // 3, len(data) // 2)
    data[middle] = np.random.default_rng(0).bytes(middle.stop - middle.start)
    path.write_bytes(data)
    assert numbers_at(path, [0.2, 1.9]) == [5, 47]
    (track,) = whole_sound(path)
    assert track.duration_seconds == pytest.approx(2.0, abs=0.05)
    assert np.abs(track.between(1.5, 1.9).samples).max() > 0.4


def test_pictures_of_a_camera_with_exif(tmp_path: Path) -> None:
    """FFmpeg hands EXIF on with the frame, which PyAV does not know; it must not hide what else is there."""
    orientation = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x112, 3, 1, 6, 0, 0)  # 6: turned by a quarter
    exif = b"Exif\0\0" + orientation
    pictures = []
    for number in range(25):
        image = jpeg(numbered_picture(number))
        pictures.append((40 * number, image[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(exif)) + exif + image[2:]))
    matroska(tmp_path / "camera.mkv", pictures)
    assert numbers_at(tmp_path / "camera.mkv", [0.0, 0.5]) == [0, 12]


def test_sound_whose_packets_do_not_say_how_long_they_last(tmp_path: Path) -> None:
    """WavPack in Matroska: half a second is one packet, and nothing says how long it lasts."""
    path = write_media(tmp_path / "one packet.mkv", sound=tone(0.5), audio_codec="wavpack")
    (track,) = whole_sound(path)
    assert track.duration_seconds == pytest.approx(0.5, abs=0.02)
