"""What is no video or sound is refused in one sentence, and nothing but the file itself is ever opened."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from media_files import even_times, number_in, quartered_picture, silence, write_media

from sentiment import decoding
from sentiment.errors import MediaError
from sentiment.media import is_playable_in_browser, open_media, read_audio


def empty_wav(path: Path) -> None:
    write_media(path, sound=silence(0.0), audio_codec="pcm_s16le", format_name="wav")


def video_with_blank_packets(path: Path) -> None:
    """A faultless header, and behind it nothing but zeros."""
    write_media(path, times_seconds=even_times(1.0), options={"movflags": "faststart"})
    data = path.read_bytes()
    start = data.index(b"mdat") + 4
    path.write_bytes(data[:start] + bytes(len(data) - start))


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{target}'\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet>'
    '<Representation id="1"><BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
}

BAD_FILES = {
    "missing.mp4": lambda path: None,
    "folder.mp4": lambda path: path.mkdir(),
    "empty.mp4": lambda path: path.touch(),
    "text.mp4": lambda path: path.write_text("This is not a video.\n" * 200),
    "noise.mp4": lambda path: path.write_bytes(np.random.default_rng(0).bytes(200_000)),
    "noise.mp3": lambda path: path.write_bytes(np.random.default_rng(0).bytes(200_000)),
    "noise.webm": lambda path: path.write_bytes(np.random.default_rng(1).bytes(200_000)),
    "picture.png": lambda path: av.VideoFrame.from_ndarray(quartered_picture(), format="rgb24").save(path),
    "nothing.wav": empty_wav,
    "blank.mp4": video_with_blank_packets,
    "fifo.mp4": os.mkfifo,
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_everything_else_is_one_sentence(tmp_path: Path, name: str) -> None:
    BAD_FILES[name](tmp_path / name)
    for refuse in (open_media, read_audio, is_playable_in_browser):
        with pytest.raises(MediaError) as caught:
            refuse(tmp_path / name)
        message = str(caught.value)
        assert name in message
        assert str(tmp_path) not in message
        assert "\n" not in message
        assert message.endswith(".")


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("ending", ["mp4", "m3u8", "ffconcat", "mpd", "sdp"])
def test_no_playlist_opens_another_file(tmp_path: Path, small_video: Path, kind: str, ending: str) -> None:
    shutil.copy(small_video, tmp_path / "target.mp4")
    path = tmp_path / f"list.{ending}"
    path.write_text(PLAYLISTS[kind].format(target="target.mp4"))
    with pytest.raises(MediaError, match=rf"list\.{ending}"):
        open_media(path)


@pytest.mark.parametrize("name", ["http://127.0.0.1/a.mp4", "concat:{}", "subfile,,start,0,end,0,,:{}", "data:,x", "-"])
def test_no_address_is_opened(small_video: Path, name: str) -> None:
    with pytest.raises(MediaError, match="no file"):
        open_media(name.format(small_video))


def test_a_name_that_looks_like_an_address_is_a_file_all_the_same(tmp_path: Path, small_video: Path) -> None:
    path = tmp_path / "concat:a|b 100% 'é'.mp4"
    shutil.copy(small_video, path)
    with open_media(path) as media:
        assert number_in(media.frame_reader().at([0.5])[0].image) == 12


def test_pictures_beyond_every_camera_are_not_decoded(
    video_without_sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXELS", 160 * 120 - 1)
    with pytest.raises(MediaError, match="pictures of 160 × 120 pixels; expected are at most"):
        open_media(video_without_sound, isolated=False)


def test_broken_timestamps_do_not_make_an_endless_file(tmp_path: Path) -> None:
    path = write_media(tmp_path / "jump.mkv", times_seconds=[0.0, 0.1, 100_000.0])
    with pytest.raises(MediaError, match=r"jump\.mkv lasts 100000.* at most 24 hours"):
        open_media(path)
