"""The command line, as a person runs it."""

from __future__ import annotations

import csv
import functools
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from skimage import data
from small_parts import require, require_whisper, save_random_checkpoint, spoken_sound, write_picture_video

import sentiment
from sentiment import __main__ as cli
from sentiment import pipeline
from sentiment.hub import STARTER_CHECKPOINT
from sentiment.labels import EMOTIONS, SENTIMENTS
from sentiment.settings import STAGES

REPOSITORY = Path(__file__).resolve().parents[1]
EVERYDAY_LINES = json.loads((Path(__file__).parent / "everyday_lines.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def checkpoint(folder: Path) -> Path:
    require_whisper()
    return save_random_checkpoint(folder / "checkpoint")


@pytest.fixture(scope="module")
def talk(folder: Path, speech_file: Callable[[str], Path]) -> Path:
    """A face that says one sentence, and looks on in silence."""
    sound, rate_hz = spoken_sound([speech_file("I am so happy that you came tonight.")], pause_seconds=3.0)
    return write_picture_video(folder / "talk.mp4", data.astronaut(), len(sound) / rate_hz, sound, rate_hz)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "sentiment", *map(str, arguments)]


@pytest.fixture(scope="module")
def run(folder: Path, checkpoint: Path, talk: Path) -> subprocess.CompletedProcess[str]:
    """One whole run in a process of its own; its results lie in `folder / "out"`."""
    arguments = ("analyze", talk, "--out", folder / "out", "--checkpoint", checkpoint, "--device", "cpu")
    return subprocess.run(command(*arguments), cwd=REPOSITORY, capture_output=True, text=True)


def test_a_run_writes_three_files(run: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert run.returncode == 0, run.stderr
    assert sorted(p.name for p in (folder / "out").iterdir()) == ["captions.vtt", "segments.csv", "timeline.json"]
    timeline = json.loads((folder / "out" / "timeline.json").read_text(encoding="utf-8"))
    assert timeline["video"]["name"] == "talk.mp4" and timeline["language"] == "en"
    speech = timeline["segments"][0]
    assert speech["kind"] == "speech" and "happy" in speech["text"] and speech["face"]
    assert set(speech["evidence"]) == {"text", "audio", "video"} and all(speech["evidence"].values())
    for segment in timeline["segments"]:
        assert set(segment["emotion"]) == set(EMOTIONS) and set(segment["sentiment"]) == set(SENTIMENTS)
        assert sum(segment["emotion"].values()) == pytest.approx(1, abs=1e-3)
        assert sum(segment["sentiment"].values()) == pytest.approx(1, abs=1e-3)
    with (folder / "out" / "segments.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(timeline["segments"])
    assert (folder / "out" / "captions.vtt").read_text(encoding="utf-8").startswith("WEBVTT\n")


def test_stdout_holds_the_table_and_the_headline(run: subprocess.CompletedProcess[str], folder: Path) -> None:
    timeline = json.loads((folder / "out" / "timeline.json").read_text(encoding="utf-8"))
    heading, *lines, blank, sentence = run.stdout.splitlines()
    assert heading.split() == ["time", "emotion", "sentiment", "words"] and blank == ""
    assert sentence == timeline["summary"]["headline"]
    assert len(lines) == len(timeline["segments"])
    assert lines[0].split()[0] == "0:00" and "happy" in lines[0]
    assert timeline["segments"][0]["top_emotion"] in lines[0] and "(silent)" in lines[-1]


def test_stderr_holds_a_bar_for_each_stage_and_nothing_else(run: subprocess.CompletedProcess[str]) -> None:
    lines = [line for line in run.stderr.replace("\r", "\n").splitlines() if line.strip()]
    drawn = [line.split()[0] for line in lines if "100% |" in line]
    assert sorted(drawn) == sorted(STAGES)
    others = [line for line in lines if line.split()[0] not in STAGES and not line.startswith("note: ")]
    assert others == []


def test_an_interrupt_leaves_nothing(folder: Path, checkpoint: Path, talk: Path) -> None:
    arguments = ("analyze", talk, "--out", folder / "interrupted", "--checkpoint", checkpoint, "--device", "cpu")
    process = subprocess.Popen(
        command(*arguments),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell's background job ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    shown = b""
    while b"listen" not in shown:  # the first bar: the analysis has begun
        piece = os.read(process.stderr.fileno(), 4096)
        assert piece, shown
        shown += piece
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr.decode()
    assert stderr.decode().splitlines()[-1] == "interrupted: nothing was written"
    assert stdout == b"" and not (folder / "interrupted").exists()


def bad_file(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.mp4"
    if kind == "text":
        path.write_text("This is no video.")
    elif kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir(exist_ok=True)
    return path


@pytest.mark.parametrize("kind", ["text", "empty", "folder", "missing"])
def test_bad_input_is_one_line_and_exit_code_2(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert cli.main(["analyze", str(bad_file(folder, kind)), "--out", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
    assert f"{kind}.mp4" in captured.err
    assert not (tmp_path / "out").exists()


def test_bad_options_are_one_line_and_exit_code_2(
    checkpoint: Path, sound_file: Path, spoken_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (tmp_path / "file").write_text("in the way")
    for video, target, options, found in (
        (sound_file, out, ("--checkpoint", tmp_path / "nowhere"), "nowhere"),
        (sound_file, out, ("--checkpoint", checkpoint, "--whisper", tmp_path), "Whisper"),
        (sound_file, tmp_path / "file", (), "file"),
        (sound_file, tmp_path / "file" / "out", (), "file"),
        (spoken_file, out, ("--checkpoint", checkpoint, "--language", "klingon"), "klingon"),
    ):
        assert cli.main(["analyze", str(video), "--out", str(target), *map(str, options)]) == 2
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith("error: ") and found in last
        assert not out.exists()


@pytest.fixture(scope="module")
def spoken_file(speech_file: Callable[[str], Path]) -> Path:
    return speech_file("I am so happy that you came tonight.")


@pytest.mark.parametrize("arguments", [[], ["analyze"], ["analyze", "a.mp4"], ["analyze", "a", "--device", "tpu"]])
def test_bad_arguments_show_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        cli.main(arguments)
    assert raised.value.code == 2
    assert "usage: python -m sentiment" in capsys.readouterr().err


def test_help_loads_no_library() -> None:
    heavy = "{'torch', 'numpy', 'av', 'cv2', 'transformers', 'gradio', 'faster_whisper', 'tqdm'}"
    code = f"""
import sys
from sentiment.__main__ import main
try:
    main(["analyze", "--help"])
except SystemExit:
    print({heavy} & set(sys.modules), file=sys.stderr)
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert result.stderr.strip() == "set()"
    for option in ("--out", "--checkpoint", "--whisper", "--language", "--device"):
        assert option in result.stdout


def test_public_names_can_be_had_and_the_version_is_one() -> None:
    for name in sentiment.__all__:
        assert getattr(sentiment, name) is not None
    assert f'\nversion = "{sentiment.__version__}"\n' in (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = sentiment.no_such_name


# ---------------------------------------------------------------- twenty everyday lines


def heaviest(timeline: dict, answer: str) -> str | None:
    """The label with the most probability over the answered time of a timeline.json."""
    total: Counter[str] = Counter()
    for segment in timeline["segments"]:
        for label, probability in (segment[answer] or {}).items():
            total[label] += probability * (segment["end_seconds"] - segment["start_seconds"])
    return total.most_common(1)[0][0] if total else None


@pytest.fixture(scope="module")
def everyday_answers(folder: Path, speech_file: Callable[[str], Path]) -> list[dict]:
    """Each line with what the command line made of it: spoken, recognised, and answered by the bundled weights."""
    require_whisper()
    require((STARTER_CHECKPOINT / "checkpoint.json").is_file(), "the weights in assets/models/starter")
    answers = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "load_models", functools.cache(pipeline.load_models))  # once, not twenty times
        for i, line in enumerate(EVERYDAY_LINES):
            out = folder / f"everyday_{i}"
            assert cli.main(["analyze", str(speech_file(line["text"])), "--out", str(out), "--language", "en"]) == 0
            timeline = json.loads((out / "timeline.json").read_text(encoding="utf-8"))
            heard = " ".join(segment["text"] for segment in timeline["segments"])
            found = {f"found_{answer}": heaviest(timeline, answer) for answer in ("sentiment", "emotion")}
            answers.append({**line, "heard": heard, **found})
    return answers


def test_everyday_lines_are_twenty_of_clear_feeling() -> None:
    assert len(EVERYDAY_LINES) == len({line["text"] for line in EVERYDAY_LINES}) == 20
    assert {line["sentiment"] for line in EVERYDAY_LINES} == set(SENTIMENTS)
    assert sum(line["emotion"] == "anger" for line in EVERYDAY_LINES) >= 3


def test_sixteen_everyday_lines_have_the_right_sentiment(everyday_answers: list[dict]) -> None:
    wrong = [a for a in everyday_answers if a["found_sentiment"] != a["sentiment"]]
    assert len(wrong) <= 4, json.dumps(wrong, indent=1)


def test_no_furious_line_is_called_joy(everyday_answers: list[dict]) -> None:
    joyful = [a for a in everyday_answers if a["emotion"] == "anger" and a["found_emotion"] == "joy"]
    assert joyful == []
