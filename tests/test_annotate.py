"""The annotated video, decoded again: what it shows, when, and that its sound is there."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from export_timelines import full_prediction
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
from timelines import affect, prediction, timeline_of

from sentiment.annotate import BACKGROUND, EMPTY, AnswerPainter, write_annotated_video
from sentiment.datatypes import Timeline
from sentiment.errors import MediaError, SettingsError
from sentiment.figure_style import channels
from sentiment.labels import EMOTION_COLOURS
from sentiment.media import is_playable_in_browser, open_media, read_audio

WIDTH, HEIGHT = 160, 120


@pytest.fixture
def timeline() -> Timeline:
    """Two seconds: joy, then a doubt, then nothing."""
    return timeline_of(
        full_prediction(0.0, 0.8, "Look!", affect("joy", "positive", 0.8)),
        full_prediction(0.8, 1.6, "Oh.", affect("sadness", "negative", 0.5, second="fear"), certain=False),
        prediction(1.6, 2.0),
        duration_seconds=2.0,
    )


def frames_of(path: Path) -> list[tuple[float, np.ndarray]]:
    """(seconds, (height, width, 3) uint8 RGB) of every frame."""
    with av.open(str(path)) as container:
        return [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def share_of(colour: str | tuple[int, int, int], pixels: np.ndarray) -> float:
    """How much of the pixels has this colour, as far as compression leaves it; hue alone survives at thin lines."""
    wanted = np.array(channels(colour) if isinstance(colour, str) else colour)
    return float((np.abs(pixels.astype(int) - wanted).max(axis=-1) < 40).mean())


def annotated(timeline: Timeline, source: Path, tmp_path: Path) -> Path:
    write_annotated_video(timeline, source, tmp_path / "annotated.mp4")
    return tmp_path / "annotated.mp4"


def test_a_browser_plays_it(timeline: Timeline, small_video: Path, tmp_path: Path) -> None:
    path = annotated(timeline, small_video, tmp_path)
    assert is_playable_in_browser(path)
    with av.open(str(path)) as container:
        (video,), (audio,) = container.streams.video, container.streams.audio
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert audio.codec_context.name == "aac"
        assert video.width == WIDTH and video.height > HEIGHT and video.height % 2 == 0
        assert container.duration / 1e6 == pytest.approx(2.0, abs=0.1)


def test_nothing_of_the_picture_is_hidden_and_frames_keep_their_times(
    timeline: Timeline, small_video: Path, tmp_path: Path
) -> None:
    frames = frames_of(annotated(timeline, small_video, tmp_path))
    assert [seconds for seconds, _ in frames] == pytest.approx(even_times(2.0), abs=1e-3)
    for number in (0, 17, 49):
        assert number_in(frames[number][1][: HEIGHT - 2]) == number


def test_variable_frame_rates_keep_their_times(timeline: Timeline, tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.31, 0.33, 0.79, 1.25, 1.59, 1.9]
    source = write_media(tmp_path / "phone.mp4", times_seconds=times, sound=tone(2.0))
    written = [seconds for seconds, _ in frames_of(annotated(timeline, source, tmp_path))]
    assert all(min(abs(seconds - time) for seconds in written) < 2e-3 for time in times)
    assert len(written) <= len(times) + 3


def test_a_still_picture_changes_its_answer_in_time(timeline: Timeline, tmp_path: Path) -> None:
    source = write_media(tmp_path / "slide.mp4", times_seconds=[0.0, 1.96], sound=tone(2.0))
    frames = frames_of(annotated(timeline, source, tmp_path))
    assert [seconds for seconds, _ in frames][:3] == pytest.approx([0.0, 0.8, 1.6], abs=2e-3)
    panels = [image[HEIGHT:] for _, image in frames[:3]]
    assert not np.allclose(panels[0], panels[1], atol=60) and not np.allclose(panels[1], panels[2], atol=60)


def test_the_panel_shows_colours_doubts_and_gaps(timeline: Timeline, tmp_path: Path) -> None:
    def grey(number: int) -> np.ndarray:
        return numbered_picture(number, 640, 120)

    source = write_media(tmp_path / "wide.mp4", times_seconds=even_times(2.0), picture=grey)
    panel = frames_of(annotated(timeline, source, tmp_path))[49][1][120:]
    assert share_of(BACKGROUND, panel[-4:]) > 0.9
    ribbon = panel[12:28]
    joy, doubt, gap = ribbon[:, 60:250], ribbon[:, 275:495], ribbon[:, 520:605]
    assert share_of(EMOTION_COLOURS["joy"], joy) > 0.95
    assert 0.1 < share_of(EMOTION_COLOURS["sadness"], doubt) < 0.6  # lines with something paler between them
    assert share_of(EMPTY, gap) > 0.95


def test_bars_are_as_long_as_probabilities(timeline: Timeline) -> None:
    picture = np.zeros((360, 640, 3), np.uint8)
    panel = AnswerPainter(timeline).draw(0.4, picture)[360:]
    rows = panel[60:]  # below the ribbon and the patch of the answer
    joy = (rows == channels(EMOTION_COLOURS["joy"])).all(axis=-1).sum(axis=1).max()
    rest = (rows == channels(EMOTION_COLOURS["anger"])).all(axis=-1).sum(axis=1).max()
    assert joy / rest == pytest.approx(0.8 / (0.2 / 6), rel=0.25)


def test_the_playhead_walks_through_the_ribbon(timeline: Timeline) -> None:
    painter, picture = AnswerPainter(timeline), np.zeros((120, 640, 3), np.uint8)
    bright = [np.flatnonzero((painter.draw(s, picture)[120 + 6] > 240).all(axis=-1)) for s in (0.0, 0.5, 1.0, 2.0)]
    assert [int(x.mean()) for x in bright] == pytest.approx([8, 164, 320, 631], abs=2)


@pytest.mark.parametrize(("degrees", "hflip"), [(90, False), (180, False), (270, False), (0, True)])
def test_turned_videos_are_upright(timeline: Timeline, tmp_path: Path, degrees: int, hflip: bool) -> None:
    source = write_media(
        tmp_path / "phone.mp4",
        times_seconds=even_times(0.4),
        picture=quartered_picture,
        rotation_degrees=degrees,
        hflip=hflip,
    )
    with open_media(source) as media:
        (expected,) = media.frame_reader().at([0.0])
    height = expected.image.shape[0]
    (_, image), *_ = frames_of(annotated(timeline, source, tmp_path))
    assert corners(image[:height]) == corners(expected.image) and image.shape[1] == expected.image.shape[1]


def test_sound_lies_where_it_lay(timeline: Timeline, tmp_path: Path) -> None:
    sound = np.concatenate([silence(0.5), tone(1.0), silence(0.5)])
    source = write_media(tmp_path / "beep.mp4", times_seconds=even_times(2.0), sound=sound)
    assert loud_seconds(read_audio(annotated(timeline, source, tmp_path))) == pytest.approx((0.5, 1.5), abs=0.03)


def test_a_video_without_sound_has_none(timeline: Timeline, video_without_sound: Path, tmp_path: Path) -> None:
    with av.open(str(annotated(timeline, video_without_sound, tmp_path))) as container:
        assert len(container.streams.video) == 1 and not container.streams.audio


@pytest.mark.parametrize("width", [64, 98, 360, 720, 1280])
def test_the_panel_fits_every_width(timeline: Timeline, width: int) -> None:
    image = AnswerPainter(timeline).draw(1.0, np.zeros((64, width, 3), np.uint8))
    assert image.shape[1] == width and image.shape[0] % 2 == 0 and image.dtype == np.uint8
    assert image[64:].max() > 200  # something is written


def test_the_font_is_there() -> None:
    assert cv2.getTextSize((0, 0), "surprise", (0, 0), cv2.FontFace("sans"), 20, 400)[2] > 40


def test_progress_ascends_to_the_end(timeline: Timeline, small_video: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    write_annotated_video(timeline, small_video, tmp_path / "annotated.mp4", shares.append)
    assert len(shares) > 20 and min(shares) >= 0 and 0.9 < max(shares) <= 1


def test_it_can_be_stopped_and_leaves_nothing(timeline: Timeline, small_video: Path, tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(share: float) -> None:
        if share > 0.3:
            raise Stopped

    with pytest.raises(Stopped):
        write_annotated_video(timeline, small_video, tmp_path / "annotated.mp4", stop)
    assert list(tmp_path.iterdir()) == []


def test_sound_alone_and_no_file_are_one_sentence(timeline: Timeline, sound_file: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"sound\.wav is sound alone"):
        write_annotated_video(timeline, sound_file, tmp_path / "annotated.mp4")
    with pytest.raises(MediaError, match=r"nowhere\.mp4"):
        write_annotated_video(timeline, tmp_path / "nowhere.mp4", tmp_path / "annotated.mp4")
    assert list(tmp_path.iterdir()) == []
