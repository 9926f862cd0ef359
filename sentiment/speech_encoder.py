"""The first layers of Whisper's encoder, which hear how something is said.

Half-way up, the encoder still holds the voice; its last layers keep what a transcript needs and let the rest go.
A logistic regression on the mean and deviation of its states names the emotion of actors that it has not learned
from (RAVDESS, five folds) in 0.69 of the recordings after the sixth and last layer of Whisper base, in 0.73 after
the fourth and in 0.76 after the third (python -m train layers). That the middle hears best is common to speech
models (Pasad et al. 2021).

CTranslate2 gives only what leaves the last layer. So the model is read without its later layers, which also makes
it faster, and with next to nothing of its decoder, which is never asked.
"""

from __future__ import annotations

import io
import logging
import re
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import numpy as np

from sentiment.errors import TranscriptionError
from sentiment.whisper_files import find_whisper_files

logger = logging.getLogger(__name__)

WHISPER_DYNAMIC_RANGE_LOG10: Final = 8.0
"""Whisper raises what lies further below the loudest point to there (openai/whisper, audio.py)."""

LOUDEST_SPEECH_LOG10: Final = 2.0
"""Where the loudest point of speech recorded at a usual level lies in Whisper's scale. The encoder is always given
that, whatever the microphone's gain."""

SILENCE_AROUND_FRAMES: Final = 100
"""A second of silence on either side of what is encoded. The encoder has learned from half a minute at a time and
gathers in silent places what it knows of the whole; without them it tells feelings apart less well."""

_BINARY_VERSION: Final = 6
_SPEC: Final = b"WhisperSpec\0"
"""CTranslate2's format of model.bin as read here (its python/ctranslate2/specs/model_spec.py, ModelSpec._serialize)."""

_LAYER: Final = re.compile(r"(encoder|decoder)/layer_(\d+)/")
_EMBEDDINGS: Final = "decoder/embeddings/weight"
_KEPT_TOKENS: Final = 16
"""The decoder's vocabulary is a third of Whisper base; so much of it is enough to load the rest."""


class WhisperEncoder:
    """Whisper's encoder up to some layer, frozen; threads may share it."""

    def __init__(self, whisper: Any) -> None:
        self._whisper = whisper

    def encode(self, log_mel: np.ndarray) -> np.ndarray:
        """What the encoder makes of a stretch of sound as it is, without recognising anything.

        `log_mel` (80, mel_frames) float32 is log10 mel power below its loudest point, in Whisper's own mel
        settings. Returns (state_size, num_states) float32, 50 states a second: those of the sound with a second
        of silence on either side.
        """
        import ctranslate2

        power = np.maximum(log_mel, -WHISPER_DYNAMIC_RANGE_LOG10) + LOUDEST_SPEECH_LOG10
        after = SILENCE_AROUND_FRAMES + log_mel.shape[1] % 2  # one state stands for two spectrogram frames
        surrounded = np.pad(power, ((0, 0), (SILENCE_AROUND_FRAMES, after)), constant_values=power.min())
        scaled = np.ascontiguousarray((surrounded + 4) / 4, dtype=np.float32)  # as in openai/whisper, audio.py
        states = self._whisper.encode(ctranslate2.StorageView.from_array(scaled[None]), to_cpu=True)
        return np.ascontiguousarray(np.asarray(states, dtype=np.float32)[0].T)


def load_whisper_encoder(model: str, num_layers: int) -> WhisperEncoder:
    """The first `num_layers` layers of that Whisper's encoder, on the CPU; for the names of models see
    `transcription.load_transcriber`.

    In float32: 8 bits are hardly faster in so few layers, and would change one answer in forty.

    Raises TranscriptionError where there is no such model, it cannot be fetched or read, or has fewer layers.
    """
    import ctranslate2

    files = find_whisper_files(model)
    try:
        with (files.folder / "model.bin").open("rb") as file:
            weights = first_layers(file, num_layers)
        parts = {
            "model.bin": io.BytesIO(weights),
            "config.json": io.BytesIO((files.folder / "config.json").read_bytes()),
            "vocabulary.json": io.BytesIO(b"[%s]" % b",".join(b'"%d"' % token for token in range(_KEPT_TOKENS))),
        }
        # A name without files: all of them are given. The decoder's one layer is never asked.
        whisper = ctranslate2.models.Whisper("", device="cpu", compute_type="float32", files=parts)
    except (RuntimeError, ValueError, OSError, struct.error) as error:
        raise TranscriptionError(
            f"the encoder of the Whisper model in {files.folder} cannot be read: {error}"
        ) from error
    logger.info("the voice is read by %d layers of Whisper %s (%s)", num_layers, files.model_name, files.source)
    return WhisperEncoder(whisper)


