"""The same result again: records are read, inputs are checked, and differences are found."""

from __future__ import annotations

import copy
import functools
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from export_timelines import full_timeline
from small_parts import require_whisper, save_random_checkpoint
from timelines import sample_timeline

from sentiment import __main__ as cli
from sentiment import pipeline
from sentiment.errors import SettingsError
from sentiment.export import timeline_to_dict, write_all
from sentiment.repeat import differences, read_record, settings_of


def test_a_record_is_a_timeline_or_a_bundle_of_one(tmp_path: Path) -> None:
    files = write_all(full_timeline(), tmp_path, ["json", "zip"])
    assert read_record(files["json"]) == read_record(files["zip"]) == timeline_to_dict(full_timeline())


def test_what_is_no_record_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text("Dear diary")
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "null.json").write_text('{"provenance": null}')
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with zipfile.ZipFile(tmp_path / "damaged.zip", "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("timeline.json", json.dumps({"provenance": "x" * 1000}))
    content = bytearray((tmp_path / "damaged.zip").read_bytes())
    content[45] ^= 0xFF  # within what is packed
    (tmp_path / "damaged.zip").write_bytes(content)
    made_by_hand = write_all(sample_timeline(), tmp_path)["json"]
    for path, found in (
        (tmp_path / "nowhere.json", "cannot be read"),
        (tmp_path, "cannot be read"),
        (tmp_path / "notes.json", "neither a timeline"),
        (tmp_path / "list.json", "does not say how it was made"),
        (tmp_path / "null.json", "does not say how it was made"),
        (tmp_path / "deep.json", "neither a timeline"),
        (tmp_path / "damaged.zip", "neither a timeline"),
        (made_by_hand, "does not say how it was made"),
    ):
        with pytest.raises(SettingsError, match=found):
            read_record(path)


def test_settings_come_back_as_they_were() -> None:
    from dataclasses import asdict

    from sentiment.segmentation import SegmentationSettings
    from sentiment.settings import AnalysisSettings

    settings = AnalysisSettings("de", 30.0, segmentation=SegmentationSettings(pause_seconds=0.5))
    record = {"provenance": {"settings": json.loads(json.dumps(asdict(settings)))}}
    assert settings_of(record) == settings
    record["provenance"]["settings"]["mood_ring"] = 3
    with pytest.raises(SettingsError, match="'mood_ring', which this version does not know"):
        settings_of(record)


def test_only_what_differs_is_said() -> None:
    before = timeline_to_dict(full_timeline())
    after = copy.deepcopy(before)
    assert differences(before, after) == []
    after["segments"][0]["emotion"]["joy"] += 0.004  # another processor
    assert differences(before, after) == []
    after["segments"][0]["emotion"]["joy"] = 0.5
    after["segments"][1]["text"] = "Oh yes."
    after["segments"][2]["emotion"] = None
    after["segments"].pop()
    assert differences(before, after) == [
        "0.000 s: emotion joy was 0.82, is 0.5",
        "2.500 s: text was 'Oh no.', is 'Oh yes.'",
        "4.000 s: emotion is not answered any more",
        "4 segments then, 3 now",
    ]


# ---------------------------------------------------------------- the command


@pytest.fixture(scope="module", autouse=True)
def loaded_once() -> Iterator[None]:
    """Models are loaded once for all commands, not for each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "load_models", functools.cache(pipeline.load_models))
        yield


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_whisper()
    return save_random_checkpoint(tmp_path_factory.mktemp("repeat") / "checkpoint")


@pytest.fixture(scope="module")
def spoken(speech_file: Callable[[str], Path]) -> Path:
    return speech_file("I am so happy that you came tonight.")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, spoken: Path) -> Path:
    out = tmp_path_factory.mktemp("repeat") / "out"
    options = ("--checkpoint", checkpoint, "--device", "cpu", "--formats", "json,zip,srt")
    assert cli.main(["analyze", str(spoken), "--out", str(out), *map(str, options)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["bundle.zip", "captions.srt", "timeline.json"]
    return out / "bundle.zip"


def repeat(*arguments: object) -> int:
    return cli.main(["repeat", *map(str, arguments), "--device", "cpu"])


def test_a_bundle_is_repeated(bundle: Path, checkpoint: Path, spoken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert repeat(bundle, spoken, "--checkpoint", checkpoint) == 0
    assert capsys.readouterr().out.startswith("the same: all ")


def test_another_result_is_shown(
    bundle: Path, checkpoint: Path, spoken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads((bundle.parent / "timeline.json").read_text(encoding="utf-8"))
    record["segments"][0]["text"] = "I was sad."
    (tmp_path / "timeline.json").write_text(json.dumps(record), encoding="utf-8")
    assert repeat(tmp_path / "timeline.json", spoken, "--checkpoint", checkpoint) == 1
    assert "text was 'I was sad.'" in capsys.readouterr().out


def test_another_file_or_model_is_refused(
    bundle: Path, spoken: Path, sound_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = save_random_checkpoint(tmp_path / "other", frame_size_px=48)
    for file, named in ((sound_file, sound_file.name), (spoken, "The model random")):
        assert repeat(bundle, file, "--checkpoint", other) == 2
        (last,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert f"{named} is another than was recorded: sha256 " in last


def test_formats_that_cannot_be_are_said_before_anything_is_loaded(
    sound_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for formats, found in (("json,docx", "no format 'docx'"), ("mp4", "has no picture; the format mp4 needs one")):
        assert cli.main(["analyze", str(sound_file), "--out", str(tmp_path / "out"), "--formats", formats]) == 2
        assert found in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_help_names_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    from sentiment.export import DEFAULT_KINDS, EXPORT_KINDS

    with pytest.raises(SystemExit):
        cli.main(["analyze", "--help"])
    words = capsys.readouterr().out.replace(",", " ").replace(";", " ").split()
    assert {kind.key for kind in EXPORT_KINDS} <= set(words)
    assert cli.build_parser().parse_args(["analyze", "v", "--out", "o"]).formats == ",".join(DEFAULT_KINDS)
