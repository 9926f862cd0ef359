"""Training: one batch can be learned by heart, a tiny corpus trains end to end, and evaluates."""

from __future__ import annotations

import json
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_parts import save_random_checkpoint, tiny_tokenizer

from sentiment.checkpoint import load_checkpoint
from sentiment.clip_datatypes import ClipSettings
from sentiment.clips import ClipPreprocessor
from sentiment.errors import SettingsError
from sentiment.labels import EMOTIONS
from sentiment.media_datatypes import AudioTrack
from sentiment.model import Fusion, FusionNetwork, NetworkSettings
from train.__main__ import main
from train.augment import flatten_punctuation, mask_spectrogram, pseudo_clips, roughen_sound
from train.corpora import Example
from train.dataset import UNKNOWN, ExampleDataset, load_audio
from train.fusion import FeatureBank, Mixer, fit_fusion, make_bank, whole_bank
from train.junk import junk_clips
from train.loop import EncoderWithHead, class_weights, mixed_precision, pair_logits_of, pair_losses
from train.phase import PhaseResult, RunFiles, run_phase
from train.settings import FusionSettings, PhaseSettings, Recipe, from_table, load_recipe

CLIP = ClipSettings(frame_count=2, frame_size_px=32)
LINES = {
    "anger": "get out of my house",
    "disgust": "that smells of rot",
    "fear": "someone is behind us",
    "joy": "we won the cup",
    "neutral": "it is on the table",
    "sadness": "she is not coming back",
    "surprise": "you did what",
}


def write_tone(path: Path, pitch_hz: float) -> Path:
    times = np.arange(8_000) / 16_000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((12_000 * np.sin(2 * np.pi * pitch_hz * times)).astype(np.int16).tobytes())
    return path


def example_of(modality: str, number: int, folder: Path) -> Example:
    emotion = EMOTIONS[number % len(EMOTIONS)]
    if modality == "text":
        return Example("meld", str(number), emotion, None, text=LINES[emotion])
    if modality == "audio":
        return Example(
            "ravdess", str(number), emotion, None, audio=write_tone(folder / f"{number}.wav", 150 * 2**number)
        )
    picture = np.zeros((48, 48, 3), np.uint8)
    picture[:, number * 6 : number * 6 + 6] = 255
    return Example("fer2013", str(number), emotion, None, image=cv2.imencode(".png", picture)[1].tobytes())


