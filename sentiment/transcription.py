"""Which words are said, and when: Whisper behind one small interface.

faster-whisper is used here and nowhere else. It runs on CTranslate2, whose CUDA libraries are not
those of torch, so the device is chosen here on its own.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sentiment.datatypes import Word
from sentiment.errors import TranscriptionError
from sentiment.media_datatypes import AudioTrack
from sentiment.memory import large_work
from sentiment.whisper_files import WhisperFiles, find_whisper_files, is_distilled
from sentiment.word_pieces import join_pieces, place_words
from sentiment.words import join_words

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

logger = logging.getLogger(__name__)

SAMPLE_RATE_HZ: Final = 16_000
"""What Whisper and the voice-activity detector were trained on."""

DEVICES: Final = ("auto", "cpu", "cuda")

MIN_SILENCE_MS: Final = 500
"""Silences this long are cut out before Whisper hears them. Silero's 100 ms would hack sentences to
pieces; faster-whisper's 2000 ms leaves pauses inside, into which Whisper stretches the words."""

SPEECH_PAD_MS: Final = 200
"""What is kept around the voice, so that soft beginnings and ends survive; below half of the silence
that is cut, so that something is left to cut."""

MAX_COMPRESSION_RATIO: Final = 2.4
"""Text that zlib shrinks further than this is a loop and no speech (openai/whisper, transcribe.py)."""

MIN_AVERAGE_LOGPROB: Final = -1.0
"""Text less likely than this is a guess (openai/whisper, transcribe.py)."""

MAX_NO_SPEECH_PROBABILITY: Final = 0.6
"""Above it the sound is held to be no speech, unless the text is likely (openai/whisper, transcribe.py)."""

LIKELY_LOGPROB: Final = -0.3
"""How likely the text must be to outweigh a high no-speech probability. Whisper says -1.0, which lets
its fluent inventions pass: a mains hum became "I'm going to get a little bit of a" at 0.84 and -0.41.
Behind the voice filter, actors who whisper and shout (RAVDESS) stay below 0.1, so little is lost."""

NO_REPEAT_TOKENS: Final = 10
"""No ten tokens may recur within 30 s: breaks endless loops without the random retries that would
make two runs differ. People seldom repeat themselves that exactly; only a refrain does."""


TRANSLATION_PAD_SECONDS: Final = 0.75
"""What is heard before and after a span that is translated, as far as nobody else speaks: with less, or cut at the
recogniser's word times, Whisper base loses short sentences of a synthesiser's."""

HeardCallback = Callable[[float], None]
"""Called with the time of the file, in seconds, up to which all is heard. An exception that it raises passes through
and ends the hearing."""


DECODING: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "beam_size": 1,
        "temperature": 0.0,
        "condition_on_previous_text": False,
        "no_repeat_ngram_size": NO_REPEAT_TOKENS,
        "compression_ratio_threshold": MAX_COMPRESSION_RATIO,
        "log_prob_threshold": MIN_AVERAGE_LOGPROB,
        "no_speech_threshold": MAX_NO_SPEECH_PROBABILITY,
    }
)
"""How faster-whisper looks for words: the likeliest one at a time, with no dice thrown. Five beams find likelier
stock phrases for what is not understood ("I'll see you in the next video"), and these pass as speech."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard in one stretch of sound."""

    words: tuple[Word, ...] = ()
    """In order, never overlapping, at times of the file; empty where nobody speaks."""
    language: str | None = None
    """ISO 639-1 code; None where nobody speaks and none was asked for."""
    language_probability: float = 0.0
    """In [0, 1]; 1 where the language was given."""


