"""What the network reads: a segment as tensors, and the settings that decide how it becomes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from sentiment.datatypes import ModalitySubset
from sentiment.errors import SettingsError
from sentiment.labels import MODALITIES

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class ClipSettings:
    """How a clip becomes tensors. Lives in the checkpoint, so that training and use cannot differ."""

    modalities: tuple[str, ...] = MODALITIES
    """What the network has learned to read, in the order of MODALITIES; anything else is taken as absent."""

    frame_count: int = 16
    """Frames spread evenly over the whole segment."""
    frame_size_px: int = 112
    """Frames are square."""
    framing: Literal["face", "frame"] = "face"
    """What the network learned to look at: the face alone, or the whole picture."""
    face_margin: float = 0.0
    """How much of the face box's size is added on each side before cropping."""
    colour: Literal["rgb", "grey"] = "rgb"
    """Grey frames are repeated over the three channels."""
    frame_mean: tuple[float, float, float] = (0.43216, 0.394666, 0.37645)
    """Of Kinetics-400, as torchvision's R3D_18_Weights.KINETICS400_V1 states it."""
    frame_std: tuple[float, float, float] = (0.22803, 0.22145, 0.216989)

    sample_rate_hz: int = 16_000
    n_fft: int = 400
    """25 ms at 16 kHz. The mel settings are those of Whisper (openai/whisper, audio.py), so that its
    encoder could read the same spectrogram."""
    hop_length: int = 160
    """10 ms at 16 kHz: 100 spectrogram frames a second."""
    n_mels: int = 80
    mel_mean: float = 0.0
    """Of the training corpus's log10 mel power, measured from each clip's loudest point."""
    mel_std: float = 1.0
    mel_dynamic_range_log10: float = 6.0
    """What lies further below a clip's loudest point is silence: 60 dB, about what a good room gives."""
    max_audio_seconds: float = 15.0
    """Longer sound is cut to its middle."""
    speech_encoder: str | None = None
    """The Whisper whose frozen encoder reads the same spectrogram beside the network's own CNN, such as "base"."""
    speech_encoder_layers: int = 3
    """How many of its layers, from the first on; for the choice see `sentiment.speech_encoder`."""

    max_tokens: int = 96
    """Words beyond are cut: first those of the oldest context, last those of the utterance itself."""
    languages: tuple[str, ...] = ("en",)
    """ISO 639-1 codes of what the network has learned to read. Words in any other language are shown, and
    taken as absent."""
    context_utterances: int = 0
    """How many earlier utterances the words are read with, as BERT's segment B."""
    following_utterances: int = 0
    """How many later ones: what somebody answers tells how a line was meant. The last line of a recording has none."""

    def __post_init__(self) -> None:
        for name in ("frame_count", "frame_size_px", "sample_rate_hz", "n_fft", "hop_length", "n_mels"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"clip setting {name} must be positive, got {getattr(self, name)}")
        if not self.modalities or self.modalities != tuple(m for m in MODALITIES if m in self.modalities):
            raise SettingsError(
                f"clip setting modalities must be some of {', '.join(MODALITIES)} in that order, got {self.modalities}"
            )
        if self.framing not in ("face", "frame"):
            raise SettingsError(f"clip setting framing must be 'face' or 'frame', got {self.framing!r}")
        if self.colour not in ("rgb", "grey"):
            raise SettingsError(f"clip setting colour must be 'rgb' or 'grey', got {self.colour!r}")
        for name in ("mel_std", "mel_dynamic_range_log10", "max_audio_seconds"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"clip setting {name} must be positive, got {getattr(self, name)}")
        if self.max_tokens < 3:
            raise SettingsError(f"clip setting max_tokens must be at least 3, got {self.max_tokens}")
        for name in ("context_utterances", "following_utterances"):
            if getattr(self, name) < 0:
                raise SettingsError(f"clip setting {name} must be >= 0, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True, eq=False)
class ClipInputs:
    """One segment as tensors. What the segment does not have is None."""

    frames: torch.Tensor | None = None
    """(3, frame_count, frame_size_px, frame_size_px) float32, normalised."""
    log_mel: torch.Tensor | None = None
    """(n_mels, mel_frames) float32, normalised; mel_frames follows the length of the sound."""
    speech_states: torch.Tensor | None = None
    """(state_size, num_states) float32: what the speech encoder makes of the same sound."""
    token_ids: torch.Tensor | None = None
    """(num_tokens,) int64: [CLS] utterance [SEP], then what was said before and after it; see `sentiment.clips`."""
    token_type_ids: torch.Tensor | None = None
    """(num_tokens,) int64: 0 for the utterance, 1 for its context."""
    utterance_mask: torch.Tensor | None = None
    """(num_tokens,) bool: True on the utterance's own words, over which the mean is taken."""

    def __post_init__(self) -> None:
        if self.frames is not None and (self.frames.ndim != 4 or self.frames.shape[0] != 3):
            raise ValueError(f"frames must be (3, frames, height, width), got {tuple(self.frames.shape)}")
        if self.log_mel is not None and self.log_mel.ndim != 2:
            raise ValueError(f"log_mel must be (n_mels, mel_frames), got {tuple(self.log_mel.shape)}")
        if self.speech_states is not None and self.log_mel is None:
            raise ValueError("speech_states belong to a log_mel, and there is none")
        token_fields = (self.token_ids, self.token_type_ids, self.utterance_mask)
        if len({None if t is None else tuple(t.shape) for t in token_fields}) != 1:
            raise ValueError("token_ids, token_type_ids and utterance_mask must be given together, in one shape")

    @property
    def present(self) -> ModalitySubset:
        """Which modalities the segment has, in the order of MODALITIES."""
        return tuple(m for m, here in zip(MODALITIES, self.presence, strict=True) if here)

    @property
    def presence(self) -> tuple[bool, bool, bool]:
        """Whether the segment has each of MODALITIES, in their order."""
        return self.token_ids is not None, self.log_mel is not None, self.frames is not None

    def __repr__(self) -> str:
        shapes = {
            name: None if tensor is None else tuple(tensor.shape)
            for name, tensor in (("frames", self.frames), ("log_mel", self.log_mel), ("token_ids", self.token_ids))
        }
        return f"ClipInputs({', '.join(f'{name}={shape}' for name, shape in shapes.items())})"


@dataclass(frozen=True, slots=True, eq=False)
class ClipBatch:
    """Several segments as tensors, padded. A modality that no segment of the batch has is None."""

    presence: torch.Tensor
    """(B, 3) bool, in the order of MODALITIES. Rows that are False hold zeros in that modality's tensors."""
    frames: torch.Tensor | None = None
    """(B, 3, frame_count, frame_size_px, frame_size_px) float32."""
    log_mel: torch.Tensor | None = None
    """(B, n_mels, max_mel_frames) float32."""
    mel_lengths: torch.Tensor | None = None
    """(B,) int64: how many spectrogram frames are sound and not padding."""
    speech_states: torch.Tensor | None = None
    """(B, state_size, max_states) float32."""
    speech_lengths: torch.Tensor | None = None
    """(B,) int64: how many states are not padding."""
    token_ids: torch.Tensor | None = None
    """(B, max_tokens) int64."""
    token_type_ids: torch.Tensor | None = None
    """(B, max_tokens) int64."""
    attention_mask: torch.Tensor | None = None
    """(B, max_tokens) bool: True where there is a token and not padding."""
    utterance_mask: torch.Tensor | None = None
    """(B, max_tokens) bool: True on the utterance's own words."""

    def __len__(self) -> int:
        return self.presence.shape[0]

    def to(self, device: torch.device | str) -> ClipBatch:
        """The same batch with its tensors on another device."""
        tensors = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return replace(self, **{name: tensor.to(device) for name, tensor in tensors.items() if tensor is not None})
