"""Preprocessing: what becomes of words, sound and pictures, and that training does the very same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from small_parts import tiny_tokenizer

from sentiment.clip_datatypes import ClipSettings
from sentiment.clips import ClipPreprocessor, collate, crop_faces, frames_to_tensor, normalize_text, sample_times
from sentiment.datatypes import FaceBox, Segment
from sentiment.errors import SettingsError
from sentiment.media_datatypes import AudioTrack, VideoFrame
from train.corpora import Example
from train.dataset import ExampleDataset, load_audio, load_image

SETTINGS = ClipSettings(frame_count=4, frame_size_px=32, max_tokens=16, context_utterances=2)
FOLLOWING_SETTINGS = replace(SETTINGS, following_utterances=1)


@pytest.fixture(scope="module")
def preprocessor() -> ClipPreprocessor:
    return ClipPreprocessor(SETTINGS, tiny_tokenizer())


@pytest.fixture(scope="module")
def following() -> ClipPreprocessor:
    """The same, which also reads what is said after an utterance."""
    return ClipPreprocessor(FOLLOWING_SETTINGS, tiny_tokenizer())


def tone(seconds: float, loudness: float = 0.5) -> AudioTrack:
    times = np.arange(round(seconds * 16_000)) / 16_000
    return AudioTrack((loudness * np.sin(2 * np.pi * 440 * times)).astype(np.float32), 16_000)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("You must’ve had your hands full.", "You must've had your hands full."),
        ("“No”—she  said…", '"No"-she said...'),
        ("\u00a0caf\u0065\u0301 ", "café"),
    ],
)
def test_typography_is_made_plain(typed: str, read: str) -> None:
    assert normalize_text(typed) == read


def test_curly_and_straight_quotes_give_the_same_tokens(preprocessor: ClipPreprocessor) -> None:
    curly, straight = preprocessor.make(text="it’s “on”"), preprocessor.make(text='it\'s "on"')
    assert curly.token_ids is not None
    assert torch.equal(curly.token_ids, straight.token_ids)


def test_context_is_segment_b_and_not_pooled(preprocessor: ClipPreprocessor) -> None:
    alone = preprocessor.make(text="ab")
    with_context = preprocessor.make(text="ab", context=["x", "y", "z"])
    length = len(alone.token_ids)
    assert torch.equal(with_context.token_ids[:length], alone.token_ids)
    assert with_context.token_type_ids.tolist() == [0] * length + [1] * 3  # y, z and [SEP]: two utterances are read
    assert with_context.utterance_mask.sum() == alone.utterance_mask.sum() == 2


def test_what_is_said_after_comes_last_and_is_marked_off(following: ClipPreprocessor) -> None:
    separator = following.tokenizer.token_to_id("[SEP]")
    alone, before = following.make(text="ab"), following.make(text="ab", context=["x"])
    after = following.make(text="ab", following=["y", "z"])
    both = following.make(text="ab", context=["x"], following=["y", "z"])
    (y,) = following.tokenizer.encode("y", add_special_tokens=False).ids
    assert after.token_ids.tolist() == [*alone.token_ids.tolist(), separator, y, separator]  # one utterance is read
    assert both.token_ids.tolist() == [*before.token_ids.tolist(), y, separator]
    assert both.token_type_ids.tolist() == [*before.token_type_ids.tolist(), 1, 1]
    assert both.utterance_mask.sum() == alone.utterance_mask.sum()


def test_what_is_said_after_takes_no_more_than_half_of_the_room(following: ClipPreprocessor) -> None:
    """16 tokens: 4 of the utterance, its [CLS] and [SEP], and two more [SEP] leave 8."""
    long = "e f g h i j k l m n o p q"
    clip = following.make(text="a b c d", context=[long], following=[long])
    separators = (clip.token_ids == following.tokenizer.token_to_id("[SEP]")).nonzero().flatten().tolist()
    assert separators == [5, 10, 15]
    first = following.tokenizer.encode(long, add_special_tokens=False).ids
    assert clip.token_ids[11:15].tolist() == first[:4] and clip.token_ids[6:10].tolist() == first[-4:]
    full = following.make(text="a b c d e f g h i j k l m n o p q", following=["r"])
    assert len(full.token_ids) == 16 and full.token_type_ids.sum() == 0


def test_long_text_is_cut_to_its_limit_and_keeps_its_own_words(preprocessor: ClipPreprocessor) -> None:
    clip = preprocessor.make(text="a b c d e f g h i j k l m n o p q r s t", context=["u v w"])
    assert len(clip.token_ids) == SETTINGS.max_tokens
    assert clip.token_type_ids.sum() == 0
    crowded = preprocessor.make(text="a b c d e", context=["f g h i j k l m n o p q"])
    assert len(crowded.token_ids) == SETTINGS.max_tokens
    assert crowded.utterance_mask.sum() == 5


@pytest.mark.parametrize("text", [None, "", "   "])
def test_no_words_are_absent_words(preprocessor: ClipPreprocessor, text: str | None) -> None:
    assert preprocessor.make(text=text).present == ()


def test_volume_does_not_change_the_spectrogram(preprocessor: ClipPreprocessor) -> None:
    loud, quiet = preprocessor.make(audio=tone(1.0)), preprocessor.make(audio=tone(1.0, loudness=0.01))
    assert torch.allclose(loud.log_mel, quiet.log_mel, atol=1e-2)


@pytest.mark.parametrize("samples", [1, 399, 400, 16_000])
def test_silence_and_very_short_sound_give_finite_numbers(preprocessor: ClipPreprocessor, samples: int) -> None:
    clip = preprocessor.make(audio=AudioTrack(np.zeros(samples, np.float32), 16_000))
    assert clip.log_mel.shape[0] == SETTINGS.n_mels
    assert torch.isfinite(clip.log_mel).all()


class Counter:
    """A speech encoder that only counts what it is given."""

    def encode(self, log_mel: np.ndarray) -> np.ndarray:
        return np.full((3, max(1, log_mel.shape[1] // 2)), log_mel.max(), np.float32)


def test_a_speech_encoder_hears_the_same_spectrogram() -> None:
    settings = replace(SETTINGS, speech_encoder="base")
    preprocessor = ClipPreprocessor(settings, tiny_tokenizer(), Counter())
    clip, longer = preprocessor.make(audio=tone(1.0)), preprocessor.make(audio=tone(1.5))
    assert clip.log_mel is not None and clip.speech_states is not None
    assert clip.speech_states.shape == (3, clip.log_mel.shape[1] // 2)
    assert (clip.speech_states == 0).all()  # measured from the loudest point, whatever the volume
    batch = collate([clip, longer, preprocessor.make(text="no sound")])
    assert batch.speech_lengths is not None and batch.speech_lengths.tolist() == [50, 75, 0]
    assert batch.to("cpu").speech_states is not None


def test_a_speech_encoder_must_be_there_if_and_only_if_the_settings_name_one() -> None:
    with pytest.raises(ValueError, match="'base'"):
        ClipPreprocessor(replace(SETTINGS, speech_encoder="base"), tiny_tokenizer())
    with pytest.raises(ValueError, match="None"):
        ClipPreprocessor(SETTINGS, tiny_tokenizer(), Counter())


def test_what_a_network_has_not_learned_to_read_is_absent() -> None:
    preprocessor = ClipPreprocessor(replace(SETTINGS, modalities=("text",)), tiny_tokenizer())
    images = [np.zeros((8, 8, 3), np.uint8)] * SETTINGS.frame_count
    assert preprocessor.make("words", audio=tone(1.0), images=images).present == ("text",)
    with pytest.raises(SettingsError, match="text, audio, video"):
        replace(SETTINGS, modalities=("video", "text"))


def test_long_sound_is_cut_to_its_middle() -> None:
    preprocessor = ClipPreprocessor(replace(SETTINGS, max_audio_seconds=1.0), tiny_tokenizer())
    samples = np.zeros(48_000, np.float32)
    samples[16_000:32_000] = tone(1.0).samples
    clip = preprocessor.make(audio=AudioTrack(samples, 16_000))
    assert torch.equal(clip.log_mel, preprocessor.make(audio=tone(1.0)).log_mel)


def test_frames_are_looked_at_in_the_middles_of_equal_parts() -> None:
    assert sample_times(Segment(10.0, 14.0, "silent"), SETTINGS) == (10.5, 11.5, 12.5, 13.5)


def test_frames_are_rgb_and_normalised_as_kinetics() -> None:
    red = np.zeros((40, 60, 3), np.uint8)
    red[..., 0] = 255
    tensor = frames_to_tensor([red, red], SETTINGS)
    assert tensor.shape == (3, 2, 32, 32)
    expected = [(v - m) / s for v, m, s in zip((1, 0, 0), SETTINGS.frame_mean, SETTINGS.frame_std, strict=True)]
    assert torch.allclose(tensor[:, 0, 16, 16], torch.tensor(expected))


def test_grey_frames_have_three_equal_channels() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (50, 50, 3), np.uint8)
    tensor = frames_to_tensor([image], replace(SETTINGS, colour="grey", frame_mean=(0, 0, 0), frame_std=(1, 1, 1)))
    assert torch.equal(tensor[0], tensor[2])


def test_a_face_is_cut_out_square_also_at_the_border() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[10:50, 0:30] = 255  # a face of 30x40 px at the left border
    box = FaceBox(left=0.0, top=0.1, right=0.15, bottom=0.5, confidence=1.0)
    (crop,) = crop_faces([VideoFrame(0.0, image)], [box], replace(SETTINGS, face_margin=0.25))
    assert crop.shape == (60, 60, 3)
    assert crop[30, 0].tolist() == [255, 255, 255]  # the border, repeated
    assert crop[0, 30].tolist() == [0, 0, 0]


def test_a_clip_needs_its_number_of_frames(preprocessor: ClipPreprocessor) -> None:
    with pytest.raises(ValueError, match="4 frames, got 3"):
        preprocessor.make(images=[np.zeros((8, 8, 3), np.uint8)] * 3)


def test_batches_are_padded_and_say_what_is_present(preprocessor: ClipPreprocessor) -> None:
    images = [np.zeros((8, 8, 3), np.uint8)] * 4
    clips = [preprocessor.make(text="ab"), preprocessor.make(text="abcd", audio=tone(0.5), images=images)]
    batch = collate(clips)
    assert batch.presence.tolist() == [[True, False, False], [True, True, True]]
    assert batch.attention_mask.sum(dim=1).tolist() == [len(c.token_ids) for c in clips]
    assert batch.mel_lengths.tolist() == [0, clips[1].log_mel.shape[1]]
    assert torch.equal(batch.frames[1], clips[1].frames)
    assert not batch.frames[0].any()
    assert collate(clips[:1]).frames is None


def test_training_makes_the_same_inputs_as_use(following: ClipPreprocessor, tmp_path: Path) -> None:
    """An example of a corpus, read by the training code, gives the very tensors that a segment would."""
    rng = np.random.default_rng(0)
    picture = cv2.imencode(".png", rng.integers(0, 256, (48, 48, 3), np.uint8))[1].tobytes()
    sound = tmp_path / "speech.wav"
    write_wav(sound, tone(0.7))
    example = Example("meld", "1", "joy", "positive", "it’s on", ("oh",), ("is it?",), audio=sound, image=picture)
    (batch,) = ExampleDataset([example], following).batches(1)
    in_use = collate(
        [
            following.make(
                text="it's on",
                context=("oh",),
                following=("is it?",),
                audio=load_audio(sound, SETTINGS.sample_rate_hz),
                images=[load_image(picture)] * SETTINGS.frame_count,
            )
        ]
    )
    for name in ("token_ids", "token_type_ids", "utterance_mask", "log_mel", "presence"):
        assert torch.equal(getattr(batch.clips, name), getattr(in_use, name)), name
    # Stills are kept in half precision.
    assert torch.allclose(batch.clips.frames, in_use.frames, atol=2e-3)


def write_wav(path: Path, audio: AudioTrack) -> None:
    import wave

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(audio.sample_rate_hz)
        file.writeframes((audio.samples * 32767).astype(np.int16).tobytes())
