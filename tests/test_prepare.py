"""python -m train prepare, and the data set that reads what it wrote."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from meld_miniature import hum, in_centre, portrait, write_clip
from safetensors.numpy import load_file
from small_parts import tiny_tokenizer
from torch.utils.data import DataLoader

from sentiment.clip_datatypes import ClipSettings
from sentiment.clips import ClipPreprocessor, sample_times
from sentiment.datatypes import Segment
from sentiment.errors import MediaError, SettingsError
from sentiment.media import open_media
from train import __main__ as command_line
from train import prepare as prepare_module
from train.bench_loader import bench
from train.clip_cache import (
    PreparedClips,
    cache_key,
    clip_path,
    collate_examples,
    find_cache,
    index_path,
    read_frames,
    read_header,
    read_sound,
    stored_size_px,
)
from train.clip_decoding import decode_clip
from train.corpora import meld
from train.errors import DataError
from train.isolation import Crashed
from train.prepare import describe_report, prepare

SETTINGS = ClipSettings(frame_count=4, frame_size_px=56, framing="frame", context_utterances=2)
SPLITS = ("train", "selection", "test")


def preprocessor(settings: ClipSettings = SETTINGS) -> ClipPreprocessor:
    return ClipPreprocessor(settings, tiny_tokenizer())


@pytest.fixture(scope="module")
def data_folder(meld_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The miniature, prepared for SETTINGS; its clips are gone, since the cache stands for itself."""
    folder = tmp_path_factory.mktemp("prepared")
    shutil.copytree(meld_data / "meld", folder / "meld")
    prepare(folder, SETTINGS)
    for clip in folder.rglob("*.mp4"):
        clip.unlink()
    return folder


@pytest.fixture(scope="module")
def report(data_folder: Path) -> dict:
    return json.loads((find_cache(data_folder, SETTINGS, "test") / "report.json").read_text())


def dataset(data_folder: Path, split: str = "train", **options: object) -> PreparedClips:
    return PreparedClips(find_cache(data_folder, SETTINGS, split), split, preprocessor(), **options)


# ---------------------------------------------------------------- the report


def test_each_clip_that_cannot_be_read_costs_itself_alone_and_is_listed(report):
    excluded = {key: why for part in report["parts"].values() for key, why in part["excluded"].items()}
    assert excluded == {
        "train/dia0_utt1": "corrupt: dia0_utt1.mp4 is no video or sound that can be read",
        "train/dia125_utt0": "corrupt: dia125_utt0.mp4 holds no picture and no sound that can be decoded",
        "train/dia125_utt3": "corrupt",
        "train/dia309_utt0": "timestamps lie: 41 s",
        "dev/dia110_utt1": "corrupt: dia110_utt1.mp4 is empty",
        "dev/dia110_utt7": "missing in every copy",
        "test/dia38_utt4": "timestamps lie: 305 s",
        "test/dia155_utt3": "timestamps lie: 0 s",
        "test/dia220_utt0": "timestamps lie: 235 s",
    }


def test_the_report_counts_what_utterances_have_in_all_and_by_class(report):
    train, test = report["parts"]["train"], report["parts"]["test"]
    assert train["all"] == {
        "utterances": 12,
        "frames_and_sound": 4,
        "frames_alone": 4,
        "sound_alone": 0,
        "words_alone": 4,
    }
    assert test["all"]["utterances"] == 12 and test["all"]["sound_alone"] == 1
    for part in report["parts"].values():
        for name, count in part["all"].items():
            assert sum(counts[name] for counts in part["classes"].values()) == count
    assert train["no_sound"] == {"almost no sound": 3, "no sound": 1} and test["no_frames"] == {"no picture": 1}
    assert train["read_in_part"] == {"train/dia0_utt2": pytest.approx(70, abs=6)}
    assert test["recuts"] == 2 and test["clips_without_annotation"] == ["dia108_utt2.mp4"]
    assert train["shorter_than_half_a_second"] == 2


def test_the_report_reads_well(report):
    text = describe_report(report)
    assert "train/dia0_utt1 is read for its words alone: corrupt: dia0_utt1.mp4 is no video" in text
    assert "train: 0 re-cut clips, 2 shorter than half a second, 1 without annotation (left out)" in text
    assert max(map(len, text.splitlines())) < 160


