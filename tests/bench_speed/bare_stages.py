"""The whole path against its stages alone: `bare_stages.py VIDEO --threads N` prints its figures as JSON.

One process analyses the video once, which warms everything and notes what each stage was given; then it analyses it
again against the clock; then each stage gets the same inputs with nothing around it. Beside that, the same clips are
asked in the plainest way, in float32, one at a time, the speech encoder in float32 as well.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from measuring import answer, set_threads

from sentiment import faces, pipeline
from sentiment.clip_datatypes import ClipInputs
from sentiment.clips import ClipPreprocessor, collate
from sentiment.labels import MODALITIES
from sentiment.media_datatypes import AudioTrack
from sentiment.model import encoder_inputs
from sentiment.pipeline import LoadedModels, analyze_video, load_models
from sentiment.prediction import ask_fusion, encode


class Noted:
    """What the stages of one analysis were given."""

    def __init__(self) -> None:
        self.pictures: list[np.ndarray] = []
        self.batches: list[list[ClipInputs]] = []
        self.sounds: list[AudioTrack] = []
        """Of each clip that has one, in the order of the clips."""

    def of(self, video: Path, models: LoadedModels) -> Noted:
        """Notes an analysis. Raises AttributeError where the path no longer goes through the functions watched."""
        find, predict, hear = faces.FaceFinder.find, pipeline.predict, ClipPreprocessor.hear

        def noting_find(finder: Any, image: np.ndarray, *rest: Any) -> Any:
            self.pictures.append(image)
            return find(finder, image, *rest)

        def noting_predict(checkpoint: Any, segments: Any, clips: Any, *rest: Any) -> Any:
            self.batches.append(list(clips))
            return predict(checkpoint, segments, clips, *rest)

        def noting_hear(preprocessor: Any, audio: AudioTrack) -> Any:
            self.sounds.append(audio)
            return hear(preprocessor, audio)

        faces.FaceFinder.find, pipeline.predict, ClipPreprocessor.hear = noting_find, noting_predict, noting_hear
        try:
            analyze_video(video, models)
        finally:
            faces.FaceFinder.find, pipeline.predict, ClipPreprocessor.hear = find, predict, hear
        return self


def measure(video: Path, threads: int) -> dict[str, Any]:
    """The figures, ready for JSON."""
    set_threads(threads)
    models = load_models(device="cpu")
    noted = Noted().of(video, models)
    whole_seconds = seconds_of(lambda: analyze_video(video, models))
    bare = bare_seconds(video, models, noted)
    return {
        "whole_seconds": whole_seconds,
        "bare_seconds": bare,
        "whole_over_bare": whole_seconds / sum(bare.values()),
        "agreement": agreement(models, noted),
    }


def seconds_of(work: Callable[[], Any]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def bare_seconds(video: Path, models: LoadedModels, noted: Noted) -> dict[str, float]:
    """Each stage alone, on what the analysis gave it."""
    with pipeline.open_media(video) as media:
        (sound,) = media.audio_windows(media.duration_seconds + 1)
    finder = faces.FaceFinder()
    finder.find(noted.pictures[0])
    return {
        "Whisper int8": seconds_of(lambda: models.transcriber.transcribe(sound)),
        "R3D-18": seconds_of(lambda: ask_encoder(models, noted, "video")),
        "decoding": seconds_of(lambda: decode(video)),
        "faces": seconds_of(lambda: [finder.find(picture) for picture in noted.pictures]),
        "BERT": seconds_of(lambda: ask_encoder(models, noted, "text")),
    }


@torch.inference_mode()
def ask_encoder(models: LoadedModels, noted: Noted, modality: str) -> None:
    """One encoder's answers for all clips, in the batches they came in."""
    network, column = models.checkpoint.network, MODALITIES.index(modality)
    for clips in noted.batches:
        batch = collate(clips)
        if batch.presence[:, column].any():
            network.encoders[modality](*encoder_inputs(modality, batch))


def decode(video: Path) -> None:
    """Every frame and all sound, as they come out of FFmpeg."""
    for kind in ("video", "audio"):
        with av.open(str(video)) as container:
            stream = container.streams.get({kind: 0})[0]
            stream.thread_type = "AUTO"
            for _ in container.decode(stream):
                pass


# ---------------------------------------------------------------- the same answers


def agreement(models: LoadedModels, noted: Noted) -> dict[str, Any]:
    """In how many answers the path and the plain one have the same top labels.

    Asked of every combination of the words, voices and faces of the clip: some thousand, where the clip itself has
    a dozen.
    """
    fast = torch.from_numpy(np.concatenate([encode(models.checkpoint, clips) for clips in noted.batches]))
    clips = plain_clips(models, noted)
    plain = torch.cat([plain_features(models, clip) for clip in clips])
    whole = [i for i, clip in enumerate(clips) if len(clip.present) == len(MODALITIES)]
    rows = torch.tensor(list(product(whole, repeat=len(MODALITIES))))  # (N, 3): whose words, whose voice, whose face
    columns = torch.arange(len(MODALITIES))
    fusion, calibration = models.checkpoint.network.fusion, models.checkpoint.calibration
    answers = [ask_fusion(fusion, calibration, features[rows, columns], MODALITIES) for features in (fast, plain)]
    same = [
        a.top_emotion == b.top_emotion and a.top_sentiment == b.top_sentiment for a, b in zip(*answers, strict=True)
    ]
    largest = max(max(abs(np.subtract(a.emotion, b.emotion))) for a, b in zip(*answers, strict=True))
    return {"answers": len(same), "same_share": sum(same) / len(same), "largest_difference": float(largest)}


def plain_clips(models: LoadedModels, noted: Noted) -> list[ClipInputs]:
    """The clips with what a speech encoder in float32 hears in their sounds."""
    import ctranslate2

    preprocessor, settings = models.checkpoint.preprocessor, models.checkpoint.clip_settings
    if settings.speech_encoder is not None:
        from sentiment import speech_encoder

        # Where the processor knows no int8, the path itself takes float32.
        known = ctranslate2.get_supported_compute_types
        ctranslate2.get_supported_compute_types = lambda device: {"float32"}
        try:
            exact = speech_encoder.load_whisper_encoder(settings.speech_encoder, settings.speech_encoder_layers)
        finally:
            ctranslate2.get_supported_compute_types = known
        preprocessor = ClipPreprocessor(settings, preprocessor.tokenizer, exact)
    sounds = iter(noted.sounds)
    clips = []
    for clip in (clip for batch in noted.batches for clip in batch):
        if clip.log_mel is not None:
            log_mel, states = preprocessor.hear(next(sounds))
            clip = replace(clip, log_mel=log_mel, speech_states=states)
        clips.append(clip)
    return clips


@torch.inference_mode()
def plain_features(models: LoadedModels, clip: ClipInputs) -> torch.Tensor:
    """(1, 3, 128) float32 of one clip, by the network as PyTorch runs it by itself."""
    return models.checkpoint.network.encode(collate([clip]))


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    answer(measure(options.video, options.threads))


if __name__ == "__main__":
    main()
