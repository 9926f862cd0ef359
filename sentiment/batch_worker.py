"""What runs in each worker of a batch: the models, loaded once, and one file after the other.

Imports little: Ray's processes read this module before they know how many threads they may take.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentiment.errors import CheckpointError, SentimentError

if TYPE_CHECKING:
    from sentiment.settings import AnalysisSettings


class Analyst:
    """A worker. Ray keeps one in each of its processes and hands it the rows {"number": int, "path": bytes}."""

    def __init__(
        self,
        checkpoint: str | None,
        checkpoint_sha256: str,
        whisper: str,
        device: str,
        threads: int,
        settings: AnalysisSettings,
    ) -> None:
        """Load the models; the arguments are those of `load_models`, and `settings` those of every analysis.

        Raises what `load_models` raises, and CheckpointError where these are not the weights of `checkpoint_sha256`:
        a machine of a cluster may have another version of them.
        """
        _use_threads(threads)
        from sentiment.pipeline import load_models

        self._models = load_models(checkpoint, whisper, device)
        self._settings = settings
        if self._models.checkpoint.sha256 != checkpoint_sha256:
            raise CheckpointError(
                f"The weights {self._models.checkpoint.folder} on this machine are not those of the one "
                f"that started the batch: sha256 {self._models.checkpoint.sha256}, not {checkpoint_sha256}."
            )

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """{"number", "error", "part"}: the file's part as JSON, and the sentence in it where the file was refused."""
        from sentiment.batch_parts import finished_part, refused_part
        from sentiment.pipeline import analyze_video

        path = Path(os.fsdecode(row["path"]))
        started = time.monotonic()
        try:
            timeline = analyze_video(path, self._models, self._settings)
        except SentimentError as error:
            part = refused_part(path.name, error)
        else:
            part = finished_part(timeline, time.monotonic() - started)
        return {
            "number": row["number"],
            "error": part["summary"].get("error") or "",
            "part": json.dumps(part, allow_nan=False),
        }


def _use_threads(threads: int) -> None:
    """Keep every library of this process to so many threads, before those that read it at their start are imported.

    CTranslate2 (Whisper) and OpenMP read the environment; PyTorch and OpenCV are told. FFmpeg's decoder threads wait
    more than they work, and stay as they are.
    """
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import cv2
    import torch

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