def count_layers(model: str) -> int:
    """How many layers the encoder of that Whisper has; for errors see `load_whisper_encoder`."""
    folder = find_whisper_files(model).folder
    try:
        with (folder / "model.bin").open("rb") as file:
            return len(_read_model(file).encoder_layers)
    except (ValueError, OSError, struct.error) as error:
        raise TranscriptionError(f"the encoder of the Whisper model in {folder} cannot be read: {error}") from error


def first_layers(file: BinaryIO, num_layers: int) -> bytes:
    """A CTranslate2 Whisper model cut down to the first layers of its encoder.

    Raises ValueError where the file is none that is understood here, or its encoder has fewer layers.
    """
    model = _read_model(file)
    found = len(model.encoder_layers)
    if num_layers not in range(1, found + 1):
        raise ValueError(f"its encoder has {found} layers; {num_layers} of them are asked for")
    kept = [
        variable
        for name, variable in model.variables
        if (layer := _LAYER.match(name)) is None or int(layer[2]) < (num_layers if layer[1] == "encoder" else 1)
    ]
    return b"".join([model.head, struct.pack("<I", len(kept)), *kept, model.aliases])


@dataclass(frozen=True, slots=True)
class _Model:
    """What stands in model.bin, one after the other."""

    head: bytes
    variables: list[tuple[str, bytes]]
    """Each one's name, and the whole of it."""
    aliases: bytes

    @property
    def encoder_layers(self) -> set[int]:
        layers = (_LAYER.match(name) for name, _ in self.variables)
        return {int(layer[2]) for layer in layers if layer and layer[1] == "encoder"}


def _read_model(file: BinaryIO) -> _Model:
    """The model, of its decoder's embeddings the first rows alone."""
    version, spec = _read_number(file), _read_name(file)
    if version != _BINARY_VERSION or spec != _SPEC:
        raise ValueError(
            f"model.bin holds {spec.decode(errors='replace')!r} in version {version}; "
            f"{_SPEC.decode()!r} in version {_BINARY_VERSION} is understood"
        )
    head = struct.pack("<I", version) + _packed_name(spec) + file.read(4)  # the last is the spec's revision
    variables = [_read_variable(file) for _ in range(_read_number(file))]
    return _Model(head, variables, aliases=file.read())


def _read_variable(file: BinaryIO) -> tuple[str, bytes]:
    """The name of the next variable, and the whole of it as it stands in the file; of embeddings the first rows."""
    name = _read_name(file)
    (rank,) = file.read(1)
    dimensions = list(struct.unpack(f"<{rank}I", file.read(4 * rank)))
    kind = file.read(1)
    data = file.read(_read_number(file))
    decoded = name.rstrip(b"\0").decode()
    if decoded == _EMBEDDINGS:
        data = data[: len(data) // dimensions[0] * _KEPT_TOKENS]
        dimensions[0] = _KEPT_TOKENS
    shape = struct.pack(f"<B{rank}I", rank, *dimensions)
    return decoded, _packed_name(name) + shape + kind + struct.pack("<I", len(data)) + data


def _read_number(file: BinaryIO) -> int:
    return struct.unpack("<I", file.read(4))[0]


def _read_name(file: BinaryIO) -> bytes:
    (length,) = struct.unpack("<H", file.read(2))
    return file.read(length)


def _packed_name(name: bytes) -> bytes:
    return struct.pack("<H", len(name)) + name
