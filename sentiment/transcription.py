"""Which words are said, and when: Whisper behind one small interface.

faster-whisper is used here and nowhere else. It runs on CTranslate2, whose CUDA libraries are not
those of torch, so the device is chosen here on its own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sentiment.datatypes import AudioTrack, Word
from sentiment.errors import TranscriptionError
from sentiment.whisper_files import WhisperFiles, find_whisper_files
from sentiment.words import is_unspaced, separate_spans

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
    _whisper: WhisperModel = field(repr=False)

    def transcribe(self, audio: AudioTrack, language: str | None = None) -> Transcript:
        """The words of a stretch of sound.

        `audio` is mono at 16 kHz, as long as memory allows. `language` is a code such as "en"; None
        lets Whisper tell from the first 30 s of speech. Silence, noise and music without singing give
        no words. The same sound gives the same words each time.

        Raises TranscriptionError for a language that the model does not know, ValueError for another
        sample rate.
        """
        if audio.sample_rate_hz != SAMPLE_RATE_HZ:
            raise ValueError(f"Whisper hears sound of {SAMPLE_RATE_HZ} Hz, got {audio.sample_rate_hz} Hz")
        language = self._check_language(language)
        unheard = Transcript(language=language, language_probability=float(language is not None))
        if not _has_voice(audio.samples):
            return unheard
        segments, info = self._whisper.transcribe(
            audio.samples,
            language=language,
            beam_size=1,
            temperature=0.0,
            word_timestamps=True,
            condition_on_previous_text=False,
            no_repeat_ngram_size=NO_REPEAT_TOKENS,
            compression_ratio_threshold=MAX_COMPRESSION_RATIO,
            log_prob_threshold=MIN_AVERAGE_LOGPROB,
            no_speech_threshold=MAX_NO_SPEECH_PROBABILITY,
            vad_filter=True,
            vad_parameters=_vad_parameters(),
        )
        pieces = [piece for segment in segments if _is_speech(segment) for piece in _join_pieces(segment.words)]
        if not pieces:
            return unheard
        return Transcript(_place_words(pieces, audio), info.language, float(info.language_probability))

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


def _cuda_device_count() -> int:
    import ctranslate2

    return ctranslate2.get_cuda_device_count()


def _open_transcriber(files: WhisperFiles, device: str) -> Transcriber:
    """Load a model and make it work once: CTranslate2 looks for cuBLAS only when it first multiplies."""
    import ctranslate2
    from faster_whisper import WhisperModel

    fast = {"cpu": "int8", "cuda": "float16"}[device]
    compute_type = fast if fast in ctranslate2.get_supported_compute_types(device) else "float32"
    whisper = WhisperModel(str(files.folder), device=device, compute_type=compute_type)
    silence = np.zeros(SAMPLE_RATE_HZ, np.float32)
    segments, _ = whisper.transcribe(silence, language="en", beam_size=1, temperature=0.0, max_new_tokens=1)
    list(segments)
    logger.info("Whisper %s (%s) runs on %s in %s", files.model_name, files.source, device, compute_type)
    return Transcriber(files.model_name, device, compute_type, files.source, whisper)


def _vad_parameters() -> dict[str, Any]:
    return {"min_silence_duration_ms": MIN_SILENCE_MS, "speech_pad_ms": SPEECH_PAD_MS}


def _has_voice(samples: np.ndarray) -> bool:
    """Whether Silero hears a voice anywhere. Whisper itself would name a language for silence, too."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    return len(samples) > 0 and bool(get_speech_timestamps(samples, VadOptions(**_vad_parameters())))


def _is_speech(segment: Any) -> bool:
    """The no-speech gate over one segment of faster-whisper: inventions over music and noise end here."""
    is_loop = segment.compression_ratio > MAX_COMPRESSION_RATIO
    is_guess = segment.avg_logprob < MIN_AVERAGE_LOGPROB
    is_silence = segment.no_speech_prob > MAX_NO_SPEECH_PROBABILITY and segment.avg_logprob < LIKELY_LOGPROB
    return not (is_loop or is_guess or is_silence)


# ---------------------------------------------------------------- from pieces to words


@dataclass(slots=True)
class _Piece:
    """A word in the making."""

    text: str
    start_seconds: float
    end_seconds: float
    probability: float


def _join_pieces(pieces: Iterable[Any]) -> list[_Piece]:
    """Whole words from faster-whisper's, which come apart at punctuation: " 3" and ".5" are one.

    A blank in front marks a new word. Without one, a piece belongs to the word before, unless the
    script knows no blanks: there each piece stays alone, and only punctuation and vowel signs join.
    Punctuation on its own ("...", "♪") is no word.
    """
    words: list[_Piece] = []
    for piece in pieces:
        text = piece.word.strip()
        if not text:
            continue
        has_letters = any(c.isalnum() for c in text)
        last = words[-1] if words and not piece.word[0].isspace() else None
        is_apart = last is not None and (is_unspaced(last.text[-1]) or is_unspaced(text[0]))
        if last is not None and not (has_letters and is_apart):
            last.text += text
            last.end_seconds = max(last.end_seconds, float(piece.end))
            last.probability = min(last.probability, float(piece.probability))
        elif has_letters:
            words.append(_Piece(text, float(piece.start), float(piece.end), float(piece.probability)))
    return words


def _place_words(pieces: Sequence[_Piece], audio: AudioTrack) -> tuple[Word, ...]:
    """Words at times of the file, each of some length, one after the other, inside the sound."""
    offset = audio.start_seconds
    spans = [(piece.start_seconds + offset, piece.end_seconds + offset) for piece in pieces]
    return tuple(
        Word(start, end, piece.text, min(max(piece.probability, 0.0), 1.0))
        for piece, (start, end) in zip(
            pieces, separate_spans(spans, audio.start_seconds, audio.end_seconds), strict=True
        )
    )
