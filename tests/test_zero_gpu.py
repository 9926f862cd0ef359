"""On ZeroGPU all that computes happens in a fork, for as long as the video lets expect, with the same answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_parts import require_whisper, spoken_sound, write_picture_video
from studio_app import face

from sentiment.edits import Edits
from sentiment.errors import SettingsError
from sentiment.export import timeline_to_dict
from sentiment.media import open_media
from sentiment.pipeline import analyze_video, load_models
from sentiment.settings import AnalysisSettings
from sentiment.studio import zero_gpu

DOUBLE = Path(__file__).parent / "spaces_double"

SAID = "I never said that!"

SCRIPT = f"""
import json, sys
from sentiment.studio import zero_gpu
zero_gpu.prepare()
import spaces
from sentiment.edits import Edits
from sentiment.errors import MediaError
from sentiment.export import timeline_to_dict
from sentiment.settings import AnalysisSettings
from sentiment.pipeline import load_models
checkpoint, video, notes = sys.argv[1:]
models = load_models(checkpoint, device="cpu")
zero_gpu.hold(models, "base")
stages = []
settings = AnalysisSettings(language="en")
timelines = list(zero_gpu.stream_analysis(video, models, settings, lambda *stage: stages.append(stage[0])))
edits = Edits(words={{0: {SAID!r}}})
corrected = zero_gpu.rescore(timelines[-1], models, edits)
try:
    zero_gpu.analyze_video(notes, models, settings)
except MediaError as error:
    refused = str(error)
print(json.dumps({{
    "timelines": [timeline_to_dict(t)["segments"] for t in timelines], "stages": stages, "refused": refused,
    "corrected": timeline_to_dict(corrected)["segments"], "seconds": spaces.asked_seconds,
}}))
"""


@pytest.fixture(scope="module")
def video(spoken_sentences: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    sound, rate_hz = spoken_sound(spoken_sentences[:1], pause_seconds=0.2)
    return write_picture_video(
        tmp_path_factory.mktemp("lent") / "talk.mp4", face(), len(sound) / rate_hz, sound, rate_hz
    )


def test_a_lent_gpu_gives_the_same_timeline(video: Path, random_checkpoint: Path, text_named_mp4: Path) -> None:
    require_whisper()
    path = os.pathsep.join([str(DOUBLE), str(DOUBLE.parents[1])])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(random_checkpoint), str(video), str(text_named_mp4)],
        env={**os.environ, "SPACES_ZERO_GPU": "true", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])

    models = load_models(random_checkpoint, device="cpu")
    settings, edits = AnalysisSettings(language="en"), Edits(words={0: SAID})
    assert told["timelines"][-1] == timeline_to_dict(analyze_video(video, models, settings))["segments"]
    assert told["corrected"] == timeline_to_dict(analyze_video(video, models, settings, edits=edits))["segments"]
    assert set(told["stages"]) >= {"listen", "watch", "feel"}
    assert "notes.mp4" in told["refused"]
    with open_media(video) as media:
        expected = zero_gpu.START_SECONDS + zero_gpu.SECONDS_PER_SECOND * media.duration_seconds
    assert told["seconds"][:2] == pytest.approx([expected, zero_gpu.START_SECONDS])


def test_a_long_video_asks_for_no_more_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hours:
        duration_seconds = 7200.0

        def __enter__(self) -> Hours:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr("sentiment.media.open_media", lambda _: Hours())
    assert zero_gpu.gpu_seconds("stream", Path("long.mp4")) == zero_gpu.MOST_SECONDS


def test_elsewhere_the_package_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    monkeypatch.setitem(sys.modules, "spaces", None)  # importing it fails
    zero_gpu.prepare()
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    with pytest.raises(SettingsError, match="spaces"):
        zero_gpu.prepare()
