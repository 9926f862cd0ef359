"""Drawings of made-up figures: all that were measured, readable as XML, the same each time, and small."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from sentiment.checkpoint import Calibration
from sentiment.datatypes import Affect
from sentiment.labels import EMOTIONS, SENTIMENTS
from train.answer_report import emotion_report, sentiment_report
from train.plots import draw_figures

SMALL_BYTES = 150_000


@pytest.fixture(scope="module")
def metrics() -> dict:
    random = np.random.default_rng(0)

    def draw(labels):
        return random.dirichlet(np.full(len(labels), 0.4), 300)

    answers = [Affect(tuple(e), tuple(s)) for e, s in zip(draw(EMOTIONS), draw(SENTIMENTS), strict=True)]
    calibration = Calibration({}, {"text": 0.5, "text+audio+video": 0.6})

    def emotion(*subset):
        true = [a.top_emotion if random.random() < a.confidence else "neutral" for a in answers]
        return {**emotion_report(true, answers, calibration, subset), "measured_on": "dice"}

    sentiment = {**sentiment_report([a.top_sentiment for a in answers], answers), "measured_on": "dice"}
    fused = {"+".join(s): emotion(*s) for s in (("text", "audio"), ("text", "audio", "video"))}
    text = {"emotion": emotion("text"), "sentiment": sentiment}
    return {"text": text, "video": {"emotion": emotion("video")}, "fusion": fused}


def letters(path) -> str:
    return " ".join(ET.parse(path).getroot().itertext())


def test_what_was_measured_is_drawn(metrics, tmp_path):
    files = draw_figures(metrics, tmp_path / "new")
    assert [f.name for f in files] == ["confusion-text.svg", "confusion-video.svg", "reliability.svg", "coverage.svg"]
    assert all(f.stat().st_size < SMALL_BYTES for f in files)
    words = letters(files[0])
    row = np.array(metrics["text"]["emotion"]["confusion"])[EMOTIONS.index("neutral")]
    assert f"{row[4] / row.sum():.0%}" in words and f"{row[4]:,}" in words
    assert "Words: sentiment" in words and "Words: sentiment" not in letters(files[1])
    for drawing in files[2:]:
        assert "words + voice + face" in letters(drawing) and "made" in letters(drawing)


def test_equal_figures_give_equal_files(metrics, tmp_path):
    for first, second in zip(draw_figures(metrics, tmp_path / "a"), draw_figures(metrics, tmp_path / "b"), strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_a_signal_that_is_never_certain_is_drawn_all_the_same(metrics, tmp_path):
    assert metrics["video"]["emotion"]["certain"]["n"] == 0
    files = draw_figures({"video": metrics["video"]}, tmp_path)
    assert "face" in letters(files[-1]) and "made-up" not in letters(files[-1])
