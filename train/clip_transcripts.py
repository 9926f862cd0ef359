"""What is recognised of MELD's own sound, clip by clip, kept beside the prepared clips so that it is done once."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Final

from tqdm import tqdm

from sentiment.transcription import Transcriber
from sentiment.words import join_words
from train.clip_cache import PreparedClips, clip_path, index_path, read_header, read_sound, replace_file
from train.corpora import Split
from train.probes import LANGUAGE

logger = logging.getLogger(__name__)

KEEP_EVERY: Final = 50
"""After so many clips what was recognised is written, so that a run that was broken off goes on from there."""


def recognised_texts(cache: Path, split: Split, clips: PreparedClips, transcriber: Transcriber) -> dict[str, str]:
    """The text of each clip that has sound, by the key of its example; "" where no words were recognised.

    The file is transcripts-NAME.json beside the clips' index, NAME being the Whisper's.
    """
    name = re.sub(r"[^\w.-]+", "-", transcriber.model_name)
    folder = index_path(cache, split).parent
    file = folder / f"transcripts-{name}.json"
    known: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    wanted = [e.key for e in clips.examples if e.key not in known and has_sound(clip_path(folder, e.key))]
    rate_hz = clips.preprocessor.settings.sample_rate_hz
    for number, key in enumerate(tqdm(wanted, desc=f"Whisper {name}", unit="clip", disable=not wanted), start=1):
        transcript = transcriber.transcribe(read_sound(clip_path(folder, key), rate_hz), LANGUAGE)
        known[key] = join_words(word.text for word in transcript.words)
        if number % KEEP_EVERY == 0 or number == len(wanted):
            replace_file(file, json.dumps(known, ensure_ascii=False, indent=0).encode())
    listed = {example.key for example in clips.examples}
    return {key: text for key, text in known.items() if key in listed}


def has_sound(path: Path) -> bool:
    """Whether a prepared clip can be listened to."""
    header = read_header(path)
    return header is not None and not header["no_sound"]