# ---------------------------------------------------------------- what is kept of a clip


def test_frames_and_sound_are_what_the_network_is_shown_in_use(meld_data):
    clip = meld.clip_rows(meld_data, "train")[0].clip
    stored = decode_clip(clip, SETTINGS)
    with open_media(clip) as media:
        whole = Segment(0.0, media.duration_seconds, "silent")
        images = [frame.image for frame in media.frame_reader(640).at(sample_times(whole, SETTINGS))]
        (audio,) = media.audio_windows(60.0)
    in_use = preprocessor().make(images=images, audio=audio)
    cached = preprocessor().make(images=[_decoded(jpeg) for jpeg in stored.frames], audio=_as_track(stored.sound))
    assert (in_use.frames - cached.frames).abs().mean() < 0.05  # of a deviation: what JPEG takes away
    # Silence at the ends is left out: what is left lies within the sound of the clip.
    assert 0.5 * in_use.log_mel.shape[1] < cached.log_mel.shape[1] <= in_use.log_mel.shape[1]


def _decoded(jpeg: bytes) -> np.ndarray:
    from train.dataset import load_image

    return load_image(jpeg)


def _as_track(samples: np.ndarray):
    from sentiment.media_datatypes import AudioTrack

    return AudioTrack(samples.astype(np.float32) / 2**15, 16_000)


def test_frames_are_kept_larger_than_they_are_looked_at_but_never_enlarged(tmp_path):
    write_clip(tmp_path / "clip.mp4", hum(0.5, 120.0), portrait(0))  # 160x96
    small, large = SETTINGS, replace(SETTINGS, frame_size_px=112)
    assert stored_size_px(small) == 64 and stored_size_px(large) == 128
    assert _decoded(decode_clip(tmp_path / "clip.mp4", small).frames[0]).shape == (64, 64, 3)
    assert _decoded(decode_clip(tmp_path / "clip.mp4", large).frames[0]).shape == (96, 96, 3)


def test_faces_are_kept_where_the_network_looks_at_faces(meld_data, tmp_path):
    settings = replace(SETTINGS, framing="face")
    stored = decode_clip(meld.clip_rows(meld_data, "train")[0].clip, settings)
    assert len(stored.frames) == 4 and stored.no_frames is None
    write_clip(tmp_path / "wall.mp4", hum(0.5, 120.0), lambda _: np.full((96, 160, 3), 90, dtype=np.uint8))
    assert decode_clip(tmp_path / "wall.mp4", settings).no_frames == "no face found"


def test_a_recut_is_what_is_seen_and_heard(data_folder):
    frames = read_frames(clip_path(index_path(find_cache(data_folder, SETTINGS, "test"), "test").parent, "dia0_utt0"))
    red, _, blue = np.mean(frames, axis=(0, 1, 2))
    assert red > blue  # skin, and not the blue of the plain clip


@pytest.mark.parametrize("channels", [2, 6])
def test_stereo_and_surround_are_mixed_down(tmp_path, channels):
    voice = hum(1.0, 120.0)
    sound = np.hstack([voice, np.zeros_like(voice)]) if channels == 2 else in_centre(voice)
    write_clip(tmp_path / "clip.mp4", sound, portrait(0))
    stored = decode_clip(tmp_path / "clip.mp4", SETTINGS)
    assert stored.sound.ndim == 1 and stored.sound.dtype == np.int16
    level = np.sqrt(np.mean(stored.sound.astype(float) ** 2))
    assert level > 0.2 * np.sqrt(np.mean(voice.astype(float) ** 2))


def test_sound_is_kept_up_to_its_longest_and_the_middle_of_it(tmp_path):
    write_clip(tmp_path / "clip.mp4", hum(4.0, 120.0), portrait(0))
    stored = decode_clip(tmp_path / "clip.mp4", replace(SETTINGS, max_audio_seconds=1.5))
    assert len(stored.sound) == 24_000


