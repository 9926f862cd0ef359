"""MELD's clips: each thing that is known to be wrong in them, found in real files of a miniature."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import meld_miniature
import pytest
from meld_miniature import ORIGINAL_ROWS, choose_rows, write_csv

from train.corpora import meld
from train.errors import DataError

PARTS = dict(zip(("train", "selection", "test"), ("train", "dev", "test"), strict=True))


def rows_of(data_folder: Path, split: str) -> dict[str, meld.ClipRow]:
    return {row.example.key: row for row in meld.clip_rows(data_folder, split)}


def make_part(folder: Path, *clips: str, part: str = "test", encoding: str = "utf-8") -> Path:
    """A data folder with the rows of one part and empty files for clips."""
    write_csv(folder / f"{part}_sent_emo.csv", choose_rows(part, 12), encoding)
    split = next(split for split, name in PARTS.items() if name == part)
    (folder / "deep" / meld.CLIP_FOLDERS[split]).mkdir(parents=True)
    for clip in clips:
        (folder / "deep" / meld.CLIP_FOLDERS[split] / clip).touch()
    return folder


@pytest.mark.parametrize("split", PARTS)
def test_every_annotated_utterance_is_there_with_or_without_its_clip(meld_data, split):
    rows = meld.clip_rows(meld_data, split)
    assert [row.example for row in rows] == meld.load(meld_data, split) and len(rows) == 12
    assert all((row.clip is None) == (row.excluded is not None) for row in rows)
    assert all(row.clip.is_file() for row in rows if row.clip is not None)


def test_what_must_not_be_used_says_why(meld_data):
    excluded = {key: row.excluded for split in PARTS for key, row in rows_of(meld_data, split).items() if row.excluded}
    assert excluded == {
        "train/dia125_utt3": "corrupt",
        "train/dia309_utt0": "timestamps lie: 41 s",
        "dev/dia110_utt7": "missing in every copy",
        "test/dia38_utt4": "timestamps lie: 305 s",
        "test/dia155_utt3": "timestamps lie: 0 s",
        "test/dia220_utt0": "timestamps lie: 235 s",
    }


def test_the_tables_name_utterances_that_exist_and_only_these():
    if not ORIGINAL_ROWS.is_dir():
        pytest.skip("MELD's own rows are not at hand")
    keys = {example.key for split in PARTS for example in meld.load(ORIGINAL_ROWS, split)}
    assert keys >= {*meld.UNUSABLE_CLIPS, *meld.KNOWN_MISSING_CLIPS, *meld.ALMOST_SILENT_CLIPS}


def test_the_test_part_counts_2610_whatever_clips_there_are(tmp_path):
    if not ORIGINAL_ROWS.is_dir():
        pytest.skip("MELD's own rows are not at hand")
    shutil.copy(ORIGINAL_ROWS / "test_sent_emo.csv", tmp_path)
    clips = tmp_path / meld.CLIP_FOLDERS["test"]
    clips.mkdir()
    (clips / "dia38_utt4.mp4").touch()
    (clips / "dia0_utt0.mp4").touch()
    rows = meld.clip_rows(tmp_path, "test")
    assert len(rows) == 2610 and [row.example.key for row in rows if row.clip] == ["test/dia0_utt0"]


def test_a_clip_that_was_lost_on_the_way_is_missing(tmp_path):
    rows = rows_of(make_part(tmp_path, "dia38_utt0.mp4"), "test")
    assert rows["test/dia38_utt0"].clip is not None and rows["test/dia38_utt1"].excluded == "missing"


def test_recuts_are_preferred_to_the_plain_clips_of_the_same_number(meld_data):
    rows = rows_of(meld_data, "test")
    assert rows["test/dia0_utt0"].clip.name == "final_videos_testdia0_utt0.mp4"
    assert meld.is_recut(rows["test/dia0_utt0"].clip) and not meld.is_recut(rows["test/dia38_utt0"].clip)


def test_a_recut_may_be_used_where_the_plain_clip_must_not(tmp_path):
    data_folder = make_part(tmp_path, "dia38_utt4.mp4", "final_videos_testdia38_utt4.mp4", "dia220_utt0.mp4")
    rows = rows_of(data_folder, "test")
    assert rows["test/dia38_utt4"].clip.name == "final_videos_testdia38_utt4.mp4"
    assert rows["test/dia220_utt0"].excluded == "timestamps lie: 235 s"


def test_what_macos_left_behind_is_no_clip_and_no_table(tmp_path):
    data_folder = make_part(tmp_path, "dia38_utt0.mp4", "._dia38_utt1.mp4", "dia38_utt2.mp4.partial", "notes.mp4")
    (tmp_path / "._test_sent_emo.csv").write_bytes(b"\x00\x05\x16\x07")
    rows = rows_of(data_folder, "test")
    assert [key for key, row in rows.items() if row.clip] == ["test/dia38_utt0"]
    assert meld.clips_without_annotation(data_folder, "test") == []


def test_clips_without_annotation_are_named_and_left_out(meld_data):
    extra = {path.name for split in PARTS for path in meld.clips_without_annotation(meld_data, split)}
    assert extra == {"dia66_utt9.mp4", "dia108_utt2.mp4", "dia999_utt0.mp4"}
    assert not extra & {row.clip.name for split in PARTS for row in meld.clip_rows(meld_data, split) if row.clip}


def test_sound_that_is_known_to_be_almost_none_is_not_listened_to(meld_data):
    silent = {key for split in PARTS for key, row in rows_of(meld_data, split).items() if row.sound_excluded}
    assert silent == {"train/dia71_utt0", "dev/dia99_utt3"}
    assert len(meld.ALMOST_SILENT_CLIPS) == 8


def test_no_clip_is_read_for_longer_than_the_longest_true_utterance(meld_data):
    assert {row.max_seconds for split in PARTS for row in meld.clip_rows(meld_data, split)} == {30.0}


def test_dialogues_of_the_same_number_in_different_splits_stay_apart(meld_data):
    train, test = rows_of(meld_data, "train"), rows_of(meld_data, "test")
    one, other = train["train/dia0_utt0"], test["test/dia0_utt0"]
    assert one.example.group != other.example.group and one.clip != other.clip
    assert not set(train) & set(test)


def test_typographic_punctuation_survives_both_encodings(meld_data):
    path = next(meld_data.rglob("dev_sent_emo.csv"))
    assert b"\x92" in path.read_bytes() or b"\x93" in path.read_bytes()
    written = {
        f"dev/dia{r['Dialogue_ID']}_utt{r['Utterance_ID']}": r["Utterance"].strip() for r in choose_rows("dev", 12)
    }
    texts = {key: row.example.text for key, row in rows_of(meld_data, "selection").items()}
    assert texts == written and any("’" in text for text in texts.values())


def test_of_copies_at_several_depths_the_nearest_wins(tmp_path):
    data_folder = make_part(tmp_path, "dia38_utt0.mp4")
    nearer = tmp_path / meld.CLIP_FOLDERS["test"]
    nearer.mkdir()
    (nearer / "dia38_utt0.mp4").touch()
    assert rows_of(data_folder, "test")["test/dia38_utt0"].clip == nearer / "dia38_utt0.mp4"


def test_rows_without_a_single_clip_say_how_to_get_them(tmp_path):
    with pytest.raises(DataError, match=r"no clips of MELD's test part.*python -m train download meld"):
        meld.clip_rows(make_part(tmp_path), "test")


def test_the_miniature_makes_rows_of_its_own_where_there_are_none(tmp_path, monkeypatch):
    monkeypatch.setattr(meld_miniature, "ORIGINAL_ROWS", tmp_path / "nowhere")
    for part, split in (("train", "train"), ("dev", "selection"), ("test", "test")):
        write_csv(tmp_path / f"{part}_sent_emo.csv", choose_rows(part, 14), "cp1252")
        keys = {example.key for example in meld.load(tmp_path, split)}
        traps = {*meld_miniature.LISTED_TRAPS, *meld_miniature.UNLISTED_TRAPS, *meld_miniature.RECUTS}
        assert len(keys) == 14 and keys >= {key for key in traps if key.startswith(f"{part}/")}
    with (tmp_path / "dev_sent_emo.csv").open(encoding="cp1252", newline="") as file:
        assert any("’" in row["Utterance"] for row in csv.DictReader(file))
