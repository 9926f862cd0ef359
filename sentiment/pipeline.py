"""The whole path: one file goes in, its timeline comes out, growing as it is made.

    listen   a window of sound becomes words, and words become segments, each in the context of those around it
    watch    each segment's frames are read, its face is followed, and all of it becomes tensors
    feel     the network answers for a batch of segments

Frames are dropped with their segment and sound with its window, or with the next where an utterance waits for what
follows it, so memory does not grow with the file. The next window is listened to while this one is watched: Whisper
and the network let go of Python's lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sentiment.checkpoint import Checkpoint, load_checkpoint
from sentiment.clip_datatypes import ClipInputs
from sentiment.clips import words_to_read
from sentiment.context import Line, LineInContext, put_in_context
from sentiment.datatypes import FaceCandidate, Segment, SegmentPrediction, Timeline
from sentiment.decoding import name_of
from sentiment.edits import NO_EDITS, Edits
from sentiment.errors import MediaError, SettingsError
from sentiment.hub import find_checkpoint
from sentiment.labels import MODALITIES
from sentiment.listening import Heard, ListeningStage, listen
from sentiment.look_ahead import LookAhead
from sentiment.looking import Face, Looking
from sentiment.media import MediaFile, open_media
from sentiment.memory import keep_memory_level
from sentiment.prediction import encode, predict
from sentiment.provenance import describe_media, trace_provenance
from sentiment.rescoring import rescore
from sentiment.settings import DEFAULT_SETTINGS, STAGES, AnalysisSettings, ProgressCallback, Stage
from sentiment.timeline import summarize
from sentiment.transcription import Transcriber, load_transcriber

VIDEO = MODALITIES.index("video")


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModels:
    """Everything that is loaded once. Immutable: analyses in several threads may share it."""

    checkpoint: Checkpoint
    transcriber: Transcriber
    device: str
    """Where the network runs: "cpu" or "cuda". The transcriber has chosen its own."""


def load_models(checkpoint: Path | str | None = None, whisper: str = "base", device: str = "auto") -> LoadedModels:
    """Load the network and the speech recogniser; takes some seconds.

    `checkpoint` is a folder or hf://OWNER/NAME (see `sentiment.hub.find_checkpoint`), by default the bundled one;
    `whisper` a model's name or folder; `device` "auto" (CUDA where there is one), "cpu" or "cuda".

    Raises CheckpointError, TranscriptionError, or SettingsError for a device that is not there.
    """
    keep_memory_level()
    network_device = _choose_device(device)
    folder = find_checkpoint(checkpoint)
    import faster_whisper  # noqa: F401 (now, because two threads that import the same are slower than one)

    with ThreadPoolExecutor(1) as beside:
        transcriber = beside.submit(load_transcriber, whisper, device)
        return LoadedModels(load_checkpoint(folder, network_device), transcriber.result(), network_device)


def stream_analysis(
    path: Path | str,
    models: LoadedModels,
    settings: AnalysisSettings = DEFAULT_SETTINGS,
    on_progress: ProgressCallback | None = None,
) -> Generator[Timeline, None, None]:
    """Analyse a video or sound file, yielding its timeline each time a batch of segments is answered.

    The last one is complete (`Timeline.is_complete`). Closing the iterator cancels and frees the file;
    timelines that were yielded stay valid. Nothing happens before the first is asked for.

    Raises MediaError for a file that cannot be read, or has no picture where somebody watches; SettingsError
    where the network cannot do what is asked for; TranscriptionError for a language nobody knows.
    """
    with open_media(path) as media:
        _check_viewing(media, models, settings)
        analysis = _Analysis(media, models, settings, on_progress)
        with closing(analysis.listen()) as windows:
            for lines in put_in_context(map(analysis.lines, windows), models.checkpoint.clip_settings):
                for batch in _batches(lines, settings.batch_segments):
                    analysis.feel(list(analysis.watch(batch)))
                    yield analysis.timeline(batch[-1].line.segment.end_seconds)
        yield analysis.finish()


def analyze_video(
    path: Path | str,
    models: LoadedModels,
    settings: AnalysisSettings = DEFAULT_SETTINGS,
    on_progress: ProgressCallback | None = None,
    edits: Edits = NO_EDITS,
) -> Timeline:
    """Analyse a whole file, with what a person has put right in it; raises what its two steps raise."""
    newest = deque(stream_analysis(path, models, settings, on_progress), maxlen=1)
    return rescore(newest.pop(), models, edits)


# ---------------------------------------------------------------- the stages


class _Seen(NamedTuple):
    """What was made of one segment: its tensors, the faces in it, and the tensors of all of them but the first."""

    segment: Segment
    clip: ClipInputs
    faces: tuple[Face, ...]
    clips_of_others: tuple[ClipInputs, ...]
    thumbnail: bytes | None


class _Analysis:
    """What one analysis holds while it runs. The stages are called in order, window by window, in one thread."""

    def __init__(
        self,
        media: MediaFile,
        models: LoadedModels,
        settings: AnalysisSettings,
        on_progress: ProgressCallback | None,
    ) -> None:
        self._media = media
        self._models = models
        self._clip_settings = models.checkpoint.clip_settings
        self._settings = settings
        self._on_progress = on_progress
        self._looking = Looking(media, self._clip_settings, settings.faces, settings.max_frame_side_px)
        self._listening: LookAhead[Heard, tuple[ListeningStage, float]] = LookAhead(
            partial(listen, media, models, settings)
        )
        self._language: str | None = None
        self._predictions: list[SegmentPrediction] = []
        self._video = describe_media(media)
        first_stage: Stage = "watch" if settings.viewing == "watching" else "listen"
        on_read = partial(self._tell, (first_stage, 0.0))  # reading a large file takes seconds
        self._provenance = trace_provenance(media.path, models, settings, on_read)

    def listen(self) -> Generator[Heard, None, None]:
        """What is heard, window by window: the next one while the newest is watched."""
        return self._listening.items(self._tell)

    def lines(self, heard: Heard) -> list[Line]:
        """What the network is to read and to hear of each segment of a window."""
        audio, self._language = heard.window.audio, heard.language
        lines = []
        for segment in heard.segments:
            words = voice = None
            if segment.kind == "speech":
                # Nobody's mood is read from a fan: sound counts only where there is a voice.
                voice = None if audio is None else audio.between(segment.start_seconds, segment.end_seconds)
                words = words_to_read(segment, self._language, self._clip_settings)
            lines.append(Line(segment, words, voice))
        return lines

    def watch(self, lines: Sequence[LineInContext]) -> Iterator[_Seen]:
        """The tensors of each segment; its frames are dropped before the next one is read."""
        preprocessor = self._models.checkpoint.preprocessor
        for (segment, words, voice), context, following in lines:
            look = self._looking.at(segment)
            clip = preprocessor.make(words, context, following, voice, look.images)
            others = tuple(preprocessor.make(images=images) for images in look.images_of_others)
            self._report("watch", segment.end_seconds)
            yield _Seen(segment, clip, look.faces, others, look.thumbnail)

    def feel(self, seen: Sequence[_Seen]) -> None:
        """The network's answers, which the timeline grows by."""
        checkpoint = self._models.checkpoint
        boxes = [s.faces[0].boxes if s.faces else () for s in seen]
        predictions = predict(checkpoint, [s.segment for s in seen], [s.clip for s in seen], boxes)
        others = [clip for s in seen for clip in s.clips_of_others]
        features_of_others = iter(encode(checkpoint, others)[:, VIDEO] if others else ())
        for prediction, (_, _, faces, clips, thumbnail) in zip(predictions, seen, strict=True):
            assert prediction.features is not None
            features = [prediction.features[VIDEO], *(next(features_of_others) for _ in clips)]
            candidates = tuple(FaceCandidate(*face, of_face) for face, of_face in zip(faces, features, strict=False))
            track = faces[0].track if faces else None
            self._predictions.append(replace(prediction, thumbnail=thumbnail, candidates=candidates, face_track=track))
        self._report("feel", seen[-1].segment.end_seconds)

    def timeline(self, analysed_seconds: float) -> Timeline:
        """What is answered so far; it shares nothing that changes with this analysis."""
        segments = tuple(self._predictions)
        duration_seconds = self._media.duration_seconds
        return Timeline(
            duration_seconds=duration_seconds,
            video=self._video,
            segments=segments,
            summary=summarize(segments, duration_seconds),
            provenance=self._provenance,
            language=self._language,
            analysed_seconds=min(analysed_seconds, duration_seconds),
        )

    def finish(self) -> Timeline:
        """The whole timeline; every stage is reported as done, also where it had nothing to do."""
        for stage in STAGES:
            self._report(stage, self._media.duration_seconds)
        return self.timeline(self._media.duration_seconds)

    def _report(self, stage: Stage, done_seconds: float) -> None:
        self._listening.pass_on_notes(self._tell)
        self._tell((stage, done_seconds))

    def _tell(self, done: tuple[Stage, float]) -> None:
        if self._on_progress is not None:
            duration_seconds = self._media.duration_seconds
            stage, done_seconds = done
            self._on_progress(stage, min(done_seconds, duration_seconds), duration_seconds)


def _check_viewing(media: MediaFile, models: LoadedModels, settings: AnalysisSettings) -> None:
    if settings.viewing == "watching":
        if "video" not in models.checkpoint.clip_settings.modalities:
            raise SettingsError(f"The model {models.checkpoint.name} reads no faces; to watch somebody it has to.")
        if media.video is None:
            raise MediaError(f"{name_of(media.path)} has no picture; to watch somebody there has to be one.")


def _batches(lines: Sequence[LineInContext], size: int) -> Iterator[Sequence[LineInContext]]:
    for start in range(0, len(lines), size):
        yield lines[start : start + size]


def _choose_device(device: str) -> str:
    import torch

    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if device not in ("auto", "cuda"):
        raise SettingsError(f"The device must be auto, cpu or cuda, got {device!r}.")
    if not torch.cuda.is_available():
        raise SettingsError("No CUDA device was found; use cpu, or auto to take what there is.")
    return "cuda"