def test_a_long_clip_is_read_up_to_the_cap(tmp_path):
    """Blue from the second second on: a reader that went further would see it."""

    def picture(number: int) -> np.ndarray:
        return np.full((96, 160, 3), (0, 0, 255) if number >= 10 else (255, 0, 0), dtype=np.uint8)

    write_clip(tmp_path / "clip.mp4", np.concatenate([hum(1.0, 120.0), hum(3.0, 240.0)]), picture)
    stored = decode_clip(tmp_path / "clip.mp4", SETTINGS, max_seconds=1.0)
    assert all(_decoded(jpeg)[..., 0].mean() > 200 for jpeg in stored.frames)
    assert len(stored.sound) <= 16_000 and stored.seconds == pytest.approx(4.0, abs=0.2)


def test_silence_and_what_is_too_short_to_hear_are_no_sound(tmp_path):
    write_clip(tmp_path / "silent.mp4", np.zeros((16_000, 1), dtype=np.int16), portrait(0))
    write_clip(tmp_path / "click.mp4", hum(0.06, 120.0), portrait(0), rate=24)
    for name in ("silent", "click"):
        stored = decode_clip(tmp_path / f"{name}.mp4", SETTINGS)
        assert stored.sound is None and stored.no_sound == "almost no sound" and len(stored.frames) == 4
    write_clip(tmp_path / "quiet.mp4", hum(0.5, 120.0) // 50, portrait(0))
    assert decode_clip(tmp_path / "quiet.mp4", SETTINGS).sound is not None
    assert decode_clip(tmp_path / "quiet.mp4", SETTINGS, sound_excluded="known").no_sound == "known"


# ---------------------------------------------------------------- the cache


def test_the_key_changes_with_what_is_kept_and_with_nothing_else():
    same = replace(SETTINGS, colour="grey", mel_mean=-3.0, max_tokens=50, frame_mean=(0.5, 0.5, 0.5), face_margin=0.4)
    assert cache_key(same) == cache_key(SETTINGS) and len(cache_key(SETTINGS)) == 16
    others = [{"frame_count": 8}, {"frame_size_px": 112}, {"framing": "face"}, {"max_audio_seconds": 9.0}]
    keys = {cache_key(replace(SETTINGS, **change)) for change in others}
    assert len(keys) == 4 and cache_key(SETTINGS) not in keys


def test_a_part_that_is_not_prepared_says_how_to(data_folder):
    with pytest.raises(DataError, match="python -m train prepare"):
        find_cache(data_folder, replace(SETTINGS, frame_count=8), "train")
    with pytest.raises(DataError, match="other settings"):
        PreparedClips(
            find_cache(data_folder, SETTINGS, "train"), "train", preprocessor(replace(SETTINGS, frame_count=8))
        )


def copy_of(meld_data: Path, folder: Path) -> Path:
    shutil.copytree(meld_data / "meld", folder / "meld")
    return folder


def test_a_second_run_decodes_only_what_is_missing_damaged_or_changed(meld_data, tmp_path, monkeypatch):
    data = copy_of(meld_data, tmp_path)
    first = prepare(data, SETTINGS)
    part = index_path(find_cache(data, SETTINGS, "train"), "train").parent
    clip_path(part, "dia0_utt0").unlink()
    clip_path(part, "dia0_utt3").write_bytes(b"half a file")
    index_path(find_cache(data, SETTINGS, "train"), "train").unlink()
    changed = next(data.rglob("dia0_utt5.mp4"))
    write_clip(changed, hum(0.7, 100.0), portrait(0))
    decoded = []
    decode = prepare_module.decode_clip
    monkeypatch.setattr(
        prepare_module, "decode_clip", lambda clip, *rest: decoded.append(clip.name) or decode(clip, *rest)
    )
    second = prepare(data, SETTINGS)
    readable = {name for name in decoded if name not in ("dia0_utt1.mp4", "dia125_utt0.mp4", "dia110_utt1.mp4")}
    assert readable == {"dia0_utt0.mp4", "dia0_utt3.mp4", "dia0_utt5.mp4"}
    assert first["parts"]["train"]["all"] == second["parts"]["train"]["all"]
    assert not list(part.glob("*.partial"))
    assert read_header(clip_path(part, "dia0_utt5"))["source_bytes"] == str(changed.stat().st_size)


def test_a_full_disk_is_one_sentence_and_the_next_run_goes_on(meld_data, tmp_path, monkeypatch):
    data = copy_of(meld_data, tmp_path)
    write_bytes, written = Path.write_bytes, []

    def fills_up(path: Path, content: bytes) -> int:
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        written.append(path)
        return write_bytes(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fills_up)
        with pytest.raises(DataError, match="No space left on device"):
            prepare(data, SETTINGS)
    with pytest.raises(DataError):
        find_cache(data, SETTINGS, "train")
    assert prepare(data, SETTINGS)["parts"]["train"]["all"]["frames_and_sound"] == 4


def test_the_command_says_what_it_found(data_folder, meld_data, tmp_path, capsys):
    recipe = tmp_path / "small.toml"
    recipe.write_text(
        'name = "small"\n[clip]\nmodalities = ["text"]\nframe_count = 2\nframe_size_px = 28\nframing = "frame"\n'
        "[text]\nphases = []\n[fusion]\nsteps = 1\nbatch_size = 1\nlearning_rate = 0.1\n[fusion.conflict]\n"
    )
    data = copy_of(meld_data, tmp_path / "data")
    command = ["prepare", "--data", str(data), "--recipe", str(recipe), "--workers", "0"]
    assert command_line.main(command) == 0
    assert "words alone" in capsys.readouterr().out
    assert command_line.main(["prepare", "--data", str(tmp_path / "nothing"), "--recipe", str(recipe)]) == 2
    assert "python -m train download meld" in capsys.readouterr().err


def test_what_brings_the_decoder_down_is_listed_and_the_rest_is_kept(meld_data, tmp_path, monkeypatch):
    def crashes_once(function, jobs, *_):
        for job in jobs:
            yield Crashed(job) if job.key == "train/dia0_utt0" else function(job)

    monkeypatch.setattr(prepare_module, "run_isolated", crashes_once)
    data = copy_of(meld_data, tmp_path)
    report = prepare(data, SETTINGS)
    assert report["parts"]["train"]["excluded"]["train/dia0_utt0"].startswith("the decoder crashed")
    assert report["parts"]["train"]["all"]["frames_and_sound"] == 3
    clips = dataset(data)
    assert clips[0][0].present == ("text",) and clips.examples[0].key == "train/dia0_utt0"


def test_what_cannot_be_prepared_is_one_sentence(tmp_path, meld_data):
    with pytest.raises(SettingsError, match="0 or more, got -1"):
        prepare(meld_data, SETTINGS, workers=-1)
    shutil.copy(next(meld_data.rglob("test_sent_emo.csv")), tmp_path)
    with pytest.raises(DataError, match="no clips of MELD's test part"):
        prepare(tmp_path, SETTINGS)
    assert not (tmp_path / "prepared").exists()


def test_workers_give_what_one_process_gives(meld_data, data_folder, tmp_path):
    data = copy_of(meld_data, tmp_path)
    prepare(data, SETTINGS, workers=2)
    one, two = (find_cache(folder, SETTINGS, "train") for folder in (data_folder, data))
    names = sorted(path.relative_to(one).as_posix() for path in one.rglob("*.safetensors"))
    assert names == sorted(path.relative_to(two).as_posix() for path in two.rglob("*.safetensors"))
    for name in names:
        assert read_header(one / name) == read_header(two / name)
        tensors, same = load_file(one / name), load_file(two / name)
        assert tensors.keys() == same.keys() and all(np.array_equal(tensors[key], same[key]) for key in tensors)


# ---------------------------------------------------------------- the data set


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("augment_seed", [None, 7])
def test_presence_and_targets_are_known_before_anything_is_read(data_folder, split, augment_seed):
    clips = dataset(data_folder, split, augment_seed=augment_seed)
    batch = collate_examples([clips[i] for i in range(len(clips))])
    assert torch.equal(batch.clips.presence, clips.presence) and len(clips) == 12
    assert torch.equal(batch.emotion, clips.emotion) and torch.equal(batch.sentiment, clips.sentiment)
    assert batch.clips.frames.shape == (12, 3, 4, 56, 56) and batch.clips.log_mel.shape[:2] == (12, 80)


def test_the_words_of_a_clip_that_cannot_be_used_are_kept(data_folder):
    clips = dataset(data_folder, "test")
    keys = [example.key for example in clips.examples]
    i = keys.index("test/dia38_utt4")
    assert clips[i][0].present == ("text",)
    assert clips.examples[i].context and clips.examples == meld.load(data_folder, "test")


def test_modalities_that_the_network_does_not_read_are_not_read(data_folder):
    settings = replace(SETTINGS, modalities=("text", "audio"))
    clips = PreparedClips(find_cache(data_folder, settings, "train"), "train", preprocessor(settings))
    assert not clips.presence[:, 2].any() and clips[0][0].frames is None and clips[0][0].log_mel is not None


def test_augmentation_changes_with_epoch_and_seed_and_is_repeatable(data_folder):
    def read(seed: int | None, epoch: int) -> torch.Tensor:
        clips = dataset(data_folder, augment_seed=seed)
        clips.set_epoch(epoch)
        clip, _, _ = clips[0]
        return torch.cat([clip.frames.flatten(), clip.log_mel.flatten()])

    assert torch.equal(read(1, 2), read(1, 2)) and torch.equal(read(None, 0), read(None, 5))
    assert not torch.equal(read(1, 2), read(1, 3)) and not torch.equal(read(1, 2), read(2, 2))
    assert not torch.equal(read(None, 0), read(1, 0))


def test_all_frames_of_a_clip_are_changed_alike(data_folder):
    clips, plain = dataset(data_folder, augment_seed=3), dataset(data_folder)
    still = next(i for i, e in enumerate(clips.examples) if e.key == "train/dia0_utt3")  # two frames long
    frames = clips[still][0].frames
    assert (frames[:, 0] - frames[:, 1]).abs().max() < 1.0
    assert (frames - plain[still][0].frames).abs().mean() > 0.05


def test_workers_of_a_loader_give_the_same_and_hear_of_the_next_epoch(data_folder):
    clips = dataset(data_folder, augment_seed=5)
    clips.set_epoch(1)
    here = [clips[i][0] for i in range(4)]
    clips.set_epoch(2)
    later = [clips[i][0] for i in range(4)]
    loader = DataLoader(
        clips, batch_size=1, sampler=range(4), num_workers=2, collate_fn=collate_examples, persistent_workers=True
    )
    for epoch, expected in ((1, here), (2, later)):
        clips.set_epoch(epoch)
        for batch, clip in zip(loader, expected, strict=True):
            if clip.frames is not None:
                assert torch.equal(batch.clips.frames[0], clip.frames)


def test_the_data_set_can_be_sent_to_spawned_workers(data_folder):
    clips = dataset(data_folder, augment_seed=5)
    sent = pickle.loads(pickle.dumps(clips))
    assert torch.equal(sent[0][0].frames, clips[0][0].frames) and len(sent) == len(clips)


def test_a_clip_that_is_gone_from_the_cache_is_one_sentence(data_folder, tmp_path):
    cache = find_cache(data_folder, SETTINGS, "train")
    copied = tmp_path / cache.name
    shutil.copytree(cache, copied)
    clips = PreparedClips(copied, "train", preprocessor())
    clip_path(copied / "train", "dia0_utt0").unlink()
    with pytest.raises(DataError, match=r"dia0_utt0.* gone or damaged"):
        clips[0]
    assert read_sound(clip_path(copied / "train", "dia0_utt5"), 16_000).sample_rate_hz == 16_000


def test_what_is_no_video_cannot_be_decoded(text_named_mp4):
    with pytest.raises(MediaError):
        decode_clip(text_named_mp4, SETTINGS)


def test_the_cache_is_faster_than_decoding(meld_data, tmp_path):
    data = copy_of(meld_data, tmp_path)
    prepare(data, SETTINGS)
    figures = bench(data, SETTINGS, workers=0, seconds=1.0)
    assert figures["clips"] == 8 and figures["times_faster"] > 1.5