@pytest.mark.parametrize("modality", ["text", "audio", "video"])
def test_each_encoder_learns_one_batch_by_heart(modality: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    settings = NetworkSettings(bert={**TINY_BERT, "vocab_size": 128}, audio_channels=(8, 16), dropout=0.0)
    network = FusionNetwork(settings, CLIP.n_mels)
    preprocessor = ClipPreprocessor(CLIP, tiny_tokenizer())
    examples = [example_of(modality, i, tmp_path) for i in range(6 if modality == "audio" else 7)]
    dataset = ExampleDataset(examples, preprocessor)
    model = EncoderWithHead(modality, network.encoders[modality])
    (batch,) = dataset.batches(len(dataset))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    from train.loop import pair_loss

    for _ in range(40):
        loss = pair_loss(model(batch.clips), batch.emotion, batch.sentiment, torch.ones(len(EMOTIONS)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < 0.1:
            break
    assert loss.item() < 0.1


TINY_BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


def test_a_phase_ends_at_its_best_epoch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = FusionNetwork(NetworkSettings(bert={**TINY_BERT, "vocab_size": 128}), CLIP.n_mels)
    dataset = ExampleDataset(
        [example_of("text", i, tmp_path) for i in range(14)], ClipPreprocessor(CLIP, tiny_tokenizer())
    )
    model = EncoderWithHead("text", network.encoders["text"])
    phase = PhaseSettings(corpora=("meld",), epochs=20, batch_size=7, learning_rate=5e-3)
    weights = class_weights(dataset.emotion, 0.25)
    result = run_phase(model, dataset, dataset, phase, weights, seed=1, log_name="words")
    assert result.best.accuracy > 0.8 and result.cpu_seconds > 0
    predicted = pair_logits_of(model, dataset)
    assert predicted.shape == (14, 8)


def test_a_phase_that_was_killed_ends_with_the_same_weights(tmp_path: Path) -> None:
    dataset = ExampleDataset(
        [example_of("text", i, tmp_path) for i in range(14)], ClipPreprocessor(CLIP, tiny_tokenizer())
    )
    bert = {**TINY_BERT, "vocab_size": 128, "hidden_dropout_prob": 0.2}
    phase = PhaseSettings(("meld",), 4, 7, 5e-3, average_decay=0.8, label_smoothing=0.1)
    weights = class_weights(dataset.emotion, 0.0)

    class PowerCut(Exception):
        pass

    def train(files: RunFiles | None, dies_after: int | None = None) -> EncoderWithHead:
        torch.manual_seed(0)
        model = EncoderWithHead("text", FusionNetwork(NetworkSettings(bert=bert), CLIP.n_mels).encoders["text"])
        batches, begun = dataset.batches, 0

        def failing(*arguments: object, **options: object) -> object:
            nonlocal begun
            begun += len(arguments) > 2  # epochs of training give a seed, scoring does not
            if begun == dies_after:
                raise PowerCut
            return batches(*arguments, **options)

        dataset.batches = failing  # type: ignore[method-assign]
        try:
            run_phase(model, dataset, dataset, phase, weights, seed=3, log_name="words", files=files)
        finally:
            dataset.batches = batches  # type: ignore[method-assign]
        return model

    files = RunFiles(tmp_path / "state.pt", tmp_path / "curves", "key")
    with pytest.raises(PowerCut):
        train(files, dies_after=3)
    resumed, whole = train(files).state_dict(), train(None).state_dict()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert any(files.curves.iterdir())  # TensorBoard has something to show


@pytest.mark.parametrize("modality", ["text", "audio", "video"])
def test_junk_is_of_one_modality_and_repeated_by_its_seed(modality: str, tmp_path: Path) -> None:
    dataset = ExampleDataset(
        [example_of(modality, i, tmp_path) for i in range(5)], ClipPreprocessor(CLIP, tiny_tokenizer())
    )
    first, again, other = (junk_clips(modality, dataset, 12, seed) for seed in (0, 0, 1))
    assert {clip.present for clip in first} == {(modality,)}
    field = {"text": "token_ids", "audio": "log_mel", "video": "frames"}[modality]
    assert all(torch.equal(getattr(a, field), getattr(b, field)) for a, b in zip(first, again, strict=True))
    assert any(
        getattr(a, field).shape != getattr(b, field).shape or not torch.equal(getattr(a, field), getattr(b, field))
        for a, b in zip(first, other, strict=True)
    )


def test_class_weights_leave_the_mean_at_one() -> None:
    emotion = torch.tensor([0] * 90 + [1] * 10)
    weights = class_weights(emotion, 0.5)
    assert torch.isclose(weights[emotion].mean(), torch.tensor(1.0))
    assert torch.isclose(weights[1] / weights[0], torch.tensor(3.0))
    assert weights[2] == 0


def test_augmentation_is_repeated_by_its_seed_and_keeps_shapes(tmp_path: Path) -> None:
    stills = torch.rand(3, 3, 1, 32, 32)
    clips = [pseudo_clips(stills, 4, torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert clips[0].shape == (3, 3, 4, 32, 32)
    assert torch.equal(clips[0], clips[1]) and not torch.equal(clips[0], clips[2])
    assert not torch.equal(clips[0][:, :, 0], clips[0][:, :, 3])  # it moves
    audio = load_audio(write_tone(tmp_path / "a.wav", 300), 16_000)
    rough = [roughen_sound(audio, np.random.default_rng(s)) for s in (1, 1, 2)]
    assert np.array_equal(rough[0].samples, rough[1].samples)
    assert not np.array_equal(rough[0].samples[:1000], rough[2].samples[:1000])
    masked = mask_spectrogram(torch.ones(80, 50), np.random.default_rng(0))
    assert 0 < (masked == 0).float().mean() < 1


def test_silence_around_a_recording_is_cut_off() -> None:
    from train.dataset import trim_silence

    samples = np.zeros(32_000, np.float32)
    samples[8_000:16_000] = 0.3
    assert abs(len(trim_silence(AudioTrack(samples, 16_000)).samples) - 8_000) <= 640
    silent = AudioTrack(np.zeros(32_000, np.float32), 16_000)
    assert len(trim_silence(silent).samples) == 32_000


def test_clips_are_made_in_full_precision_for_layers_in_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.loop.hardware_bfloat16", lambda: ["amx_bf16"])
    torch.manual_seed(0)
    settings = NetworkSettings(bert={**TINY_BERT, "vocab_size": 128}, audio_channels=(8, 16))
    network = FusionNetwork(settings, CLIP.n_mels)
    preprocessor = ClipPreprocessor(CLIP, tiny_tokenizer())
    dataset = ExampleDataset([example_of("audio", i, tmp_path) for i in range(3)], preprocessor)
    plain, formats = preprocessor.hear, []

    def hear(audio: AudioTrack) -> tuple[torch.Tensor, torch.Tensor | None]:
        log_mel, states = plain(audio)
        formats.append((log_mel @ log_mel.T).dtype)
        return log_mel, states

    monkeypatch.setattr(preprocessor, "hear", hear)
    bank = make_bank(EncoderWithHead("audio", network.encoders["audio"]), dataset)
    assert formats == [torch.float32] * 3
    assert bank.features.dtype == torch.float32
    assert (bank.features == bank.features.bfloat16()).all()  # the layers did compute in less


def test_bfloat16_that_would_be_emulated_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = torch.eye(2)
    for hardware, number_format in (([], torch.float32), (["avx512_bf16"], torch.bfloat16)):
        monkeypatch.setattr("train.loop.hardware_bfloat16", lambda hardware=hardware: hardware)
        with mixed_precision():
            assert (matrix @ matrix).dtype == number_format
        with mixed_precision(wanted=False):
            assert (matrix @ matrix).dtype == torch.float32


def bank_of(value: float) -> FeatureBank:
    emotion = torch.arange(len(EMOTIONS)).repeat(20)
    features = torch.full((len(emotion), 128), value) * emotion.unsqueeze(1)
    return FeatureBank(features, emotion, torch.full_like(emotion, -1))


def test_triplets_agree_with_their_label_as_often_as_the_recipe_says() -> None:
    banks = {"text": bank_of(1.0), "audio": bank_of(1.0), "video": bank_of(1.0)}
    mix = Mixer(banks, {"text": 0.0, "audio": 0.5, "video": 1.0}, seed=0).joint(("text", "audio", "video"), 2000)
    shown = mix.features[:, :, 0].long()
    agreement = (shown == mix.emotion.unsqueeze(1)).float().mean(dim=0)
    assert agreement[0] == 1 and agreement[2] == 0
    assert abs(agreement[1] - 0.5) < 0.05
    single = Mixer(banks, dict.fromkeys(banks, 1.0), seed=0).singles("audio", 100)
    assert (single.features[:, 1, 0].long() == single.emotion).all()
    assert single.presence.tolist() == [[False, True, False]] * 100


def test_as_many_signals_are_junk_as_the_recipe_says() -> None:
    banks = {"text": bank_of(1.0), "audio": bank_of(1.0)}
    unknown = torch.full((5,), -1)
    junk_banks = {"audio": FeatureBank(torch.full((5, 128), -9.0), unknown, unknown)}
    mixer = Mixer(banks, {"text": 0.0, "audio": 0.2}, 0, junk_banks, {"audio": 0.3})
    pairs = mixer.joint(("text", "audio"), 2000)
    junked = pairs.features[:, 1, 0] == -9
    assert abs(junked.float().mean() - 0.3) < 0.05
    agree = (pairs.features[:, 1, 0].long() == pairs.emotion)[~junked].float().mean()
    assert abs(agree - 0.5 / 0.7) < 0.05
    singles = mixer.singles("audio", 2000)
    junked = singles.features[:, 1, 0] == -9
    assert abs(junked.float().mean() - 0.3) < 0.05
    assert len(singles.emotion[junked].unique()) == len(EMOTIONS)  # it may mean anything


def test_of_a_single_signal_the_fusion_learns_what_the_encoders_own_head_says_doubts_included() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(140, 128, generator=generator)
    said = (3 * torch.randn(140, 8, generator=generator)).softmax(dim=1)
    bank = FeatureBank(features, bank_of(0.0).emotion, bank_of(0.0).sentiment, said)
    torch.manual_seed(0)
    fusion = Fusion(fusion_size=128, dropout=0.0)
    settings = FusionSettings(steps=300, batch_size=256, learning_rate=3e-3, conflict={}, weight_decay=0.0)
    fit_fusion(fusion, {"text": bank}, {}, settings, seed=0)
    alone = whole_bank(bank, "text")
    with torch.inference_mode():
        says = fusion(alone.features, alone.presence).softmax(dim=1)
    assert (says - said).abs().mean() < 0.02  # and its labels, which the head contradicts, are not learned


@pytest.mark.parametrize(
    ("written", "recognised"),
    [
        ("What?! No!!!", "What? No."),
        ("I -- I can't... believe it...", "I, I can't, believe it."),
        ("A well-known one, Dr. Green.", "A well-known one, Dr. Green."),
    ],
)
def test_lines_are_read_as_a_recogniser_writes_a_flat_voice(written: str, recognised: str) -> None:
    assert flatten_punctuation([written]) == (recognised,)


def test_as_many_lines_are_read_flat_as_the_phase_says_and_none_in_use() -> None:
    examples = [Example("meld", str(i), "joy", None, text="We won!", context=("Look!",)) for i in range(300)]
    dataset = ExampleDataset(examples, ClipPreprocessor(CLIP, tiny_tokenizer()), flat_punctuation=0.5)
    flat = sum(dataset._read(i, seed=3)[0] == "We won." for i in range(300))
    assert abs(flat / 300 - 0.5) < 0.1
    assert {dataset._read(i, None)[0] for i in range(300)} == {"We won!"}


def test_lines_around_are_forgotten_in_training_from_the_far_end_and_none_in_use() -> None:
    example = Example("meld", "1", "joy", None, text="now", context=("a", "b", "c"), following=("x", "y", "z"))
    settings = replace(CLIP, context_utterances=2, following_utterances=2)
    dataset = ExampleDataset([example], ClipPreprocessor(settings, tiny_tokenizer()))
    assert dataset._read(0, None) == ("now", ("b", "c"), ("x", "y"))
    read = {dataset._read(0, seed) for seed in range(200)}
    assert read == {("now", b, a) for b in ((), ("c",), ("b", "c")) for a in ((), ("x",), ("x", "y"))}


def test_the_recipe_of_the_starter_can_be_read() -> None:
    recipe = load_recipe("starter")
    assert recipe.clip.framing == "face"
    assert tuple(recipe.encoders) == ("text", "audio", "video")


def test_the_recipe_of_words_alone_names_no_corpus_that_is_not_free() -> None:
    recipe = load_recipe("words")
    assert tuple(recipe.encoders) == recipe.clip.modalities == ("text",)
    assert {name for phase in recipe.text.phases for name in phase.corpora} == {"goemotions", "meld"}
    starter = load_recipe("starter")
    assert recipe.text == starter.text
    settings = ("max_tokens", "context_utterances", "following_utterances")
    assert all(getattr(recipe.clip, name) == getattr(starter.clip, name) for name in settings)


def test_a_recipe_must_train_what_its_clips_hold(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE.format(start="x").replace("[clip]", '[clip]\nmodalities = ["text"]'))
    with pytest.raises(SettingsError, match=r"text, audio, video, and clip.modalities is text"):
        load_recipe(str(path))


def test_a_recipe_with_a_misspelt_setting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nsede = 1\n')
    with pytest.raises(SettingsError, match="sede"):
        load_recipe(str(path))
    with pytest.raises(SettingsError, match="no recipe 'none'"):
        load_recipe("none")
    with pytest.raises(SettingsError, match="missing"):
        from_table(Recipe, {"name": "x"}, "mine.toml")


def write_corpora(folder: Path) -> Path:
    """A data folder of the published layout with a few examples of each kind."""
    meld = folder / "meld"
    meld.mkdir(parents=True)
    header = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
    sentiments = {"joy": "positive", "neutral": "neutral", "surprise": "positive"}
    rows = [
        f'{i},{line},A,{emotion},{sentiments.get(emotion, "negative")},{i},0,1,1,"00:00:00,000","00:00:01,000"\n'
        for i, (emotion, line) in enumerate(LINES.items())
    ]
    for split in ("train", "dev", "test"):
        (meld / f"{split}_sent_emo.csv").write_text(header + "".join(rows), encoding="utf-8")
    for actor in (1, 19, 21):
        actor_folder = folder / "ravdess_speech" / f"Actor_{actor:02d}"
        actor_folder.mkdir(parents=True)
        for code in range(1, 9):
            write_tone(actor_folder / f"03-01-{code:02d}-01-01-01-{actor:02d}.wav", 100 + 100 * code)
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("validation", 2)):
        for class_name in ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"):
            class_folder = folder / "fer2013" / split / class_name
            class_folder.mkdir(parents=True)
            for i in range(count):
                cv2.imwrite(str(class_folder / f"{split}_{i}.jpg"), rng.integers(0, 256, (48, 48), np.uint8))
    return folder


def test_evaluate_prints_one_json_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = save_random_checkpoint(tmp_path / "checkpoint")
    data = write_corpora(tmp_path / "data")
    assert main(["evaluate", "--checkpoint", str(checkpoint), "--data", str(data)]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["text"]["emotion"]["n"] == figures["text"]["sentiment"]["n"] == 7
    assert figures["audio"]["emotion"]["n"] == 8
    assert figures["video"]["emotion"]["n"] == 14
    assert "sentiment" not in figures["video"]
    guess = figures["text"]["sentiment"]["constant_guess"]
    assert guess["accuracy"] == pytest.approx(4 / 7, abs=1e-4)
    for modality in figures.values():
        for report in modality.values():
            assert 0 <= report["weighted_f1"] <= 1 and 0 <= report["macro_f1"] <= 1 and 0 <= report["accuracy"] <= 1


def test_evaluate_leaves_out_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import shutil

    checkpoint = save_random_checkpoint(tmp_path / "checkpoint")
    data = write_corpora(tmp_path / "data")
    shutil.rmtree(data / "ravdess_speech")
    (data / "meld" / "test_sent_emo.csv").unlink()
    assert main(["evaluate", "--checkpoint", str(checkpoint), "--data", str(data)]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"video"}
    assert main(["evaluate", "--checkpoint", str(checkpoint), "--data", str(tmp_path)]) == 2
    assert "has no test part" in capsys.readouterr().err


RECIPE = """
name = "tiny"
seed = 1
[clip]
frame_count = 2
frame_size_px = 32
colour = "grey"
[network]
audio_channels = [4, 8]
fusion_size = 16
[text]
start = "{start}"
[[text.phases]]
corpora = ["meld"]
epochs = 1
batch_size = 4
learning_rate = 1e-3
[audio]
[[audio.phases]]
corpora = ["ravdess"]
epochs = 1
batch_size = 4
learning_rate = 1e-3
[video]
[[video.phases]]
corpora = ["fer2013"]
dimensions = 2
frame_count = 1
epochs = 1
batch_size = 32
learning_rate = 1e-3
[[video.phases]]
corpora = ["fer2013"]
epochs = 1
precision = "float32"
batch_size = 8
examples_per_epoch = 8
learning_rate = 1e-4
[fusion]
steps = 3
batch_size = 24
learning_rate = 1e-3
conflict = {{ text = 0.3, audio = 0.5, video = 0.5 }}
"""


def write_start(folder: Path) -> Path:
    """A folder with a BERT to start from, of random weights."""
    from safetensors.torch import save_file

    folder.mkdir()
    sizes = {**TINY_BERT, "vocab_size": 128, "max_position_embeddings": 512, "type_vocab_size": 2}
    dropout = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.1)  # as published ones have
    (folder / "config.json").write_text(json.dumps({**sizes, **dropout}))
    encoder = FusionNetwork(NetworkSettings(bert=sizes, audio_channels=(4,)), 80).encoders["text"]
    save_file({f"bert.{name}": t for name, t in encoder.bert.state_dict().items()}, folder / "model.safetensors")
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def test_teachers_are_trained_once_and_then_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from train import course
    from train.course import SEED_STEP
    from train.encoders import fit_encoder
    from train.fit import make_network, make_preprocessor

    data, path, run = write_corpora(tmp_path / "data"), tmp_path / "taught.toml", tmp_path / "run"
    text = RECIPE.format(start=write_start(tmp_path / "bert"))
    path.write_text(text.replace("[[text.phases]]", "[[text.phases]]\nteachers = 2", 1))
    recipe = load_recipe(str(path))
    trained: list[tuple[int, torch.Tensor | None]] = []
    seeds = [recipe.seed + SEED_STEP * number for number in range(3)]
    dies_at: int | None = seeds[1]

    def train(*given: Any) -> PhaseResult:
        seed, taught = given[5], given[8]
        trained.append((seed, taught))
        if seed == dies_at:
            raise KeyboardInterrupt
        return run_phase(*given)

    asked = []

    def ask(*given: Any) -> torch.Tensor:
        asked.append(given)
        return pair_logits_of(*given)

    def fit() -> EncoderWithHead:
        trained.clear()
        asked.clear()
        preprocessor = make_preprocessor(recipe, data)
        return fit_encoder("text", make_network(recipe), preprocessor, recipe, data, run)

    monkeypatch.setattr(course, "run_phase", train)
    monkeypatch.setattr(course, "pair_logits_of", ask)
    with pytest.raises(KeyboardInterrupt):
        fit()
    assert [seed for seed, _ in trained] == seeds[:2]
    dies_at = seeds[2]
    with pytest.raises(KeyboardInterrupt):
        fit()
    assert [(seed, taught is None) for seed, taught in trained] == [(seeds[1], True), (seeds[2], False)]
    assert len(asked) == 2
    first_line = next((data / "meld").rglob("train*.csv"))
    written = first_line.read_text()
    first_line.write_text(written.replace("get out", "come out", 1))  # it is asked of other examples
    assert first_line.read_text() != written
    with pytest.raises(KeyboardInterrupt):
        fit()
    assert len(asked) == 2
    dies_at = None
    model = fit()
    assert [(seed, taught is None) for seed, taught in trained] == [(seeds[2], False)]
    assert asked == []
    taught = trained[-1][1]
    training = course.load_examples(recipe.text.phases[0], data, "train", make_preprocessor(recipe, data))
    answers = []
    for seed in seeds[:2]:
        model.load_state_dict(load_file(run / f"text-0-teacher-{seed}.safetensors"))
        answers.append(pair_logits_of(model, training).softmax(dim=1))
    assert not torch.allclose(answers[0], answers[1], atol=1e-4)
    assert torch.allclose(taught, (answers[0] + answers[1]) / 2, atol=1e-5)
    fit()
    assert trained == []


def test_what_is_taught_counts_as_much_as_the_label() -> None:
    logits, joy = torch.randn(1, 8), torch.tensor([EMOTIONS.index("joy")])
    unknown = torch.tensor([UNKNOWN])
    by_label = pair_losses(logits, joy, unknown)
    for pair in range(8):
        by_teacher = -logits.log_softmax(dim=1)[:, pair]
        losses = pair_losses(logits, joy, unknown, taught=torch.eye(8)[[pair]])
        assert torch.allclose(losses, (by_label + by_teacher) / 2)


def test_fit_makes_a_checkpoint_that_loads_and_goes_on_where_it_stopped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = write_corpora(tmp_path / "data")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE.format(start=write_start(tmp_path / "bert")))
    command = ["fit", "--recipe", str(recipe), "--data", str(data), "--run", str(tmp_path / "run")]
    caplog.set_level("INFO")
    assert main(command) == 0
    checkpoint = load_checkpoint(tmp_path / "run" / "checkpoint")
    assert checkpoint.name == "tiny"
    assert checkpoint.clip_settings.mel_std != 1.0
    assert set(checkpoint.calibration.temperatures) >= {"text", "audio", "video", "text+audio+video"}
    assert set(checkpoint.metrics) == {"text", "audio", "video", "fusion"}
    assert (checkpoint.folder / "MODEL_CARD.md").read_text().startswith("---")
    caplog.clear()
    assert main([*command, "--out", str(tmp_path / "again")]) == 0
    assert sum("taken from" in message for message in caplog.messages) == 4
    again = load_checkpoint(tmp_path / "again")
    for name, tensor in checkpoint.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name]), name


def test_words_alone_make_a_checkpoint_that_takes_the_rest_as_absent(tmp_path: Path) -> None:
    data = write_corpora(tmp_path / "data")
    recipe = tmp_path / "words.toml"
    text = RECIPE.format(start=write_start(tmp_path / "bert")).replace("[clip]", '[clip]\nmodalities = ["text"]')
    without_others = text[: text.index("[audio]")] + text[text.index("[fusion]") :]
    recipe.write_text(without_others)
    command = ["fit", "--recipe", str(recipe), "--data", str(data), "--run", str(tmp_path / "run")]
    assert main(command) == 0
    checkpoint = load_checkpoint(tmp_path / "run" / "checkpoint")
    assert set(checkpoint.metrics) == set(checkpoint.calibration.temperatures) == {"text"}
    clip = checkpoint.preprocessor.make("we won", audio=load_audio(write_tone(tmp_path / "a.wav", 300), 16_000))
    assert clip.present == ("text",)
