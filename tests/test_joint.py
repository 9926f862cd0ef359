"""Joint training in one process: recipes, batches, starts, what learns and what does not, memory, the whole chain."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from joint_parts import LINES, recipe_text, write_bert, write_prepared, write_recipe
from safetensors.torch import load_file, save_file
from small_parts import save_random_checkpoint, tiny_tokenizer

from sentiment.checkpoint import load_checkpoint, subset_key
from sentiment.clips import ClipPreprocessor
from sentiment.datatypes import Segment
from sentiment.errors import SettingsError
from sentiment.hub import MANIFEST
from sentiment.labels import MODALITIES
from sentiment.model import FusionNetwork, NetworkSettings, VideoEncoder
from sentiment.prediction import SUBSETS, predict
from sentiment.weight_files import round_as_stored, save_weights
from train.__main__ import main
from train.bench_joint import bench
from train.bert import bert_config, load_bert
from train.clip_cache import PreparedClips, find_cache
from train.errors import DataError
from train.inflate import StillEncoder, inflate
from train.joint import LAST_CHECKPOINT, make_accelerator
from train.joint_batches import BatchPlan, shown_presence
from train.joint_freezing import freeze, parameter_groups, to_training_mode
from train.joint_run import JointRun
from train.joint_settings import JointRecipe
from train.joint_starts import load_r3d, make_joint_network, sound_statistics
from train.settings import load_recipe, recipe_from_table


def tiny_recipe(folder: Path, joint: str = "", **options: object) -> JointRecipe:
    recipe = load_recipe(str(write_recipe(folder, joint, **options)))  # type: ignore[arg-type]
    assert isinstance(recipe, JointRecipe)
    return recipe


def run_of(recipe: JointRecipe, data: Path, folder: Path, network: FusionNetwork | None = None) -> JointRun:
    preprocessor = ClipPreprocessor(recipe.clip, tiny_tokenizer())
    training, validation = (
        PreparedClips(find_cache(data, recipe.clip, split), split, preprocessor) for split in ("train", "selection")
    )
    network = network or make_joint_network(recipe)
    return JointRun(recipe, network, training, validation, folder, make_accelerator("float32"))


# ---------------------------------------------------------------- recipes


def test_the_meld_recipe_is_read_as_it_stands_and_out_of_a_checkpoint() -> None:
    from dataclasses import asdict

    recipe = load_recipe("meld")
    assert isinstance(recipe, JointRecipe)
    assert tuple(recipe.encoders) == recipe.clip.modalities == MODALITIES
    assert recipe.joint.text.start == "bert-base-uncased" and recipe.joint.text.trained == "fine-tuned"
    assert recipe.joint.video is not None and recipe.joint.video.frozen_batch_norm
    assert recipe_from_table(asdict(recipe), "checkpoint.json") == recipe


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 2", "epochs = 2\nepoch = 3", "epoch"),
        ("learning_rate = 1e-3\n[joint.audio]", "learning_rate = 1e-3\nrate = 1\n[joint.audio]", "rate"),
        ("epochs = 2", "epochs = 0", "epochs must be positive"),
        ("epochs = 2", 'epochs = 2\nprecision = "half"', "precision must be one of auto, bf16, fp16, float32"),
        ("epochs = 2", 'epochs = 2\nfusion = "none"', "fusion must be one of late, early, intermediate"),
        ("epochs = 2", "epochs = 2\nmodality_dropout = 1.5", "modality_dropout must lie between 0 and 1"),
        ("epochs = 2", "epochs = 2\nmicro_batch_size = 0", "micro_batch_size must be positive"),
        ("frozen_batch_norm = true", 'trained = "half"', "trained must be one of frozen, last stage, fine-tuned"),
        ('modalities = ["text", "audio"]', 'modalities = ["text"]', "text, audio, and clip.modalities is text"),
        ("[joint.text]", "[joint.text]\nfrom_scratch = true\ntrained = 'frozen'", "from scratch must be fine-tuned"),
        ("[joint.audio]", "[joint.audio]\nfrom_scratch = true", "from_scratch is for words alone"),
    ],
)
def test_a_recipe_with_a_setting_that_does_not_exist_is_refused(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    text = recipe_text(tmp_path, frozen_norm=old != "[joint.audio]")
    assert old in text
    path = tmp_path / "tiny.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(SettingsError, match=message):
        load_recipe(str(path))


def test_only_late_fusion_is_trained_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, 'fusion = "early"')
    assert main(["fit", "--recipe", str(recipe), "--data", str(tmp_path), "--run", str(tmp_path / "run")]) == 2
    assert "python -m train ablate" in capsys.readouterr().err


# ---------------------------------------------------------------- batches


def test_every_clip_is_seen_once_an_epoch_however_many_processes_share_it() -> None:
    rows = tuple(range(100, 122))
    whole = BatchPlan(rows, 8, seed=3)
    assert whole.steps_per_epoch == 3
    for count in (1, 2, 3):
        shares = [BatchPlan(rows, 8, 3, count, process).micro_batches(1, 0, 2) for process in range(count)]
        for step in range(3):
            seen = [row for share in shares for part in share[step] for row in part]
            assert sorted(seen) == sorted(whole.batch(1, step))
            assert all(1 <= len(part) <= 2 for share in shares for part in share[step])
    assert sorted(row for step in range(3) for row in whole.batch(1, step)) == list(rows)
    assert whole.batch(0, 0) != whole.batch(1, 0)
    assert whole.micro_batches(1, 2, 4) == whole.micro_batches(1, 0, 4)[2:]
    # Six clips are left for the third step: none for the seventh process.
    assert BatchPlan(rows, 8, 3, 7).steps_per_epoch == 2


def test_modality_dropout_shows_every_subset_of_what_there_is_and_never_nothing() -> None:
    presence = torch.tensor([[True, True, True], [True, False, True], [False, True, False]]).repeat(400, 1)
    rows = list(range(1200))
    shown = shown_presence(presence, rows, 1.0, seed=5, epoch=2)
    assert shown.any(dim=1).all() and not (shown & ~presence).any()
    subsets = Counter(tuple(row) for row in shown[::3].tolist())
    assert len(subsets) == len(SUBSETS) and min(subsets.values()) > 30
    assert torch.equal(shown_presence(presence[600:], rows[600:], 1.0, 5, 2), shown[600:])
    assert not torch.equal(shown_presence(presence, rows, 1.0, 5, 3), shown)
    assert torch.equal(shown_presence(presence, rows, 0.0, 5, 2), presence)


# ---------------------------------------------------------------- starts


def test_bert_starts_from_weights_under_their_old_names(tmp_path: Path) -> None:
    folder = write_bert(tmp_path / "bert")
    tensors = load_file(folder / "model.safetensors")
    # As bert-base-uncased on the hub has them.
    renamed = {
        "bert." + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): t
        for name, t in tensors.items()
    }
    assert any("gamma" in name for name in renamed)
    save_file(renamed, folder / "model.safetensors", {"format": "pt"})
    encoder = FusionNetwork(NetworkSettings(bert=bert_config(str(folder))), 80, ("text",)).encoders["text"]
    load_bert(encoder, str(folder))
    for name, tensor in encoder.bert.state_dict().items():
        assert torch.equal(tensor, tensors[name]), name
    del renamed["bert.encoder.layer.0.output.dense.weight"]
    save_file(renamed, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(DataError, match=r"not complete: encoder\.layer\.0\.output\.dense\.weight"):
        load_bert(encoder, str(folder))


def test_a_start_that_cannot_be_had_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="'nobody/no-such-bert' cannot be had"):
        bert_config("nobody/no-such-bert")
    with pytest.raises(DataError, match="holds no weights that can be read"):
        load_r3d(VideoEncoder(), str(tmp_path / "none.pth"))
    checkpoint = save_random_checkpoint(tmp_path / "checkpoint", modalities=("text",))
    with pytest.raises(DataError, match="no encoder of video"):
        load_r3d(VideoEncoder(), str(checkpoint))


def test_r3d_starts_from_torchvisions_file_and_from_a_checkpoint(tmp_path: Path) -> None:
    from torchvision.models.video import r3d_18

    published = r3d_18(weights=None).state_dict()
    torch.save(published, tmp_path / "r3d_18.pth")
    encoder = VideoEncoder()
    load_r3d(encoder, str(tmp_path / "r3d_18.pth"))
    assert all(torch.equal(tensor, published[name]) for name, tensor in encoder.r3d.state_dict().items())
    published["layer4.0.conv1.0.weight"] = torch.zeros(512, 256, 1, 1, 1)
    torch.save(published, tmp_path / "other.pth")
    with pytest.raises(DataError, match=r"1 of \d+ tensors differ, such as layer4.0.conv1.0.weight, \(512, 256, 1"):
        load_r3d(encoder, str(tmp_path / "other.pth"))


def test_frames_start_from_a_checkpoint_without_the_zeros_that_it_leaves_out(tmp_path: Path) -> None:
    learned = VideoEncoder()
    inflate(StillEncoder(learned.project), learned)
    save_weights(learned, tmp_path, "video")
    (tmp_path / MANIFEST).write_text((save_random_checkpoint(tmp_path / "other") / MANIFEST).read_text())
    encoder = VideoEncoder()
    load_r3d(encoder, str(tmp_path))
    round_as_stored(learned)
    assert all(torch.equal(t, learned.r3d.state_dict()[name]) for name, t in encoder.r3d.state_dict().items())


def test_sound_starts_with_the_statistics_that_it_learned_with(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path)
    save_random_checkpoint(tmp_path / "starter", mel_mean=-3.0, mel_std=1.5)
    assert sound_statistics(recipe) == (-3.0, 1.5)
    save_random_checkpoint(tmp_path / "starter", hop_length=320)
    with pytest.raises(DataError, match="hop_length 320, the recipe makes them with 160"):
        sound_statistics(recipe)


# ---------------------------------------------------------------- what learns


def test_frozen_parts_stay_and_the_last_stage_learns(tmp_path: Path) -> None:
    write_recipe(tmp_path, dropout=0.5)
    path = tmp_path / "tiny.toml"
    path.write_text(
        path.read_text()
        .replace('/bert"', '/bert"\ntrained = "last stage"')
        .replace('/starter"', '/starter"\ntrained = "frozen"')
    )
    recipe = load_recipe(str(path))
    assert isinstance(recipe, JointRecipe)
    network = make_joint_network(recipe)
    freeze(network, recipe)
    to_training_mode(network, recipe)
    bert, cnn = network.encoders["text"].bert, network.encoders["audio"].spectrogram
    assert not bert.embeddings.dropout.training and not bert.encoder.layer[0].training
    assert bert.encoder.layer[1].training and not cnn.mix.training and not cnn.blocks[0].training
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    data = write_prepared(tmp_path / "data", recipe.clip)
    run = run_of(recipe, data, tmp_path / "run", network)
    run.run_to_the_end()
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert not any(
        part in name for name in changed for part in (".bert.embeddings", "bert.encoder.layer.0", "spectrogram")
    )
    for part in ("text.bert.encoder.layer.1", "text.project", "audio.project", "fusion.absent", "fusion.head"):
        assert any(part in name for name in changed), part


def test_each_part_has_its_own_rate_and_norms_and_biases_do_not_decay(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path)
    network = make_joint_network(recipe)
    groups = parameter_groups(network, recipe)
    assert {(g["name"], g["lr"]) for g in groups} == {("text", 1e-3), ("audio", 1e-3), ("head", 2e-3)}
    assert all((p.ndim > 1) == (g["weight_decay"] > 0) for g in groups for p in g["params"])
    assert sum(len(g["params"]) for g in groups) == len(list(network.parameters()))


# ---------------------------------------------------------------- memory


def forget_to_fit(network: FusionNetwork, most_clips: int) -> FusionNetwork:
    forward = network.forward

    def small_memory(batch: object) -> torch.Tensor:
        if len(batch) > most_clips:  # type: ignore[arg-type]
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return forward(batch)  # type: ignore[arg-type]

    network.forward = small_memory  # type: ignore[method-assign, assignment]
    return network


def test_where_memory_runs_out_parts_are_halved_and_the_step_stays_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = tiny_recipe(tmp_path)
    data = write_prepared(tmp_path / "data", recipe.clip)
    caplog.set_level("INFO")
    small = run_of(recipe, data, tmp_path / "small", forget_to_fit(make_joint_network(recipe), 3))
    assert small.progress.micro_batch_size == 2
    assert "out of memory with 8 clips at a time: going on with 4, and 8 clips a step as before" in caplog.text
    small.run_to_the_end()
    large = run_of(recipe, data, tmp_path / "large")
    assert large.progress.micro_batch_size == 8
    large.run_to_the_end()
    for one, other in zip(small.progress.history, large.progress.history, strict=True):
        assert one["train"]["loss"] == pytest.approx(other["train"]["loss"], abs=1e-5)
        assert one["validation"]["loss"] == pytest.approx(other["validation"]["loss"], abs=1e-4)
    with pytest.raises(SettingsError, match="not even one clip fits"):
        run_of(recipe, data, tmp_path / "none", forget_to_fit(make_joint_network(recipe), 0))


def test_the_bench_counts_what_there_is_to_learn_and_takes_steps(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path)
    figures = bench(recipe, 2, 1, bert_config(recipe.joint.text.start or ""))
    parameters = figures["parameters"]
    assert parameters["total"] == parameters["trained"] > 10_000
    assert parameters["total"] == sum(parameters[part]["total"] for part in ("text", "audio", "fusion"))
    flops = figures["flops_per_clip"]
    assert 1.5 * flops["validation"] < flops["train"] <= 3 * flops["validation"]
    assert figures["whole_run"]["clips"] == {"train": 2 * 9_989, "validation": 2 * 1_109}
    assert figures["peak_memory_gib"] > 0 and len(figures["seconds_per_step"]["all"]) == 1


# ---------------------------------------------------------------- the chain


def test_fit_makes_a_checkpoint_that_reads_all_three_signals(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torchvision.models.video import r3d_18

    torch.save(r3d_18(weights=None).state_dict(), tmp_path / "r3d_18.pth")
    video = f'start = "{tmp_path}/r3d_18.pth"\ntrained = "frozen"\nfrozen_batch_norm = true\nlearning_rate = 1e-4'
    recipe = write_recipe(tmp_path, video=video, epochs=1)
    data, run = tmp_path / "data", tmp_path / "run"
    command = ["fit", "--recipe", str(recipe), "--data", str(data), "--run", str(run)]
    assert main(command) == 2
    assert "python -m train prepare" in capsys.readouterr().err
    settings = load_recipe(str(recipe)).clip
    write_prepared(data, settings)
    caplog.set_level("INFO")
    assert main(command) == 0
    assert "epoch 1/1" in caplog.text and "min left" in caplog.text
    checkpoint = load_checkpoint(run / "checkpoint")
    assert load_checkpoint(run / LAST_CHECKPOINT).name == checkpoint.name == "tiny"
    assert set(checkpoint.calibration.temperatures) == {subset_key(subset) for subset in SUBSETS}
    clip = PreparedClips(find_cache(data, settings, "test"), "test", checkpoint.preprocessor)[0][0]
    (answer,) = predict(checkpoint, [Segment(0.0, 1.0, "speech", LINES["anger"][0])], [clip], [()])
    assert answer.affect is not None and set(answer.evidence) == set(SUBSETS)
    assert (run / "checkpoint" / "MODEL_CARD.md").read_text().startswith("---")
    assert (run / "curves.png").stat().st_size > 10_000 and (run / "curves.svg").is_file()
    curves = EventAccumulator(str(run / "curves")).Reload()
    scalars = set(curves.Tags()["scalars"])
    assert scalars >= {"train/loss", "validation/emotion_loss", "validation/sentiment_weighted_f1"}
    assert {f"validation_{name}_alone/emotion_weighted_f1" for name in ("words", "voice", "face")} <= scalars
    assert curves.Tags()["images"] == ["validation/emotion_confusion", "validation/sentiment_confusion"]
    assert any("samples" in tag for tag in curves.Tags()["tensors"])
    recipe.write_text(recipe.read_text().replace("batch_size = 8", "batch_size = 4"))
    assert main(command) == 2
    assert "begun with other settings" in capsys.readouterr().err
