"""What a person puts right on the page: how changes are merged, what is shown of them, and that exports have them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from media_files import even_times, write_media
from pympi.Elan import Eaf
from small_parts import require_whisper, save_random_checkpoint, spoken_sound
from test_rescoring import two_faces
from timelines import timeline_of

from sentiment import __main__ as cli
from sentiment.bundle import readme
from sentiment.captions import srt
from sentiment.checkpoint import load_checkpoint
from sentiment.clips import words_to_read
from sentiment.datatypes import FaceBox, FaceCandidate, Segment, Timeline
from sentiment.edits import NO_EDITS, Edits
from sentiment.elan import eaf
from sentiment.errors import SettingsError
from sentiment.export import EXPORT_KINDS, write_all
from sentiment.face_tracks import list_faces
from sentiment.pipeline import LoadedModels, analyze_video, load_models
from sentiment.prediction import predict
from sentiment.report import html_report
from sentiment.rescoring import rescore
from sentiment.settings import AnalysisSettings
from sentiment.studio.editing import corrected_timeline, merged
from sentiment.studio.faces_card import MOST_SHOWN, SHOWN_AT_ONCE, faces_card
from sentiment.studio.glance import verdict
from sentiment.studio.panels import transcript
from sentiment.tables import segments_csv

LINES = ("I am so happy.", "The meeting is at <b>nine</b>.", "", "See you there.")
"""Four segments of three seconds; in the third nobody speaks."""

LEFT, RIGHT = FaceBox(0.1, 0.2, 0.3, 0.6, 0.9), FaceBox(0.7, 0.2, 0.9, 0.6, 0.9)


@pytest.fixture(scope="module")
def checkpoint_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_checkpoint(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def models(checkpoint_folder: Path) -> LoadedModels:
    """Without a recogniser: a correction needs none."""
    return LoadedModels(load_checkpoint(checkpoint_folder, "cpu"), cast("object", None), "cpu")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def timeline(models: LoadedModels) -> Timeline:
    """LINES as they are read by the network, with a face on the left, and in the first two one on the right."""
    checkpoint = models.checkpoint
    segments = [Segment(3.0 * i, 3.0 * i + 2.5, "speech" if line else "silent", line) for i, line in enumerate(LINES)]
    clips = [
        checkpoint.preprocessor.make(words_to_read(s, "en", checkpoint.clip_settings) if s.text else None)
        for s in segments
    ]
    answered = predict(checkpoint, segments, clips, [()] * len(segments))
    features = np.random.default_rng(0).normal(size=(2, 128)).astype(np.float32)
    left = FaceCandidate(0, (LEFT,), b"left", features[0])
    right = FaceCandidate(1, (RIGHT,), b"right", features[1])
    with_faces = [replace(p, candidates=(left, right) if i < 2 else (left,)) for i, p in enumerate(answered)]
    whole = replace(timeline_of(*with_faces, duration_seconds=12.0), language="en")
    # As an analysis leaves it: the first face of each segment is read.
    return replace(rescore(whole, models, Edits(faces=(0,))), edits=NO_EDITS)


# ---------------------------------------------------------------- merging


def test_changes_add_up_and_can_be_taken_back(timeline: Timeline, models: LoadedModels) -> None:
    once = corrected_timeline(timeline, models, {"words": {"0": "I am so\n angry. "}})
    assert once.edits.words == {0: "I am so angry."}
    twice = corrected_timeline(once, models, {"words": {"3": "See you."}, "faces": [1]})
    assert twice.edits == Edits(words={0: "I am so angry.", 3: "See you."}, faces=(1,))
    back = corrected_timeline(twice, models, {"words": {"0": None}, "translations": {"0": None}, "faces": []})
    assert back.edits == Edits(words={3: "See you."})
    found, first = back.segments[0].affect, timeline.segments[0].affect
    assert found.emotion == pytest.approx(first.emotion, abs=1e-6)  # other clips share its batch: another last digit
    assert found.sentiment == pytest.approx(first.sentiment, abs=1e-6)


def test_what_is_as_it_was_heard_is_no_correction(timeline: Timeline, models: LoadedModels) -> None:
    assert corrected_timeline(timeline, models, {"words": {"0": " I am  so happy."}}) is timeline
    once = corrected_timeline(timeline, models, {"words": {"0": "No."}})
    assert corrected_timeline(once, models, {"words": {"0": LINES[0]}}).edits == NO_EDITS


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (None, "A correction is an object"),
        ({"voices": {}}, "no 'voices'"),
        ({"words": ["No."]}, "from a segment's index to a text"),
        ({"words": {"0": 3}}, "from a segment's index to a text"),
        ({"words": {"99": "No."}}, "There is no segment 99"),
        ({"words": {"2": "No."}}, "has no speech"),
        ({"faces": [7]}, "There is no face 7"),
        ({"faces": "left"}, "a list of the numbers"),
    ],
)
def test_what_a_browser_may_send_wrongly_is_one_sentence(timeline, models, change, sentence) -> None:
    with pytest.raises(SettingsError, match=sentence):
        corrected_timeline(timeline, models, change)


def test_merging_leaves_the_edits_of_the_timeline_alone(timeline: Timeline, models: LoadedModels) -> None:
    once = corrected_timeline(timeline, models, {"words": {"0": "No."}})
    assert merged(once, {"words": {"0": None}}) == NO_EDITS
    assert once.edits.words == {0: "No."}


# ---------------------------------------------------------------- what is shown


def test_lines_of_speech_can_be_corrected_once_nothing_grows_any_more(timeline: Timeline) -> None:
    assert "pencil" not in transcript(timeline)
    html = transcript(timeline, is_settled=True)
    assert html.count('class="pencil"') == 3
    assert "double-click" in html and "double-click" not in transcript(timeline)


def test_a_corrected_line_says_what_was_heard(timeline: Timeline, models: LoadedModels) -> None:
    corrected = corrected_timeline(timeline, models, {"words": {"1": "It is at <i>ten</i>."}})
    html = transcript(corrected, is_settled=True)
    assert html.count('class="corrected"') == html.count("undo</button>") == 1
    assert "&lt;i&gt;ten" in html and "heard “The meeting is at &lt;b&gt;nine&lt;/b&gt;.”" in html
    assert "1 line corrected by hand" in verdict(corrected)
    assert "by hand" not in verdict(timeline)
    silenced = corrected_timeline(timeline, models, {"words": {"1": ""}})
    assert "<em>no words</em>" in transcript(silenced, is_settled=True)


def test_two_faces_are_a_choice_and_one_is_none(timeline: Timeline, models: LoadedModels) -> None:
    html = faces_card(timeline)
    assert html.count('type="checkbox"') == 2 and "checked" not in html
    assert "On the left" in html and "On the right" in html and "at 0:00–0:05" in html
    assert "the largest face counts" in html and "nobody is recognised" in html
    alone = replace(timeline, segments=tuple(replace(p, candidates=p.candidates[:1]) for p in timeline.segments))
    assert faces_card(alone) == ""


def test_the_card_says_where_no_face_counts(timeline: Timeline, models: LoadedModels) -> None:
    right = corrected_timeline(timeline, models, {"faces": [1]})
    html = faces_card(right)
    assert html.count(" checked") == 1 and "In 2 of 4 segments with a face, it is not seen" in html
    assert "face chosen by hand" in verdict(right)
    both = faces_card(corrected_timeline(timeline, models, {"faces": [0, 1]}))
    assert "The 2 ticked faces count, as one person." in both


def test_of_many_faces_the_longest_come_first(timeline: Timeline) -> None:
    first = timeline.segments[0]
    (face, _) = first.candidates
    many = tuple(replace(face, track=track) for track in range(60))
    html = faces_card(replace(timeline, segments=(replace(first, candidates=many),)))
    shown, _, more = html.partition("<details")
    assert shown.count('type="checkbox"') == SHOWN_AT_ONCE
    assert more.count('type="checkbox"') == MOST_SHOWN - SHOWN_AT_ONCE
    assert "12 that are seen for less still" in more


# ---------------------------------------------------------------- what leaves


def test_corrections_are_in_every_export_and_marked(timeline: Timeline, models: LoadedModels) -> None:
    corrected = corrected_timeline(timeline, models, {"words": {"0": "I am so angry."}, "faces": [1]})
    rows = list(csv.DictReader(io.StringIO(segments_csv(corrected))))
    assert [row["text"] for row in rows] == ["I am so angry.", *LINES[1:]]
    assert [row["heard_text"] for row in rows] == [LINES[0], "", "", ""]
    assert [row["face_track"] for row in rows] == ["1", "1", "", ""]
    assert "I am so angry." in srt(corrected) and "happy" not in srt(corrected)
    page = html_report(corrected)
    assert page.count("corrected by hand</b>; recognised was “I am so happy.”") == 1
    assert "1 line corrected by hand" in page and "face chosen by hand" in page
    text = readme(corrected, EXPORT_KINDS)
    assert "1 line corrected by hand, face chosen by hand" in text and "heard_text" in text
    assert "CORRECTED" not in readme(timeline, EXPORT_KINDS)


def test_elan_has_a_tier_of_what_was_heard(timeline: Timeline, models: LoadedModels, tmp_path: Path) -> None:
    corrected = corrected_timeline(timeline, models, {"words": {"0": "I am so angry."}, "faces": [1]})
    path = tmp_path / "corrected.eaf"
    path.write_text(eaf(corrected), encoding="utf-8")
    document = Eaf(path)
    assert [a[2] for a in document.get_annotation_data_for_tier("heard")] == [LINES[0]]
    assert min(document.get_annotation_data_for_tier("words"))[2] == "I am so angry."
    assert [a[2] for a in document.get_annotation_data_for_tier("chosen face")] == ["1", "1"]
    assert 'TIER_ID="heard"' not in eaf(timeline)


def test_a_corrected_result_is_repeated_from_its_bundle(
    checkpoint_folder: Path,
    speech_file: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    require_whisper()
    sound, rate_hz = spoken_sound([speech_file("I am so happy that you came tonight.")], pause_seconds=1.0)
    clip, times_seconds = tmp_path / "two.mp4", even_times(len(sound) / rate_hz, 10)
    write_media(clip, times_seconds=times_seconds, picture=two_faces, sound=sound, rate_hz=rate_hz)
    whole = load_models(checkpoint_folder, device="cpu")
    first = analyze_video(clip, whole, AnalysisSettings(language="en"))
    change = {"words": {"0": "I am so angry that you came."}, "faces": [list_faces(first)[1].track]}
    corrected = corrected_timeline(first, whole, change)
    assert corrected.segments[0].affect != first.segments[0].affect
    bundle = write_all(corrected, tmp_path / "out", ["zip"])["zip"]
    command = ["repeat", str(bundle), str(clip), "--checkpoint", str(checkpoint_folder), "--device", "cpu"]
    assert cli.main(command) == 0, capsys.readouterr().out