@dataclass(frozen=True, slots=True, eq=False)
class Transcriber:
    """A loaded Whisper. Immutable, and may be shared between threads.

    CTranslate2 queues what several threads ask of it and answers one after the other; nothing is kept
    between calls.
    """

    model_name: str
    device: str
    """"cpu" or "cuda": what it really runs on."""
    compute_type: str
    """"int8", "float16" or "float32", in CTranslate2's names."""
    source: str
    """"installed package", "folder" or "hub"."""
    can_translate: bool
    """Whether it was taught to say in English what is spoken in another language."""
    _whisper: WhisperModel = field(repr=False)

    def transcribe(
        self, audio: AudioTrack, language: str | None = None, on_heard: HeardCallback | None = None
    ) -> Transcript:
        """The words of a stretch of sound.

        `audio` is mono at 16 kHz, as long as memory allows. `language` is a code such as "en"; None
        lets Whisper tell from the first 30 s of speech. Silence, noise and music without singing give
        no words. The same sound gives the same words each time. `on_heard` is called with ascending times,
        several times for every 30 s of speech.

        Raises TranscriptionError for a language that the model does not know, ValueError for another
        sample rate.
        """
        from faster_whisper.transcribe import restore_speech_timestamps
        from faster_whisper.vad import collect_chunks

        _check_sample_rate(audio)
        language = self._check_language(language)
        unheard = Transcript(language=language, language_probability=float(language is not None))
        voiced = _voiced_chunks(audio.samples)
        if not voiced:  # Whisper itself would name a language for silence, too
            return unheard
        voices, _ = collect_chunks(audio.samples, voiced)
        segments, info = self._whisper.transcribe(
            np.concatenate(voices),
            language=language,
            word_timestamps=True,
            **DECODING,
        )
        heard = _report(restore_speech_timestamps(segments, voiced, SAMPLE_RATE_HZ), audio, on_heard)
        pieces = [piece for segment in heard if _is_speech(segment) for piece in join_pieces(segment.words)]
        if not pieces:
            return unheard
        return Transcript(place_words(pieces, audio), info.language, float(info.language_probability))

    def translate(
        self,
        audio: AudioTrack,
        spans: Sequence[tuple[float, float]],
        language: str,
        on_heard: HeardCallback | None = None,
    ) -> tuple[str, ...]:
        """What is said in each span, in English; "" where nothing came out, or what came out is a guess or a loop.

        Every span is heard by itself: a free pass over the sound would cut it at other places than `transcribe`
        did. `audio` is mono at 16 kHz; `spans` are (start, end) in seconds of the file, ascending and apart;
        `language` is the code of what is spoken. The same sound gives the same text each time. `on_heard` is called
        after each span in which something was heard.

        Raises TranscriptionError for a model that does not translate or a language that it does not know,
        ValueError for another sample rate or spans out of order.
        """
        _check_sample_rate(audio)
        if not self.can_translate:
            raise TranscriptionError(f"Whisper {self.model_name!r} does not translate; base, small and large-v3 do")
        clips = _translation_clips(spans, audio)
        if not clips:
            return ()
        frame_rate_hz = self._whisper.frames_per_second
        edges = [round((edge - audio.start_seconds) * frame_rate_hz) for clip in clips for edge in clip]
        segments, _ = self._whisper.transcribe(
            audio.samples,
            task="translate",
            language=self._check_language(language),
            clip_timestamps=[edge / frame_rate_hz for edge in edges],
            without_timestamps=True,  # one text per span, or per 30 s of it; there are no rests to be invented upon
            **DECODING,
        )
        texts: list[list[str]] = [[] for _ in spans]
        for segment in _report(segments, audio, on_heard):
            if _is_speech(segment):
                texts[bisect_right(edges[::2], segment.seek) - 1].append(segment.text.strip())
        return tuple(join_words(parts) for parts in texts)

    def _check_language(self, language: str | None) -> str | None:
        if language is None:
            return None
        code = language.strip().lower()
        known = self._whisper.supported_languages
        if code not in known:
            some = ", ".join([c for c in ("en", "de", "fr", "es", "it", "pt", "hi", "ja", "zh") if c in known])
            raise TranscriptionError(
                f"Whisper {self.model_name!r} does not know the language {language!r}; "
                f"it takes one of {len(known)} codes, such as {some}"
            )
        return code


def load_transcriber(model: str = "base", device: str = "auto") -> Transcriber:
    """A Whisper ready for use.

    `model` is a name ("base", "small.en", "large-v3-turbo", or "owner/name" of a CTranslate2 model on
    the Hugging Face hub) or a folder with a CTranslate2 model; "base" is taken from the installed
    packages of requirements-offline.txt where they are there. `device` is "auto", "cpu" or "cuda";
    where CUDA does not work for CTranslate2, the CPU does, and a warning is logged.

    Raises TranscriptionError where there is no such model, it cannot be fetched, or it cannot be read.
    """
    if device not in DEVICES:
        raise TranscriptionError(f"unknown device {device!r} for Whisper: it takes one of {', '.join(DEVICES)}")
    files = find_whisper_files(model)
    if device == "cuda" or (device == "auto" and _cuda_device_count() > 0):
        try:
            return _open_transcriber(files, "cuda")
        except (RuntimeError, ValueError, OSError) as error:  # what CTranslate2 makes of a missing library
            logger.warning("Whisper runs on the CPU, because CUDA does not work for it: %s", error)
    try:
        return _open_transcriber(files, "cpu")
    except (RuntimeError, ValueError, OSError) as error:
        raise TranscriptionError(f"the Whisper model in {files.folder} cannot be read: {error}") from error


