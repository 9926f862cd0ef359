"""CSV: read by pandas, and by the csv module where it matters what a cell holds exactly."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from export_timelines import FACES, HARM, VOICE, WORDS, full_timeline, hostile_timeline
from timelines import sample_timeline

from sentiment.export import write_export
from sentiment.labels import EMOTIONS, SENTIMENTS
from sentiment.tables import ANSWER_COLUMNS, SEGMENT_COLUMNS, SOURCES, spreadsheet_safe


@pytest.fixture
def segments(tmp_path: Path) -> pd.DataFrame:
    write_export(full_timeline(), "csv", tmp_path / "segments.csv")
    return pd.read_csv(tmp_path / "segments.csv")


@pytest.fixture
def answers(tmp_path: Path) -> pd.DataFrame:
    write_export(full_timeline(), "long", tmp_path / "answers.csv")
    return pd.read_csv(tmp_path / "answers.csv")


def test_a_row_per_segment_with_numbers_and_truths(segments: pd.DataFrame) -> None:
    assert tuple(segments.columns) == SEGMENT_COLUMNS
    assert list(segments["segment"]) == [0, 1, 2, 3] and set(segments["video"]) == {"talk.mp4"}
    assert list(segments["kind"]) == ["speech", "speech", "silent", "silent"]
    assert segments["certain"].dtype == bool and list(segments["certain"]) == [True, False, True, False]
    assert segments["emotion_joy"][0] == 0.82 and segments["top_emotion"][2] == "fear"
    assert segments["doubt"][1] == "unsure: disgust or surprise"
    assert segments["disagreement"][0] == "words and face disagree" and segments["disagreement"][2:].isna().all()
    assert segments.loc[3, ["text", "top_emotion", "emotion_joy", "sentiment_positive"]].isna().all()
    totals = segments[[f"emotion_{name}" for name in EMOTIONS]].sum(axis=1)
    assert list(totals[:3]) == pytest.approx([1, 1, 1], abs=1e-3)


def test_the_long_form_has_a_row_per_source_and_label(answers: pd.DataFrame) -> None:
    assert tuple(answers.columns) == ANSWER_COLUMNS
    labels = len(EMOTIONS) + len(SENTIMENTS)
    assert answers.groupby("segment").size().to_dict() == {0: 7 * labels, 1: 7 * labels, 2: 2 * labels, 3: labels}
    assert not answers.duplicated(["segment", "source", "answer", "label"]).any()
    assert set(answers["source"]) == set(SOURCES)
    assert answers["probability"].dtype == float


def test_the_long_form_says_what_each_signal_says(answers: pd.DataFrame) -> None:
    cells = answers.set_index(["segment", "source", "answer", "label"])["probability"].sort_index()
    for source, affect in (("words", WORDS), ("voice", VOICE), ("face", FACES)):
        assert list(cells[0, source, "emotion"]) == pytest.approx(affect.emotion, abs=1e-4)
    assert cells[0, "fused", "emotion", "joy"] == 0.82
    # (text, audio) has 0.4, (text, video) 0.5, (audio, video) 0.6: the others without one.
    for source, probability in (("without_face", 0.4), ("without_voice", 0.5), ("without_words", 0.6)):
        assert cells[0, source, "emotion", "surprise"] == pytest.approx(probability)


def test_the_long_form_pivots_to_the_wide_one(answers: pd.DataFrame, segments: pd.DataFrame) -> None:
    fused = answers[answers["source"] == "fused"]
    wide = fused.pivot(index="segment", columns=["answer", "label"], values="probability")
    for name in EMOTIONS:
        pd.testing.assert_series_equal(
            wide["emotion", name], segments.set_index("segment")[f"emotion_{name}"], check_names=False
        )
    assert fused[fused["segment"] == 3]["probability"].isna().all()
    top = fused[fused["is_top"].eq(True) & (fused["answer"] == "emotion")].set_index("segment")["label"]
    assert top.to_dict() == segments["top_emotion"].dropna().to_dict()


@pytest.mark.parametrize("text", ["=1+1", "+49", "-2", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\x00=1", "＝1", "\ufeff=1"])
def test_cells_are_no_formulas(text: str) -> None:
    safe = spreadsheet_safe(text)
    assert safe.startswith("'") and safe[1:].strip().endswith(text[-1])


@pytest.mark.parametrize("key", ["csv", "long"])
def test_harm_stays_in_its_cell(tmp_path: Path, key: str) -> None:
    write_export(hostile_timeline(), key, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {None} & {cell for row in rows for cell in row} == set()  # no row has more cells than the header
    assert all(cell[:1] not in ("=", "+", "@") for row in rows for cell in row.values())
    assert len(pd.read_csv(tmp_path / "table.csv")) == len(rows) == (4 if key == "csv" else 4 * 70)
    if key == "csv":
        assert rows[1]["text"] == HARM[1] and rows[2]["text"] == HARM[2]  # line breaks, quotes and all


def test_tables_of_several_videos_go_below_each_other(tmp_path: Path) -> None:
    other = replace(sample_timeline(), video={"name": "other.mp4"})
    for i, timeline in enumerate((full_timeline(), other)):
        write_export(timeline, "csv", tmp_path / f"{i}.csv")
    both = pd.concat(pd.read_csv(path) for path in sorted(tmp_path.glob("*.csv")))
    assert both.set_index(["video", "segment"]).index.is_unique and len(both) == 4 + 9
