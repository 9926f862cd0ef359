"""From what was seen and heard to tensors: all preprocessing, for training and for use alike.

What a clip becomes is decided by the `ClipSettings` that a checkpoint carries. Nothing here is
random; training adds its augmentation to what this module returns.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from sentiment.clip_datatypes import ClipBatch, ClipInputs, ClipSettings
from sentiment.datatypes import FaceBox, Segment
from sentiment.media_datatypes import AudioTrack, VideoFrame

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_TYPOGRAPHIC = str.maketrans(
    {"‘": "'", "’": "'", "‚": "'", "‛": "'", "′": "'", "“": '"', "”": '"', "„": '"', "‟": '"', "″": '"'}
    | {"‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "―": "-", "−": "-", "…": "..."}
)
"""Twenty-seven percent of MELD's lines hold such marks, and Whisper writes none of them."""

_SMALLEST_MEL_POWER = 1e-10
"""Floor before the logarithm, as in openai/whisper audio.py: silence is a number and not -inf."""


# ---------------------------------------------------------------- words


def normalize_text(text: str) -> str:
    """The text as BERT shall read it: plain quotes, dashes and dots, one blank between words."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(_TYPOGRAPHIC).split())


def words_to_read(segment: Segment, language: str | None, settings: ClipSettings) -> str | None:
    """What the network reads of an utterance: its words, in a language unknown to it their translation, or nothing."""
    words = segment.text if language in settings.languages else segment.translation
    return words if words.strip() else None


def _tokenize(
    text: str, context: Sequence[str], following: Sequence[str], settings: ClipSettings, tokenizer: Tokenizer
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Token ids, token types and utterance mask, each (num_tokens,), num_tokens <= settings.max_tokens.

    The utterance is segment A; what was said before it, and then what was said after it, is segment B:

        [CLS] no way [SEP] she said yes [SEP] i know [SEP]
          0   0   0    0    1   1   1     1   1   1    1     token_type_ids
              x   x                                          utterance_mask

    Where nothing was said after it, its separator is left out, too; where something was, the one before it never is.
    What follows takes at most half of the room that the utterance leaves.
    """
    start, separator = _mark_id(tokenizer, "[CLS]"), _mark_id(tokenizer, "[SEP]")

    def ids_of(*lines: str) -> list[int]:
        return tokenizer.encode(" ".join(map(normalize_text, lines)), add_special_tokens=False).ids

    own = ids_of(text)[: settings.max_tokens - 2]
    token_ids = [start, *own, separator]
    num_earlier = min(settings.context_utterances, len(context))
    earlier = ids_of(*context[len(context) - num_earlier :])
    later = ids_of(*following[: settings.following_utterances])
    room = settings.max_tokens - len(token_ids) - 1
    context_ids: list[int] = []
    if later and room > 2:
        later = later[: room // 2]
        room -= len(later) + 1
        context_ids = [*earlier[max(0, len(earlier) - room) :], separator, *later, separator]
    elif earlier and room > 0:
        context_ids = [*earlier[-room:], separator]
    token_type_ids = [0] * len(token_ids) + [1] * len(context_ids)
    # An utterance without a single known character still has [CLS] and [SEP] to be read from.
    first, last = (1, 1 + len(own)) if own else (0, 2)
    utterance_mask = [first <= i < last for i in range(len(token_type_ids))]
    return (
        torch.tensor(token_ids + context_ids, dtype=torch.int64),
        torch.tensor(token_type_ids, dtype=torch.int64),
        torch.tensor(utterance_mask, dtype=torch.bool),
    )


def _mark_id(tokenizer: Tokenizer, mark: str) -> int:
    token_id = tokenizer.token_to_id(mark)
    if token_id is None:
        raise ValueError(f"the tokenizer is not BERT's: it has no {mark}")
    return token_id


# ---------------------------------------------------------------- sound


class LogMel:
    """Samples to a normalised log-mel spectrogram."""

    def __init__(self, settings: ClipSettings) -> None:
        from torchaudio.transforms import MelSpectrogram

        self._settings = settings
        self._mel = MelSpectrogram(
            sample_rate=settings.sample_rate_hz,
            n_fft=settings.n_fft,
            hop_length=settings.hop_length,
            n_mels=settings.n_mels,
            norm="slaney",
            mel_scale="slaney",
        )

    def raw(self, audio: AudioTrack) -> torch.Tensor:
        """(n_mels, mel_frames) float32: log10 mel power below the clip's loudest point, at most 0.

        Measured from the clip's own loudest point because nobody knows how a stranger's microphone
        was turned up: two copies of a clip at different volume give the same tensor.
        """
        if audio.sample_rate_hz != self._settings.sample_rate_hz:
            raise ValueError(f"sound must be at {self._settings.sample_rate_hz} Hz, got {audio.sample_rate_hz} Hz")
        longest = round(self._settings.max_audio_seconds * audio.sample_rate_hz)
        skipped = max(0, len(audio.samples) - longest) // 2
        samples = torch.from_numpy(np.ascontiguousarray(audio.samples[skipped : skipped + longest]))
        # A spectrogram needs one full window to reflect at its edges.
        samples = F.pad(samples, (0, max(0, self._settings.n_fft - len(samples))))
        log_power = self._mel(samples).clamp(min=_SMALLEST_MEL_POWER).log10()
        return log_power - log_power.max()

    def clip(self, raw: torch.Tensor) -> torch.Tensor:
        """The same with everything below the dynamic range raised to its floor."""
        return raw.clamp(min=-self._settings.mel_dynamic_range_log10)

    def normalize(self, raw: torch.Tensor) -> torch.Tensor:
        """What the network's CNN reads of it: the dynamic range, with the corpus's mean and deviation."""
        return (self.clip(raw) - self._settings.mel_mean) / self._settings.mel_std


class SpeechEncoder(Protocol):
    """A frozen network that has learned from much more speech than there is with feelings written beside it."""

    def encode(self, log_mel: np.ndarray) -> np.ndarray:
        """(state_size, num_states) float32 from log10 mel power (n_mels, mel_frames) float32, at most 0."""
        ...


# ---------------------------------------------------------------- frames


def sample_times(segment: Segment, settings: ClipSettings) -> tuple[float, ...]:
    """The frame_count times, in seconds, at which a segment is looked at: the middles of equal parts."""
    step_seconds = segment.duration_seconds / settings.frame_count
    return tuple(segment.start_seconds + (i + 0.5) * step_seconds for i in range(settings.frame_count))


def crop_faces(frames: Sequence[VideoFrame], boxes: Sequence[FaceBox], settings: ClipSettings) -> list[np.ndarray]:
    """The square around each frame's face, (side, side, 3) uint8 RGB; one box for each frame.

    The square has the box's longer side, grown by `settings.face_margin` on each side. Where it
    reaches beyond the picture, the picture's border is repeated, so that faces are never squeezed.
    """
    crops = []
    for frame, box in zip(frames, boxes, strict=True):
        height, width, _ = frame.image.shape
        longer_px = max((box.right - box.left) * width, (box.bottom - box.top) * height)
        side = max(1, round(longer_px * (1 + 2 * settings.face_margin)))
        left = round((box.left + box.right) / 2 * width - side / 2)
        top = round((box.top + box.bottom) / 2 * height - side / 2)
        columns = np.clip(np.arange(left, left + side), 0, width - 1)
        rows = np.clip(np.arange(top, top + side), 0, height - 1)
        crops.append(frame.image[rows[:, None], columns])
    return crops


def frames_to_tensor(images: Sequence[np.ndarray], settings: ClipSettings) -> torch.Tensor:
    """(3, num_images, frame_size_px, frame_size_px) float32, normalised, from (H, W, 3) uint8 RGB images.

    A whole picture that is not square is cut to its middle square, which no face crop needs.
    """
    size = (settings.frame_size_px, settings.frame_size_px)
    squares = []
    for image in images:
        side = min(image.shape[:2])
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        square = image[top : top + side, left : left + side]
        shrinking = side > settings.frame_size_px
        resized = cv2.resize(square, size, interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
        if settings.colour == "grey":
            resized = cv2.cvtColor(cv2.cvtColor(resized, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        squares.append(resized)
    pixels = torch.from_numpy(np.stack(squares)).permute(3, 0, 1, 2).float() / 255
    mean = torch.tensor(settings.frame_mean).view(3, 1, 1, 1)
    std = torch.tensor(settings.frame_std).view(3, 1, 1, 1)
    return (pixels - mean) / std


# ---------------------------------------------------------------- whole clips


class ClipPreprocessor:
    """Makes the tensors of one segment. Immutable; threads may share it."""

    def __init__(
        self, settings: ClipSettings, tokenizer: Tokenizer, speech_encoder: SpeechEncoder | None = None
    ) -> None:
        if (settings.speech_encoder is None) != (speech_encoder is None):
            raise ValueError(f"the settings want the speech encoder {settings.speech_encoder!r}, got {speech_encoder}")
        self.settings = settings
        self.tokenizer = tokenizer
        self.log_mel = LogMel(settings)
        self.speech_encoder = speech_encoder

    def make(
        self,
        text: str | None = None,
        context: Sequence[str] = (),
        following: Sequence[str] = (),
        audio: AudioTrack | None = None,
        images: Sequence[np.ndarray] | None = None,
    ) -> ClipInputs:
        """Tensors for whatever is given; what is None, empty or blank, or not read by the network, is absent.

        `context` holds earlier utterances, oldest first, and `following` later ones, next first. `images` are the
        frame_count pictures of the segment, (H, W, 3) uint8 RGB, already cropped to the face where `framing` is "face".
        """
        if images is not None and len(images) not in (0, self.settings.frame_count):
            raise ValueError(f"a clip has {self.settings.frame_count} frames, got {len(images)}")
        token_ids = token_type_ids = utterance_mask = log_mel = speech_states = None
        if "text" in self.settings.modalities and text is not None and text.strip():
            token_ids, token_type_ids, utterance_mask = _tokenize(
                text, context, following, self.settings, self.tokenizer
            )
        if "audio" in self.settings.modalities and audio is not None and len(audio.samples):
            log_mel, speech_states = self.hear(audio)
        return ClipInputs(
            frames=frames_to_tensor(images, self.settings) if images and "video" in self.settings.modalities else None,
            log_mel=log_mel,
            speech_states=speech_states,
            token_ids=token_ids,
            token_type_ids=token_type_ids,
            utterance_mask=utterance_mask,
        )

    def hear(self, audio: AudioTrack) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The spectrogram that the CNN reads, and what the speech encoder makes of it where there is one."""
        raw = self.log_mel.raw(audio)
        log_mel = self.log_mel.normalize(raw)
        if self.speech_encoder is None:
            return log_mel, None
        return log_mel, torch.from_numpy(self.speech_encoder.encode(raw.numpy()))


def collate(clips: Sequence[ClipInputs]) -> ClipBatch:
    """One padded batch of the clips, in their order. Clips may lack modalities, each its own."""
    presence = torch.tensor([clip.presence for clip in clips])
    attention = [None if c.token_ids is None else torch.ones_like(c.token_ids, dtype=torch.bool) for c in clips]
    return ClipBatch(
        presence=presence,
        frames=_pad([c.frames for c in clips]),
        log_mel=_pad([c.log_mel for c in clips]),
        mel_lengths=_lengths([c.log_mel for c in clips]),
        speech_states=_pad([c.speech_states for c in clips]),
        speech_lengths=_lengths([c.speech_states for c in clips]),
        token_ids=_pad([c.token_ids for c in clips]),
        token_type_ids=_pad([c.token_type_ids for c in clips]),
        attention_mask=_pad(attention),
        utterance_mask=_pad([c.utterance_mask for c in clips]),
    )


def _lengths(tensors: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    """(B,) int64 sizes of the last dimension, 0 where a tensor is absent; None where all are."""
    lengths = [0 if tensor is None else tensor.shape[-1] for tensor in tensors]
    return torch.tensor(lengths, dtype=torch.int64) if any(lengths) else None


def _pad(tensors: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    """Stacks tensors that differ in their last dimension at most, padding with zeros; absent ones are all zero."""
    given = [t for t in tensors if t is not None]
    if not given:
        return None
    longest = max(t.shape[-1] for t in given)
    padded = given[0].new_zeros((len(tensors), *given[0].shape[:-1], longest))
    for row, tensor in zip(padded, tensors, strict=True):
        if tensor is not None:
            row[..., : tensor.shape[-1]] = tensor
    return padded
