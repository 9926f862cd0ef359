"""What is heard: the sound of a file window by window, and the segments that its words make.

A window is the unit of work that may be done ahead: nothing here looks at a picture, and nothing that looks at
pictures is asked here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from sentiment.datatypes import Segment, Word
from sentiment.media import MediaFile
from sentiment.media_datatypes import AudioTrack
from sentiment.segmentation import cut_segments, cut_watching

if TYPE_CHECKING:
    from sentiment.pipeline import LoadedModels
    from sentiment.settings import AnalysisSettings

ListeningStage = Literal["listen", "translate"]

Tell = Callable[[tuple[ListeningStage, float]], None]
"""Called with the stage and the seconds of the file that it has done."""

FIRST_WINDOW_SECONDS: Final = 20.0
"""The first window is shorter, so that the first answers come early, and each next one up to twice as long:
while one is watched the next is heard, which takes about as long."""


class Window(NamedTuple):
    """A stretch of the file, [start, end), with its sound where the file has some."""

    start_seconds: float
    end_seconds: float
    audio: AudioTrack | None


class Heard(NamedTuple):
    """A window and what was heard in it."""

    window: Window
    segments: list[Segment]
    language: str | None
    """What has been spoken up to here, as an ISO 639-1 code; None where nobody has spoken yet."""


def listen(
    media: MediaFile, models: LoadedModels, settings: AnalysisSettings, tell: Tell
) -> Generator[Heard, None, None]:
    """Every window of the file, in order, with its segments; raises what the decoder and the transcriber raise."""
    language: str | None = None
    for window in _windows(media, settings):
        if settings.viewing == "watching":
            segments = cut_watching(window.start_seconds, window.end_seconds, settings.segmentation)
            yield Heard(window, segments, language)
            continue
        tell(("listen", window.start_seconds))
        words: tuple[Word, ...] = ()
        if window.audio is not None:
            heard = models.transcriber.transcribe(
                window.audio, settings.language or language, lambda seconds: tell(("listen", seconds))
            )
            words = heard.words
            if words and language is None:  # what is "detected" where nobody speaks decides nothing
                language = heard.language
        tell(("listen", window.end_seconds))
        segments = cut_segments(words, window.start_seconds, window.end_seconds, settings.segmentation)
        yield Heard(window, _translated(segments, window, language, models, tell), language)


def _translated(
    segments: list[Segment], window: Window, language: str | None, models: LoadedModels, tell: Tell
) -> list[Segment]:
    """The same segments, with what is said in English where the network reads that, and not what is spoken."""
    transcriber, settings = models.transcriber, models.checkpoint.clip_settings
    is_read = language is None or language in settings.languages
    can_be_read = "text" in settings.modalities and "en" in settings.languages and transcriber.can_translate
    if window.audio is None or is_read or not can_be_read:
        return segments
    spans = [(s.start_seconds, s.end_seconds) for s in segments if s.kind == "speech"]
    translations = iter(
        transcriber.translate(window.audio, spans, str(language), lambda seconds: tell(("translate", seconds)))
    )
    tell(("translate", window.end_seconds))
    return [replace(s, translation=next(translations)) if s.kind == "speech" else s for s in segments]


def _windows(media: MediaFile, settings: AnalysisSettings) -> Iterator[Window]:
    """The whole file in order: windows of its sound, then of silence where there is a picture but no sound.

    Where somebody watches there is nothing to listen to.
    """
    heard_until, window_seconds = 0.0, settings.window_seconds
    if media.has_audio and settings.viewing == "speaking":
        for audio in media.audio_windows(window_seconds, first_window_seconds=FIRST_WINDOW_SECONDS):
            heard_until = min(audio.end_seconds, media.duration_seconds)
            if audio.start_seconds < heard_until:
                yield Window(audio.start_seconds, heard_until, audio)
    while media.video is not None and heard_until < media.duration_seconds:
        until = min(heard_until + window_seconds, media.duration_seconds)
        yield Window(heard_until, until, None)
        heard_until = until
