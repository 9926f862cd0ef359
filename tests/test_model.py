"""The network: shapes, every subset of modalities, and two heads that never leave the permitted pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_parts import tiny_tokenizer

from sentiment.clip_datatypes import ClipBatch, ClipInputs, ClipSettings
from sentiment.clips import ClipPreprocessor, collate
from sentiment.labels import EMOTIONS, MODALITIES, SENTIMENTS
from sentiment.media_datatypes import AudioTrack
from sentiment.model import AudioEncoder, FusionNetwork, JointHead, NetworkSettings, VideoEncoder, log_marginals
from sentiment.prediction import SUBSETS
from train.inflate import StillEncoder, deflate, inflate
from train.loop import UNKNOWN, pair_loss

SETTINGS = ClipSettings(frame_count=4, frame_size_px=32)
TINY_BERT = {
    "vocab_size": 128,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}


@pytest.fixture(scope="module")
def network() -> FusionNetwork:
    torch.manual_seed(0)
    settings = NetworkSettings(bert=TINY_BERT, audio_channels=(4, 8), fusion_size=32)
    return FusionNetwork(settings, SETTINGS.n_mels).eval()


def full_clip(seed: int = 0, seconds: float = 1.0) -> ClipInputs:
    rng = np.random.default_rng(seed)
    return ClipPreprocessor(SETTINGS, tiny_tokenizer()).make(
        text="what a day " * (seed + 1),
        audio=AudioTrack(rng.uniform(-1, 1, round(16_000 * seconds)).astype(np.float32), 16_000),
        images=list(rng.integers(0, 256, (4, 40, 40, 3), np.uint8)),
    )


def part_of(clip: ClipInputs, subset: tuple[str, ...]) -> ClipInputs:
    fields = {"text": ("token_ids", "token_type_ids", "utterance_mask"), "audio": ("log_mel",), "video": ("frames",)}
    return ClipInputs(**{name: getattr(clip, name) for modality in subset for name in fields[modality]})


def test_what_is_padded_is_not_heard_by_either_reader_of_the_voice() -> None:
    torch.manual_seed(0)
    encoder = AudioEncoder(80, (4, 8), speech_state_size=6, dropout=0.1).eval()
    log_mel, states = torch.randn(1, 80, 40), torch.randn(1, 6, 20)
    alone = encoder(log_mel, torch.tensor([40]), states, torch.tensor([20]))
    padded = encoder(
        torch.cat([log_mel, torch.zeros(1, 80, 8)], dim=2),
        torch.tensor([40]),
        torch.cat([states, torch.zeros(1, 6, 5)], dim=2),
        torch.tensor([20]),
    )
    assert torch.allclose(alone, padded, atol=1e-5)
    other = encoder(log_mel, torch.tensor([40]), states + 1, torch.tensor([20]))
    assert not torch.allclose(alone, other, atol=1e-2)  # and what is not padded is


def test_a_face_and_its_mirror_image_mean_the_same() -> None:
    torch.manual_seed(0)
    encoder = VideoEncoder().eval()
    frames = torch.randn(1, 3, 4, 32, 32)
    with torch.inference_mode():
        assert torch.allclose(encoder(frames), encoder(frames.flip(-1)), atol=1e-4)


def test_a_network_of_words_has_no_other_encoder() -> None:
    settings = NetworkSettings(bert=TINY_BERT, fusion_size=32)
    network = FusionNetwork(settings, SETTINGS.n_mels, ("text",)).eval()
    assert list(network.encoders) == ["text"]
    assert logits_of(network, part_of(full_clip(), ("text",))).shape == (1, 8)


@torch.inference_mode()
def logits_of(network: FusionNetwork, *clips: ClipInputs) -> torch.Tensor:
    return network(collate(clips))


@pytest.mark.parametrize("subset", SUBSETS)
def test_every_subset_is_answered_from_the_same_features(network: FusionNetwork, subset: tuple[str, ...]) -> None:
    clip = full_clip()
    with torch.inference_mode():
        features = network.encode(collate([clip]))
        presence = torch.tensor([[m in subset for m in MODALITIES]])
        assert features.shape == (1, 3, 128)
        from_all_features = network.fusion(features, presence)
    assert from_all_features.shape == (1, 8)
    assert torch.allclose(from_all_features, logits_of(network, part_of(clip, subset)), atol=1e-5)


def test_a_clip_is_answered_alike_alone_and_in_a_mixed_batch(network: FusionNetwork) -> None:
    clips = [full_clip(0), part_of(full_clip(1, 2.3), ("audio",)), part_of(full_clip(2), ("text", "video"))]
    together = logits_of(network, *clips)
    for clip, logits in zip(clips, together, strict=True):
        assert torch.allclose(logits_of(network, clip)[0], logits, atol=1e-4)


def test_encoding_needs_something_to_encode(network: FusionNetwork) -> None:
    batch = collate([part_of(full_clip(), ("text",))])
    with pytest.raises(ValueError, match="no clip of the batch has audio"):
        network.encode_one("audio", batch)


def test_padding_is_not_heard() -> None:
    torch.manual_seed(0)
    encoder = AudioEncoder(80, (4, 8), speech_state_size=0, dropout=0.0).eval()
    mel = torch.randn(1, 80, 61)
    padded = torch.cat([mel, torch.zeros(1, 80, 200)], dim=2)
    with torch.inference_mode():
        alone, beside = encoder(mel, torch.tensor([61])), encoder(padded, torch.tensor([61]))
    assert torch.allclose(alone, beside, atol=1e-5)


def test_the_two_heads_never_leave_the_permitted_pairs() -> None:
    torch.manual_seed(0)
    head = JointHead(16)
    emotion, sentiment = (p.exp() for p in log_marginals(head(torch.randn(500, 16) * 20)))
    assert torch.allclose(emotion.sum(dim=1), torch.ones(500)) and torch.allclose(sentiment.sum(dim=1), torch.ones(500))
    e = {name: emotion[:, i] for i, name in enumerate(EMOTIONS)}
    s = {name: sentiment[:, i] for i, name in enumerate(SENTIMENTS)}
    assert torch.allclose(e["neutral"], s["neutral"], atol=1e-6)
    assert (s["positive"] >= e["joy"] - 1e-6).all()
    assert (s["positive"] <= e["joy"] + e["surprise"] + 1e-6).all()
    assert (s["negative"] >= e["anger"] + e["disgust"] + e["fear"] + e["sadness"] - 1e-6).all()


def test_a_label_without_sentiment_is_scored_by_the_emotion_alone() -> None:
    logits = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    emotion = torch.tensor([EMOTIONS.index("surprise")] * 3)
    loss = pair_loss(logits, emotion, torch.full((3,), UNKNOWN), torch.ones(7))
    assert torch.isclose(loss, -log_marginals(logits)[0][:, EMOTIONS.index("surprise")].mean())
    positive = pair_loss(logits, emotion, torch.full((3,), SENTIMENTS.index("positive")), torch.ones(7))
    assert positive > loss


def test_the_inflated_network_sees_a_standing_clip_as_the_still_network_sees_its_picture() -> None:
    torch.manual_seed(0)
    encoder = VideoEncoder().eval()
    still = StillEncoder(torch.nn.Linear(512, 4)).eval()
    encoder.project = torch.nn.Linear(512, 4)
    inflate(still, encoder)
    picture = torch.randn(1, 3, 1, 32, 32)
    with torch.inference_mode():
        assert torch.allclose(encoder(picture.expand(-1, -1, 16, -1, -1)), still(picture), atol=1e-4)
        assert torch.allclose(deflate(encoder).eval()(picture), still(picture), atol=1e-4)
        # Every frame counts: another last frame gives another answer.
        clip = picture.repeat(1, 1, 16, 1, 1)
        clip[:, :, 15] = 0
        assert not torch.allclose(encoder(clip), still(picture), atol=1e-4)


def test_moving_a_batch_keeps_what_is_absent_absent() -> None:
    batch = collate([part_of(full_clip(), ("text",))]).to("cpu")
    assert isinstance(batch, ClipBatch)
    assert batch.frames is None and batch.token_ids is not None
