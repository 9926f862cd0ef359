"""The zip: what is in it, that it can be checked, and that it says how to get the same again."""

from __future__ import annotations

import hashlib
import json
import shlex
import zipfile
from dataclasses import replace
from pathlib import Path

import av
import pytest
from export_timelines import PROVENANCE, full_timeline, hostile_timeline
from timelines import sample_timeline

from sentiment.__main__ import build_parser
from sentiment.errors import MediaError
from sentiment.export import EXPORT_KINDS, timeline_to_dict, write_all, write_export
from sentiment.repeat import repeat_command

OWN_FILES = ["README.txt", "provenance.json", "SHA256SUMS"]


@pytest.fixture
def bundle(tmp_path: Path, small_video: Path) -> zipfile.ZipFile:
    write_export(full_timeline(), "zip", tmp_path / "bundle.zip", small_video)
    return zipfile.ZipFile(tmp_path / "bundle.zip")


def test_every_kind_is_in_it(bundle: zipfile.ZipFile, tmp_path: Path) -> None:
    assert bundle.testzip() is None
    kinds = [kind.file_name for kind in EXPORT_KINDS if kind.key != "zip"]
    assert sorted(bundle.namelist()) == sorted(kinds + OWN_FILES)
    assert json.loads(bundle.read("timeline.json")) == timeline_to_dict(full_timeline())
    with bundle.open("annotated.mp4") as file, av.open(file) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_its_checksums_are_right(bundle: zipfile.ZipFile) -> None:
    sums = dict(reversed(line.split("  ")) for line in bundle.read("SHA256SUMS").decode().splitlines())
    assert set(sums) == set(bundle.namelist()) - {"SHA256SUMS"}
    for name, sha256 in sums.items():
        assert hashlib.sha256(bundle.read(name)).hexdigest() == sha256


def test_it_can_be_cited_and_repeated(bundle: zipfile.ZipFile) -> None:
    provenance = json.loads(bundle.read("provenance.json"))
    assert {key: provenance[key] for key in PROVENANCE} == PROVENANCE
    readme = bundle.read("README.txt").decode()
    for fact in (PROVENANCE["file_sha256"], PROVENANCE["checkpoint"]["sha256"], "Whisper base", "talk.mp4"):
        assert fact in readme
    assert provenance["repeat"] in readme and "annotated.mp4" in readme
    assert max(len(line) for line in readme.splitlines()) <= 130


def test_the_command_that_repeats_it_is_one_that_runs() -> None:
    timeline = full_timeline()
    for name in ("talk.mp4", "my talk; rm -rf $HOME `x` 'y'.mp4", "-talk.mp4"):
        named = replace(timeline, video={**timeline.video, "name": name})
        program, dash_m, module, *arguments = shlex.split(repeat_command(named))
        assert (program, dash_m, module) == ("python", "-m", "sentiment")
        options = build_parser().parse_args(arguments)
        assert options.command == "repeat" and options.video.name == name
        assert options.checkpoint == "starter"  # its sha256 is not that of the bundled one


def test_without_the_file_it_goes_without_its_video(tmp_path: Path) -> None:
    write_export(full_timeline(), "zip", tmp_path / "bundle.zip")
    bundle = zipfile.ZipFile(tmp_path / "bundle.zip")
    assert "annotated.mp4" not in bundle.namelist() and "annotated.mp4" not in bundle.read("README.txt").decode()
    assert len(bundle.namelist()) == len(EXPORT_KINDS) - 2 + len(OWN_FILES)


def test_the_same_timeline_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        write_export(full_timeline(), "zip", tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    times = {entry.date_time for entry in zipfile.ZipFile(tmp_path / "one.zip").infolist()}
    assert times == {(2026, 5, 4, 10, 20, 30)}


def test_a_timeline_without_provenance_claims_none(tmp_path: Path) -> None:
    write_export(sample_timeline(), "zip", tmp_path / "bundle.zip")
    readme = zipfile.ZipFile(tmp_path / "bundle.zip").read("README.txt").decode()
    assert "CITE" not in readme and "REPEAT" not in readme


def test_harm_in_a_name_stays_on_its_line(tmp_path: Path) -> None:
    write_export(hostile_timeline(), "zip", tmp_path / "bundle.zip")
    bundle = zipfile.ZipFile(tmp_path / "bundle.zip")
    assert set(bundle.namelist()) < {kind.file_name for kind in EXPORT_KINDS} | set(OWN_FILES)
    assert "\x07" not in bundle.read("README.txt").decode()


def test_what_is_written_anyway_is_not_made_twice(
    tmp_path: Path, small_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentiment import annotate

    made: list[Path] = []
    original = annotate.write_annotated_video
    monkeypatch.setattr(annotate, "write_annotated_video", lambda *a: (made.append(a[2]), original(*a))[1])
    files = write_all(full_timeline(), tmp_path / "out", ["mp4", "zip"], small_video)
    assert len(made) == 1
    assert zipfile.ZipFile(files["zip"]).read("annotated.mp4") == files["mp4"].read_bytes()


def test_a_source_that_is_no_video_leaves_nothing(tmp_path: Path, text_named_mp4: Path) -> None:
    with pytest.raises(MediaError):
        write_export(full_timeline(), "zip", tmp_path / "bundle.zip", text_named_mp4)
    assert list(tmp_path.iterdir()) == []