def _check_sample_rate(audio: AudioTrack) -> None:
    if audio.sample_rate_hz != SAMPLE_RATE_HZ:
        raise ValueError(f"Whisper hears sound of {SAMPLE_RATE_HZ} Hz, got {audio.sample_rate_hz} Hz")


def _cuda_device_count() -> int:
    import ctranslate2

    return ctranslate2.get_cuda_device_count()


def _open_transcriber(files: WhisperFiles, device: str) -> Transcriber:
    """Load a model; on a GPU, make it work once as well, so that what is missing there is found out now."""
    import ctranslate2
    from faster_whisper import WhisperModel

    fast = {"cpu": "int8", "cuda": "float16"}[device]
    compute_type = fast if fast in ctranslate2.get_supported_compute_types(device) else "float32"

    class TurnTakingWhisper(WhisperModel):
        """Its encoder, which weighs every moment of half a minute against every other, waits for its turn."""

        def encode(self, features: np.ndarray) -> Any:
            with large_work(device):
                return super().encode(features)

    whisper = TurnTakingWhisper(str(files.folder), device=device, compute_type=compute_type)
    if device == "cuda":  # CTranslate2 looks for cuBLAS only when it first multiplies
        silence = np.zeros(SAMPLE_RATE_HZ, np.float32)
        segments, _ = whisper.transcribe(silence, language="en", beam_size=1, temperature=0.0, max_new_tokens=1)
        list(segments)
    logger.info("Whisper %s (%s) runs on %s in %s", files.model_name, files.source, device, compute_type)
    can_translate = whisper.model.is_multilingual and not is_distilled(files.folder, whisper.model.n_mels)
    _warn_of_languages(files.model_name, whisper.model.is_multilingual, can_translate)
    return Transcriber(files.model_name, device, compute_type, files.source, can_translate, whisper)


def _warn_of_languages(model_name: str, is_multilingual: bool, can_translate: bool) -> None:
    if not is_multilingual:
        logger.warning("Whisper %s takes everything for English; base and small know other languages, too", model_name)
    elif not can_translate:
        logger.warning(
            "Whisper %s does not translate: words in a language that the network does not read are shown but not read; "
            "base, small and large-v3 translate them",
            model_name,
        )


def _voiced_chunks(samples: np.ndarray) -> list[dict[str, Any]]:
    """Where Silero hears a voice: {"start", "end"} in samples, as faster-whisper takes them."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(min_silence_duration_ms=MIN_SILENCE_MS, speech_pad_ms=SPEECH_PAD_MS)
    return get_speech_timestamps(samples, options) if len(samples) else []


def _translation_clips(spans: Sequence[tuple[float, float]], audio: AudioTrack) -> list[tuple[float, float]]:
    """The spans with TRANSLATION_PAD_SECONDS around them, but no further than half-way to their neighbours."""
    edges = [audio.start_seconds, *(edge for span in spans for edge in span), audio.end_seconds]
    gaps = [end - start for start, end in zip(edges[::2], edges[1::2], strict=True)]
    if any(start >= end for start, end in spans) or min(gaps) < -1 / SAMPLE_RATE_HZ:
        raise ValueError(f"spans must ascend within [{edges[0]}, {edges[-1]}) seconds, got {list(spans)}")
    rooms = [min(TRANSLATION_PAD_SECONDS, max(gap, 0.0) / 2) for gap in gaps]
    return [(start - rooms[i], end + rooms[i + 1]) for i, (start, end) in enumerate(spans)]


def _report(segments: Iterable[Any], audio: AudioTrack, on_heard: HeardCallback | None) -> Iterator[Any]:
    """The same segments of faster-whisper, and the callback told after each how far they have come."""
    until_seconds = audio.start_seconds
    if on_heard is not None:
        on_heard(until_seconds)
    for segment in segments:
        until_seconds = max(until_seconds, min(audio.start_seconds + segment.end, audio.end_seconds))
        if on_heard is not None:
            on_heard(until_seconds)
        yield segment


def _is_speech(segment: Any) -> bool:
    """The no-speech gate over one segment of faster-whisper: inventions over music and noise end here."""
    is_loop = segment.compression_ratio > MAX_COMPRESSION_RATIO
    is_guess = segment.avg_logprob < MIN_AVERAGE_LOGPROB
    is_silence = segment.no_speech_prob > MAX_NO_SPEECH_PROBABILITY and segment.avg_logprob < LIKELY_LOGPROB
    return not (is_loop or is_guess or is_silence)
