"""What a person puts right is answered anew, the same as if it had been so from the start, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from media_files import even_times, write_media
from skimage import data
from small_parts import require_whisper, save_random_checkpoint, spoken_sound

from sentiment import pipeline
from sentiment.datatypes import SegmentPrediction, Timeline
from sentiment.edits import NO_EDITS, Edits
from sentiment.errors import MediaError, SettingsError
from sentiment.export import timeline_to_dict
from sentiment.face_tracks import list_faces
from sentiment.pipeline import LoadedModels, analyze_video, load_models
from sentiment.rescoring import rescore
from sentiment.settings import AnalysisSettings

ENGLISH = AnalysisSettings(language="en")

LINES = ("I am so happy that you came tonight.", "The meeting starts at nine.", "We will see each other there.")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> LoadedModels:
    require_whisper()
    folder = tmp_path_factory.mktemp("weights")
    return load_models(save_random_checkpoint(folder, context_utterances=1, following_utterances=1), device="cpu")


def two_faces(_: int) -> np.ndarray:
    """A large face on the left, a smaller one, mirrored, on the right."""
    picture = np.full((360, 640, 3), 128, np.uint8)
    astronaut = data.astronaut()
    picture[30:330, 10:310] = cv2.resize(astronaut, (300, 300), interpolation=cv2.INTER_AREA)
    picture[80:300, 400:620] = cv2.resize(astronaut[:, ::-1], (220, 220), interpolation=cv2.INTER_AREA)
    return picture


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory, speech_file: Callable[[str], Path]) -> Path:
    """Three sentences, a pause after each, while two people are in the picture."""
    samples, rate_hz = spoken_sound([speech_file(line) for line in LINES], pause_seconds=1.2)
    times_seconds = even_times(len(samples) / rate_hz, 10)
    path = tmp_path_factory.mktemp("talk") / "two.mp4"
    return write_media(path, times_seconds=times_seconds, picture=two_faces, sound=samples, rate_hz=rate_hz)


@pytest.fixture(scope="module")
def timeline(talk: Path, models: LoadedModels) -> Timeline:
    return analyze_video(talk, models, ENGLISH)


def speech(timeline: Timeline) -> list[int]:
    return [i for i, p in enumerate(timeline.segments) if p.segment.kind == "speech"]


def same_answer(one: SegmentPrediction, other: SegmentPrediction) -> bool:
    assert one.affect is not None and other.affect is not None
    return np.allclose(one.affect.emotion, other.affect.emotion, atol=1e-5) and one.presence == other.presence


# ---------------------------------------------------------------- words


def test_corrected_words_answer_as_if_they_had_been_heard(
    talk: Path, models: LoadedModels, timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = speech(timeline)
    said = timeline.segments[first].segment.text
    assert "happy" in said
    corrected = rescore(timeline, models, Edits(words={first: said.replace("happy", "angry")}))
    recognise = type(models.transcriber).transcribe

    def mishear(self, *given):  # the recogniser hears from the start what was corrected
        heard = recognise(self, *given)
        angry = [replace(w, text="angry") if w.text == "happy" else w for w in heard.words]
        return replace(heard, words=tuple(angry))

    monkeypatch.setattr(type(models.transcriber), "transcribe", mishear)
    heard = analyze_video(talk, models, ENGLISH)
    assert [p.segment.text for p in heard.segments] == [p.segment.text for p in corrected.segments]
    assert all(same_answer(a, b) for a, b in zip(heard.segments, corrected.segments, strict=True))
    assert not same_answer(timeline.segments[first], corrected.segments[first])
    assert corrected.segments[first].as_heard == timeline.segments[first].segment
    # What follows has it as its context; what comes after that is as it was.
    assert not np.array_equal(timeline.segments[second].features[0], corrected.segments[second].features[0])
    assert np.array_equal(timeline.segments[third].features, corrected.segments[third].features)


def test_only_what_is_changed_is_encoded(
    models: LoadedModels, timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentiment import rescoring

    encoded: list[int] = []
    encode = rescoring.encode
    monkeypatch.setattr(rescoring, "encode", lambda c, clips: encoded.append(len(clips)) or encode(c, clips))
    last = speech(timeline)[-1]
    rescore(timeline, models, Edits(words={last: "We will never see each other again."}))
    assert encoded == [2]  # with the one that it follows
    first = speech(timeline)[0]
    rescore(timeline, models, Edits(words={first: "No."}))
    assert encoded == [2, 2]  # with the one that it is the context of
    rescore(timeline, models, Edits(faces=(list_faces(timeline)[1].track,)))
    assert encoded == [2, 2]


def test_no_edits_give_the_first_answers_again(models: LoadedModels, timeline: Timeline) -> None:
    first = speech(timeline)[0]
    edits = Edits(words={first: "Oh no."}, faces=(list_faces(timeline)[1].track,))
    again = rescore(rescore(timeline, models, edits), models, NO_EDITS)
    assert again.edits == NO_EDITS
    for before, after in zip(timeline.segments, again.segments, strict=True):
        assert same_answer(before, after)
        assert (before.segment, before.face, before.thumbnail) == (after.segment, after.face, after.thumbnail)
        assert after.as_heard is None
    assert rescore(timeline, models, NO_EDITS) is timeline


def test_words_that_nobody_said_are_taken_away(models: LoadedModels, timeline: Timeline) -> None:
    first = speech(timeline)[0]
    corrected = rescore(timeline, models, Edits(words={first: " "})).segments[first]
    assert corrected.segment.text == "" and corrected.presence == (False, True, True)
    assert ("text",) not in corrected.evidence


# ---------------------------------------------------------------- faces


def test_two_people_keep_their_numbers_through_the_video(timeline: Timeline) -> None:
    large, small = list_faces(timeline)
    everywhere = tuple(range(len(timeline.segments)))
    assert large.segments == small.segments == everywhere
    assert large.thumbnail != small.thumbnail and large.seconds_on_screen > 4
    assert all(p.face_track == large.track and p.face[0].right < 0.5 for p in timeline.segments)


def test_a_chosen_face_is_read_in_place_of_the_largest(models: LoadedModels, timeline: Timeline) -> None:
    _, small = list_faces(timeline)
    chosen = rescore(timeline, models, Edits(faces=(small.track,)))
    for before, after in zip(timeline.segments, chosen.segments, strict=True):
        assert after.face_track == small.track and after.face[0].left > 0.5
        assert np.array_equal(after.features[2], before.candidates[1].features)
        assert not same_answer(before, after)
        assert after.thumbnail == before.candidates[1].thumbnail
    assert chosen.summary.face_share == timeline.summary.face_share


def test_where_the_chosen_face_is_not_no_face_counts(models: LoadedModels, timeline: Timeline) -> None:
    large, small = list_faces(timeline)
    without = replace(timeline.segments[0], candidates=timeline.segments[0].candidates[:1])
    shorter = replace(timeline, segments=(without, *timeline.segments[1:]))
    chosen = rescore(shorter, models, Edits(faces=(small.track,)))
    assert chosen.segments[0].presence == (True, True, False) and chosen.segments[0].face == ()
    assert chosen.segments[0].face_track is None and ("video",) not in chosen.segments[0].evidence
    both = rescore(shorter, models, Edits(faces=(small.track, large.track)))  # two that are one
    assert both.segments[0].face_track == large.track


# ---------------------------------------------------------------- watching


def test_a_viewer_is_read_from_the_face_alone_every_two_seconds(talk: Path, models: LoadedModels) -> None:
    watched = analyze_video(talk, models, AnalysisSettings(viewing="watching"))
    assert {p.segment.kind for p in watched.segments} == {"watched"}
    assert {p.presence for p in watched.segments} == {(False, False, True)}
    starts = [p.segment.start_seconds for p in watched.segments]
    assert starts == [2.0 * i for i in range(len(starts))]
    assert watched.segments[-1].segment.end_seconds == pytest.approx(watched.duration_seconds)
    assert watched.language is None and watched.summary.speech_share == 0


def test_nobody_can_be_watched_in_a_sound_file(
    speech_file: Callable[[str], Path], models: LoadedModels, tmp_path: Path
) -> None:
    watching = AnalysisSettings(viewing="watching")
    with pytest.raises(MediaError, match="has no picture"):
        analyze_video(speech_file(LINES[0]), models, watching)
    words = load_models(save_random_checkpoint(tmp_path / "words", modalities=("text",)), device="cpu")
    with pytest.raises(SettingsError, match="reads no faces"):
        analyze_video(speech_file(LINES[0]), words, watching)
    with pytest.raises(SettingsError, match="'dreaming'"):
        AnalysisSettings(viewing="dreaming")


# ---------------------------------------------------------------- as data


def test_edits_are_in_the_json_marked_as_such(models: LoadedModels, timeline: Timeline) -> None:
    first, second, _ = speech(timeline)
    small = list_faces(timeline)[1].track
    edits = Edits(words={first: "Oh no."}, faces=(small,))
    record = json.loads(json.dumps(timeline_to_dict(rescore(timeline, models, edits))))
    assert Edits.from_dict(record["edits"]) == edits
    assert record["segments"][first]["text"] == "Oh no."
    assert record["segments"][first]["heard_text"] == timeline.segments[first].segment.text
    assert record["segments"][second]["heard_text"] is None
    assert record["segments"][first]["face_track"] == small
    assert [face["track"] for face in record["faces"]] == [face.track for face in list_faces(timeline)]


def test_analyze_video_takes_edits_at_once(talk: Path, models: LoadedModels, timeline: Timeline) -> None:
    edits = Edits(words={speech(timeline)[0]: "Oh no."}, faces=(list_faces(timeline)[1].track,))
    once, later = analyze_video(talk, models, ENGLISH, edits=edits), rescore(timeline, models, edits)
    assert timeline_to_dict(once)["segments"] == timeline_to_dict(later)["segments"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"words": {"99": "x"}}, "There is no segment 99 to correct"),
        ({"translations": {"0": "x"}}, "there is no translation to correct"),
        ({"faces": [7]}, "There is no face 7 to choose; there are: 0, 1"),
        ({"faces": ["left"]}, "by the numbers of their tracks"),
        ({"faces": 1}, "a list of the numbers"),
        ({"words": {"first": "x"}}, "from a segment's index to a text"),
        ({"words": {"0": 3}}, "from a segment's index to a text"),
        ({"voices": []}, "no 'voices'"),
        (["words"], "an object with words"),
    ],
)
def test_an_edit_of_what_is_not_there_is_refused(models, timeline, values, sentence) -> None:
    with pytest.raises(SettingsError, match=sentence):
        rescore(timeline, models, Edits.from_dict(values))


def test_silence_has_no_words_to_correct(timeline: Timeline, models: LoadedModels) -> None:
    first = timeline.segments[0]
    silent = replace(first, segment=replace(first.segment, kind="silent", text=""))
    with pytest.raises(SettingsError, match="has no speech"):
        rescore(replace(timeline, segments=(silent, *timeline.segments[1:])), models, Edits(words={0: "x"}))


def test_every_stage_is_still_reported(talk: Path, models: LoadedModels) -> None:
    stages: set[str] = set()
    analyze_video(talk, models, AnalysisSettings(viewing="watching"), lambda stage, *_: stages.add(stage))
    assert stages == set(pipeline.STAGES)
