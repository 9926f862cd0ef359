"""Which layer of Whisper's encoder hears feelings best: the reason for `ClipSettings.speech_encoder_layers`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import numpy as np

from sentiment.clips import LogMel
from sentiment.speech_encoder import count_layers, load_whisper_encoder
from train.crossvalidate import actor_folds, all_recordings
from train.dataset import load_audio
from train.settings import Recipe

logger = logging.getLogger(__name__)

INVERSE_REGULARIZATION: Final = 0.003
"""Of the logistic regression, as scikit-learn means it: strong, for a thousand numbers and a thousand recordings."""


def judge_layers(recipe: Recipe, data: Path) -> dict[str, float]:
    """For each number of layers, accuracy over seven emotions of a logistic regression on the mean and deviation of
    the states, mean of the folds that `train.crossvalidate` uses; ready for JSON.

    Raises DataError where RAVDESS is absent, TranscriptionError where the Whisper is.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = recipe.clip.speech_encoder or "base"
    examples = all_recordings(data)
    to_log_mel = LogMel(recipe.clip)
    log_mels = [to_log_mel.raw(load_audio(e.audio, recipe.clip.sample_rate_hz)).numpy() for e in examples if e.audio]
    emotion, actor = np.array([e.emotion for e in examples]), np.array([e.group for e in examples])
    accuracies = {}
    for num_layers in range(1, count_layers(model) + 1):
        encoder = load_whisper_encoder(model, num_layers)
        states = [encoder.encode(log_mel) for log_mel in log_mels]
        statistics = np.stack([np.concatenate([s.mean(axis=1), s.std(axis=1)]) for s in states])
        folds = []
        for held_out in actor_folds(examples):
            judged = np.isin(actor, held_out)
            regression = make_pipeline(StandardScaler(), LogisticRegression(C=INVERSE_REGULARIZATION, max_iter=400))
            regression.fit(statistics[~judged], emotion[~judged])
            folds.append(regression.score(statistics[judged], emotion[judged]))
        accuracies[str(num_layers)] = round(float(np.mean(folds)), 4)
        logger.info("%d layers: accuracy %.3f", num_layers, accuracies[str(num_layers)])
    return accuracies
