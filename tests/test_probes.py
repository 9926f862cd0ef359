"""Probes: what they count, what they do with silence, and that the videos they make are read by the real path."""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data
from small_parts import require, require_whisper, save_random_checkpoint

from sentiment.checkpoint import Checkpoint, load_checkpoint, read_manifest, update_metrics
from sentiment.datatypes import Word
from sentiment.media import read_audio
from sentiment.media_datatypes import AudioTrack
from sentiment.pipeline import load_models
from sentiment.transcription import Transcript
from train import probes
from train.corpora import meld
from train.errors import DataError
from train.metrics import weighted_f1
from train.probe_media import NEUTRAL_SENTENCES, SAMPLE_RATE_HZ, VOICES, find_neutral_faces, say, write_reading
from train.probe_videos import probe_neutral_reading

LINES = [
    ("neutral", "neutral", "The keys are on the table."),
    ("joy", "positive", "This is wonderful news!"),
    ("anger", "negative", "Get out of my house!"),
    ("sadness", "negative", "She is not coming back."),
    ("neutral", "neutral", "It is half past nine."),
    ("surprise", "negative", "You did what?"),
]


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder: MELD's test part of six lines; FER-2013 of one neutral face, one wall, and one that smiles."""
    folder = tmp_path_factory.mktemp("corpora")
    with (folder / "test_sent_emo.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(meld.COLUMNS)
        for number, (emotion, sentiment, text) in enumerate(LINES):
            rows.writerow([text, emotion, sentiment, number // 3, number % 3])
    face = cv2.resize(data.astronaut()[55:195, 155:295], (48, 48), interpolation=cv2.INTER_AREA)[..., ::-1]
    pictures = {"neutral/face": face, "neutral/wall": np.full_like(face, 200), "happy/face": face}
    for name, picture in pictures.items():
        path = folder / "fer2013" / "validation" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return load_checkpoint(save_random_checkpoint(tmp_path_factory.mktemp("probed"), context_utterances=2))


@pytest.fixture
def espeak() -> None:
    require(shutil.which("espeak-ng") is not None, "espeak-ng")


@dataclass
class ScriptedTranscriber:
    """Hears what it is told to have heard, and remembers how long the sounds were."""

    script: list[str]
    model_name: str = "scripted"
    seconds: list[float] = field(default_factory=list)

    def transcribe(self, audio: AudioTrack, language: str | None) -> Transcript:
        text = self.script[len(self.seconds)]
        self.seconds.append(audio.duration_seconds)
        return Transcript((Word(0.0, 1.0, text, 1.0),) if text else (), language)


def test_words_that_differ_are_counted_and_punctuation_is_not() -> None:
    written = ["It’s over, isn't it?", "Oh!", "the red the blue"]
    assert probes.word_error_rate(written, ["it's over isn't it", "oh", "The red, the blue."]) == 0
    # One replaced, one missing, one too many, of 9.
    assert probes.word_error_rate(written, ["it's OVER is it", "", "the red and the blue"]) == round(3 / 9, 6)


def test_an_answer_that_is_missing_costs_its_own_class_alone() -> None:
    true = np.array([0, 0, 1, 1])
    difference, low, high = probes.paired_difference(true, true, np.array([0, 2, 1, 1]), num_classes=2)
    # Class 0: all that was named is right, half of it is named, F1 2/3. Class 1 is untouched.
    assert difference == pytest.approx((2 / 3 + 1) / 2 - 1, abs=1e-6)
    assert low < difference < high == 0
    assert probes.paired_difference(true, 1 - true, 1 - true, num_classes=2) == [0, 0, 0]


def test_pairing_makes_the_interval_narrower_than_two_samples_would() -> None:
    rng = np.random.default_rng(1)
    true = rng.integers(3, size=300)
    before = np.where(rng.random(300) < 0.6, true, (true + 1) % 3)
    after = before.copy()
    after[:15] = (true[:15] + 1) % 3
    _, low, high = probes.paired_difference(true, before, after, num_classes=3)
    # A share of 0.6 of 300 alone has an interval of 0.11; two of them that are independent one of 0.16.
    assert -0.07 < low < high < 0.0


@pytest.mark.usefixtures("espeak")
def test_lines_heard_as_written_make_no_difference_and_unheard_ones_do(corpora: Path, checkpoint: Checkpoint) -> None:
    texts = [text for _, _, text in LINES]
    same = probes.probe_spoken(checkpoint, ScriptedTranscriber(texts), corpora, len(texts))
    assert (same["n"], same["unheard"], same["word_error_rate"]) == (6, 0, 0)
    assert same["gold"] == same["recognised"]
    assert set(map(tuple, same["difference"].values())) == {(0, 0, 0)}
    assert same["without_context"]["gold"]["emotion"]["n"] == 6

    transcriber = ScriptedTranscriber(["", *texts[1:5], ""])
    partly = probes.probe_spoken(checkpoint, transcriber, corpora, len(texts))
    assert min(transcriber.seconds) > 1.2  # a line, and half a second on either side
    assert (partly["unheard"], partly["recognised"]["sentiment"]["n"]) == (2, 4)
    assert partly["gold"] == same["gold"]
    confusion = np.zeros((4, 4), dtype=int)  # the two lines that were not heard stand in the last column
    confusion[:3, :3] = partly["recognised"]["sentiment"]["confusion"]
    confusion[1, 3] = confusion[0, 3] = 1
    of_all = partly["recognised_of_all"]["sentiment_weighted_f1"]
    assert of_all == pytest.approx(weighted_f1(confusion), abs=1e-6)
    gold = partly["gold"]["sentiment"]["weighted_f1"]
    assert partly["difference"]["sentiment_weighted_f1"][0] == pytest.approx(of_all - gold, abs=2e-6)

    nothing = probes.probe_spoken(checkpoint, ScriptedTranscriber([""] * 6), corpora, len(texts))
    assert (nothing["unheard"], nothing["word_error_rate"], nothing["recognised"]) == (6, 1, {})
    assert nothing["recognised_of_all"] == {"emotion_weighted_f1": 0, "sentiment_weighted_f1": 0}


def test_what_is_missing_is_said_in_one_sentence(
    corpora: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="has 6 lines, of which 7 cannot be"):
        probes.probe_spoken(checkpoint, ScriptedTranscriber([]), corpora, 7)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DataError, match="espeak-ng, which is not installed"):
        say("Good morning.", VOICES[0], 16_000)


def test_only_faces_that_are_neutral_and_found_are_shown(corpora: Path) -> None:
    [(key, picture)] = find_neutral_faces(corpora, 1)
    assert key == "validation/neutral/face.png"
    assert picture[0, 0].tolist() == [128, 128, 128]
    with pytest.raises(DataError, match="1 of FER-2013's neutral test faces can be found, 2 are needed"):
        find_neutral_faces(corpora, 2)


@pytest.mark.usefixtures("espeak")
def test_a_reading_says_its_lines_when_it_claims_to(corpora: Path, tmp_path: Path) -> None:
    lines = [
        say(sentence, voice, SAMPLE_RATE_HZ) for sentence, voice in zip(NEUTRAL_SENTENCES[:2], VOICES, strict=False)
    ]
    [(_, picture)] = find_neutral_faces(corpora, 1)
    (first_start, first_end), (second_start, second_end) = write_reading(tmp_path / "reading.mp4", picture, lines)
    assert (first_start, first_end) == (0, second_start)
    sound = read_audio(tmp_path / "reading.mp4")
    assert sound.duration_seconds == pytest.approx(second_end, abs=0.1)
    between = sound.between(first_end - 0.4, second_start + 0.4).samples
    spoken = sound.between(second_start + 0.6, second_end - 0.6).samples
    assert np.sqrt(np.mean(between**2)) < 0.05 * np.sqrt(np.mean(spoken**2))


@pytest.mark.usefixtures("espeak")
def test_the_real_path_reads_sentences_over_a_face(corpora: Path, checkpoint: Checkpoint) -> None:
    require_whisper()
    found = probe_neutral_reading(load_models(checkpoint.folder, device="cpu"), corpora, readers=1, sentences_each=2)
    assert (found["sentences_read"], found["segments"], found["segments_with_face"]) == (2, 2, 2)
    assert [found["answers"][source]["n"] for source in ("text", "audio", "video", "fused")] == [2, 2, 2, 2]
    for source, tally in found["answers"].items():
        claims = [claim for claim in found["certain_and_not_neutral"] if claim["from"] == source]
        assert len(claims) == tally["certain_and_not_neutral"] <= tally["certain"]
        assert all(claim["certain"] and claim["emotion"] != "neutral" for claim in claims)
        assert {claim["sentence"] for claim in claims} <= set(NEUTRAL_SENTENCES[:2])
    # This checkpoint calls certain whatever is not mixed, and its random weights do not favour one emotion throughout.
    assert sum(tally["certain"] for tally in found["answers"].values()) > 0


@pytest.mark.usefixtures("espeak")
def test_command_prints_json_and_keeps_the_figures_that_were_there(
    corpora: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    require_whisper()
    folder = save_random_checkpoint(tmp_path / "checkpoint")
    update_metrics(folder, {"text": {"emotion": {"n": 1}}, "spoken": "older"})
    parser = argparse.ArgumentParser()
    probes.add_command(parser.add_subparsers())
    arguments = ["probe", "--checkpoint", folder, "--data", corpora, "--parts", "spoken", "--lines", 2, "--store"]
    options = parser.parse_args([str(argument) for argument in arguments])
    options.run(options)
    printed = json.loads(capsys.readouterr().out)
    assert list(printed) == ["spoken"] and printed["spoken"]["n"] == 2
    assert "without_context" not in printed["spoken"]
    assert read_manifest(folder)["metrics"] == {"text": {"emotion": {"n": 1}}, "spoken": printed["spoken"]}
    assert load_checkpoint(folder).metrics["spoken"] == printed["spoken"]
