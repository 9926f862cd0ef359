"""Each corpus from small folders in its published form, unpacked and zipped."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from sentiment.errors import SentimentError
from train.corpora import Example, fer2013, goemotions, meld, ravdess
from train.errors import DataError

HEADING = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
TIMES = '1,1,"00:00:01,000","00:00:02,000"'


def write_meld(folder: Path, *rows: str, split: str = "train", encoding: str = "utf-8", depth: str = "meld") -> Path:
    path = folder / depth / f"{split}_sent_emo.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\r\n".join([HEADING, *rows, ""]).encode(encoding))
    return path


def write_files(folder: Path, **contents: bytes) -> None:
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def zip_folder(folder: Path) -> None:
    """Replace a folder by the zip of it, which holds the folder itself, as archives of corpora do."""
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for path in sorted(folder.rglob("*"), reverse=True):  # not in the order in which they must come out
            archive.write(path, path.relative_to(folder.parent))
            if path.is_file():
                path.unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir()
    folder.rmdir()


def described(examples: list[Example]) -> list[tuple[str, str | None, str | None, str | None]]:
    return [(e.key, e.emotion, e.sentiment, e.group) for e in examples]


# ---------------------------------------------------------------- MELD


def test_meld_orders_a_dialogue_by_utterance_and_gives_what_was_said_around_it(tmp_path):
    write_meld(
        tmp_path,
        f"1,Third,Joey,joy,positive,4,7,{TIMES}",
        f'2,"First, really",Ross,neutral,neutral,4,0,{TIMES}',
        f"3,Elsewhere,Ross,anger,negative,2,0,{TIMES}",
        f"4,Second,Joey,surprise,positive,4,2,{TIMES}",
    )
    examples = meld.load(tmp_path, "train")
    assert described(examples) == [
        ("train/dia2_utt0", "anger", "negative", "train/dia2"),
        ("train/dia4_utt0", "neutral", "neutral", "train/dia4"),
        ("train/dia4_utt2", "surprise", "positive", "train/dia4"),
        ("train/dia4_utt7", "joy", "positive", "train/dia4"),
    ]
    assert [e.context for e in examples] == [(), (), ("First, really",), ("First, really", "Second")]
    assert [e.following for e in examples] == [(), ("Second", "Third"), ("Third",), ()]


def test_meld_context_is_the_last_five_and_the_next_five(tmp_path):
    write_meld(tmp_path, *(f"{i},Line {i},Joey,neutral,neutral,0,{i},{TIMES}" for i in range(9)))
    first, *_, last = meld.load(tmp_path, "train")
    assert last.context == ("Line 3", "Line 4", "Line 5", "Line 6", "Line 7")
    assert first.following == ("Line 1", "Line 2", "Line 3", "Line 4", "Line 5")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_meld_reads_typographic_punctuation_in_either_encoding(tmp_path, encoding):
    write_meld(tmp_path, f"1,He’s “fine”… – Renée,Joey,joy,positive,0,0,{TIMES}", encoding=encoding)
    assert meld.load(tmp_path, "train")[0].text == "He’s “fine”… – Renée"


def test_meld_mends_copies_that_passed_through_latin_1(tmp_path):
    write_meld(tmp_path, f"1,He\x92s fine\x85,Joey,joy,positive,0,0,{TIMES}")
    assert meld.load(tmp_path, "train")[0].text == "He’s fine…"


def test_meld_selection_is_dev_and_is_found_at_any_depth(tmp_path):
    write_meld(tmp_path, f"1,Hi,Joey,joy,positive,0,0,{TIMES}", split="dev", depth="MELD.Raw/annotations/deep")
    assert [e.key for e in meld.load(tmp_path, "selection")] == ["dev/dia0_utt0"]
    assert meld.is_present(tmp_path) and meld.is_present(tmp_path, "selection")
    assert not meld.is_present(tmp_path, "test")


def test_meld_from_a_zip_equals_meld_from_a_folder(tmp_path):
    write_meld(tmp_path, f"1,Hi,Joey,joy,positive,0,0,{TIMES}", f"2,You,Ross,neutral,neutral,0,1,{TIMES}", split="test")
    unpacked = meld.load(tmp_path, "test")
    zip_folder(tmp_path / "meld")
    assert meld.load(tmp_path, "test") == unpacked
    assert meld.is_present(tmp_path, "test") and not meld.is_present(tmp_path, "train")


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (f"1,Hi,Joey,happy,positive,0,0,{TIMES}", "'happy'"),
        (f"1,Hi,Joey,joy,negative,0,0,{TIMES}", "joy with negative"),
        (f"1,Hi,Joey,joy,positive,zero,0,{TIMES}", "'zero'"),
        ("1,Hi,Joey,joy", "fewer fields"),
    ],
)
def test_meld_refuses_malformed_rows_naming_file_and_line(tmp_path, row, complaint):
    path = write_meld(tmp_path, row)
    with pytest.raises(DataError) as caught:
        meld.load(tmp_path, "train")
    assert complaint in str(caught.value) and f"{path}, line 2" in str(caught.value)


def test_meld_refuses_an_utterance_that_stands_twice(tmp_path):
    write_meld(tmp_path, f"1,Hi,Joey,joy,positive,3,0,{TIMES}", f"2,Ho,Joey,joy,positive,3,0,{TIMES}")
    with pytest.raises(DataError, match="utterance 0 of dialogue 3 stands there twice"):
        meld.load(tmp_path, "train")


def test_meld_refuses_another_table(tmp_path):
    (tmp_path / "train_sent_emo.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no column Utterance"):
        meld.load(tmp_path, "train")


# ---------------------------------------------------------------- GoEmotions

LABELS = b"anger\ndisgust\nfear\njoy\nneutral\nsadness\nsurprise"


def test_goemotions_keeps_what_has_exactly_one_label(tmp_path):
    lines = 'Yes!\t3\ta1\nBoth\t0,1\ta2\n"Quoted\tno\ta3\n'
    good = lines.replace('"Quoted\tno', '"It\u2028goes on\t5')  # neither a quote nor U+2028 ends or joins lines
    write_files(tmp_path / "goemotions", **{"labels.txt": LABELS, "dev.tsv": good.encode()})
    examples = goemotions.load(tmp_path, "selection")
    assert described(examples) == [("dev/a1", "joy", None, None), ("dev/a3", "sadness", None, None)]
    assert examples[1].text == '"It\u2028goes on'
    zip_folder(tmp_path / "goemotions")
    assert goemotions.load(tmp_path, "selection") == examples
    assert goemotions.is_present(tmp_path, "selection") and not goemotions.is_present(tmp_path, "test")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [("text\t3", "got 2"), ("text\t7\tid", "from 0 to 6"), ("text\tjoy\tid", "'joy'"), ("text\t-1\tid", "'-1'")],
)
def test_goemotions_refuses_malformed_lines(tmp_path, line, complaint):
    write_files(tmp_path / "goemotions", **{"labels.txt": LABELS, "train.tsv": f"fine\t3\tid\n{line}\n".encode()})
    with pytest.raises(DataError, match="line 2") as caught:
        goemotions.load(tmp_path, "train")
    assert complaint in str(caught.value)


def test_goemotions_refuses_its_own_28_labels(tmp_path):
    write_files(tmp_path / "goemotions", **{"labels.txt": b"admiration\namusement", "train.tsv": b"fine\t1\tid\n"})
    with pytest.raises(DataError, match="got admiration, amusement"):
        goemotions.load(tmp_path, "train")


# ---------------------------------------------------------------- RAVDESS


def recording(emotion: int, actor: int) -> str:
    return f"Actor_{actor:02d}/03-01-{emotion:02d}-01-01-01-{actor:02d}.flac"


@pytest.fixture
def ravdess_folder(tmp_path):
    names = [recording(2, 1), recording(5, 18), recording(8, 19), recording(6, 20), recording(3, 21), recording(7, 24)]
    write_files(tmp_path / "ravdess_speech", **{name: name.encode() for name in names})
    write_files(tmp_path / "ravdess_speech" / "Actor_01", **{"._03-01-02-01-01-01-01.flac": b"dropping"})
    return tmp_path


def test_ravdess_splits_by_actor_and_calm_is_neutral(ravdess_folder):
    assert described(ravdess.load(ravdess_folder, "train")) == [
        ("03-01-02-01-01-01-01", "neutral", None, "actor01"),
        ("03-01-05-01-01-01-18", "anger", None, "actor18"),
    ]
    selection, test = ravdess.load(ravdess_folder, "selection"), ravdess.load(ravdess_folder, "test")
    assert [(e.emotion, e.group) for e in selection] == [("surprise", "actor19"), ("fear", "actor20")]
    assert [(e.emotion, e.group) for e in test] == [("joy", "actor21"), ("disgust", "actor24")]


def test_ravdess_from_a_zip_holds_the_bytes_that_the_folder_points_to(ravdess_folder):
    unpacked = ravdess.load(ravdess_folder, "test")
    contents = [e.audio.read_bytes() for e in unpacked]
    zip_folder(ravdess_folder / "ravdess_speech")
    zipped = ravdess.load(ravdess_folder, "test")
    assert [e.audio for e in zipped] == contents
    assert described(zipped) == described(unpacked)


def test_ravdess_says_which_splits_it_has(tmp_path):
    write_files(tmp_path / "ravdess_speech", **{recording(3, 22): b""})
    assert ravdess.is_present(tmp_path, "test") and not ravdess.is_present(tmp_path, "train")
    assert ravdess.load(tmp_path, "train") == []


@pytest.mark.parametrize("name", ["speech.flac", "03-01-09-01-01-01-01.flac", "03-02-03-01-01-01-01.wav"])
def test_ravdess_refuses_what_is_not_its_speech(tmp_path, name):
    write_files(tmp_path / "ravdess_speech", **{name: b""})
    with pytest.raises(DataError, match=name):
        ravdess.load(tmp_path, "train")


def test_ravdess_odd_actors_are_male():
    assert [ravdess.gender_of_actor(actor) for actor in (1, 2, 23)] == ["male", "female", "male"]


# ---------------------------------------------------------------- FER-2013


@pytest.fixture
def fer_folder(tmp_path):
    faces = {f"train/happy/{i}.jpg": f"happy {i}".encode() for i in range(200)}
    faces |= {"validation/sad/1.jpg": b"a", "validation/angry/2.jpg": b"b", "train/happy/notes.txt": b""}
    write_files(tmp_path / "fer2013", **faces)
    return tmp_path


def test_fer2013_holds_back_about_a_tenth_and_no_face_twice(fer_folder):
    train, selection = fer2013.load(fer_folder, "train"), fer2013.load(fer_folder, "selection")
    assert len(train) + len(selection) == 200
    assert not {e.key for e in train} & {e.key for e in selection}
    assert 10 <= len(selection) <= 30
    assert {e.emotion for e in train} == {"joy"}


def test_fer2013_copies_of_a_picture_stay_on_one_side(fer_folder):
    held_back = fer2013.load(fer_folder, "selection")[0]
    write_files(fer_folder / "fer2013", **{"train/happy/copy.jpg": held_back.image.read_bytes()})
    assert "train/happy/copy.jpg" in {e.key for e in fer2013.load(fer_folder, "selection")}


def test_fer2013_splits_are_the_same_from_a_zip(fer_folder):
    unpacked = {split: described(fer2013.load(fer_folder, split)) for split in ("train", "selection", "test")}
    zip_folder(fer_folder / "fer2013")
    assert {split: described(fer2013.load(fer_folder, split)) for split in unpacked} == unpacked
    assert fer2013.load(fer_folder, "test")[0].image == b"b"


def test_fer2013_is_tested_on_its_test_folder_where_there_is_one(fer_folder):
    assert [e.key for e in fer2013.load(fer_folder, "test")] == ["validation/angry/2.jpg", "validation/sad/1.jpg"]
    write_files(fer_folder / "fer2013", **{"test/fear/3.jpg": b"c"})
    assert [e.key for e in fer2013.load(fer_folder, "test")] == ["test/fear/3.jpg"]


def test_fer2013_refuses_unknown_classes_and_missing_folders(fer_folder):
    write_files(fer_folder / "fer2013", **{"train/contempt/3.jpg": b"c"})
    with pytest.raises(DataError, match="'contempt'"):
        fer2013.load(fer_folder, "train")
    write_files(fer_folder / "other" / "fer2013", **{"test/fear/3.jpg": b"c"})
    assert not fer2013.is_present(fer_folder / "other", "train")
    with pytest.raises(DataError, match="no faces in a folder train"):
        fer2013.load(fer_folder / "other", "train")


# ---------------------------------------------------------------- all


@pytest.mark.parametrize("corpus", [meld, goemotions, ravdess, fer2013])
def test_an_absent_corpus_is_absent_and_cannot_be_loaded(tmp_path, corpus):
    assert not corpus.is_present(tmp_path)
    assert not corpus.is_present(tmp_path, "test")
    with pytest.raises(SentimentError, match=str(tmp_path)):
        corpus.load(tmp_path, "test")


@pytest.mark.parametrize(
    ("corpus", "name"), [(meld, "meld"), (goemotions, "goemotions"), (ravdess, "ravdess_speech"), (fer2013, "fer2013")]
)
def test_a_damaged_zip_is_one_sentence(tmp_path, corpus, name):
    (tmp_path / f"{name}.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DataError, match="not a whole zip archive"):
        corpus.load(tmp_path, "test")


def test_an_example_refuses_what_is_no_label():
    with pytest.raises(ValueError, match="'happy'"):
        Example("meld", "1", "happy", None)
    with pytest.raises(ValueError, match="at most 5"):
        Example("meld", "1", "joy", "positive", context=("",) * 6)
