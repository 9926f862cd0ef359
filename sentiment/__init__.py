"""Emotion and sentiment over the time of a video, from words, voice and face.

    from sentiment import analyze_video, load_models

    timeline = analyze_video("talk.mp4", load_models())
    for prediction in timeline.segments:
        print(prediction.segment.start_seconds, prediction.affect and prediction.affect.top_emotion)

The names below are imported when they are first used, so that `import sentiment` costs nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sentiment.datatypes import Affect, Segment, SegmentPrediction, Summary, Timeline
    from sentiment.edits import Edits
    from sentiment.errors import SentimentError
    from sentiment.export import EXPORT_KINDS, timeline_to_dict, write_all, write_export
    from sentiment.pipeline import LoadedModels, analyze_video, load_models, stream_analysis
    from sentiment.rescoring import rescore
    from sentiment.settings import AnalysisSettings
    from sentiment.timeline import headline

# ONNX Runtime, which finds faces and voices, reports to its makers (1.31) unless it is told so before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"

__all__ = [
    "EXPORT_KINDS",
    "Affect",
    "AnalysisSettings",
    "Edits",
    "LoadedModels",
    "Segment",
    "SegmentPrediction",
    "SentimentError",
    "Summary",
    "Timeline",
    "analyze_video",
    "headline",
    "load_models",
    "rescore",
    "stream_analysis",
    "timeline_to_dict",
    "write_all",
    "write_export",
]

_HOMES = {
    "sentiment.datatypes": ("Affect", "Segment", "SegmentPrediction", "Summary", "Timeline"),
    "sentiment.edits": ("Edits",),
    "sentiment.errors": ("SentimentError",),
    "sentiment.export": ("EXPORT_KINDS", "timeline_to_dict", "write_all", "write_export"),
    "sentiment.pipeline": ("LoadedModels", "analyze_video", "load_models", "stream_analysis"),
    "sentiment.rescoring": ("rescore",),
    "sentiment.settings": ("AnalysisSettings",),
    "sentiment.timeline": ("headline",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
