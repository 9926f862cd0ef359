"""Probes: what the whole path answers to questions that no corpus asks.

    spoken           lines of MELD's test part said by a synthetic voice, recognised, and read
    neutral_reading  flat sentences read aloud over faces labelled neutral: what else is claimed there is wrong
    example          the example video, segment by segment

They measure the synthesiser and the recogniser as much as the network.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sentiment.labels import EMOTIONS, SENTIMENTS
from train.corpora import Example, meld
from train.errors import DataError
from train.metrics import (
    BOOTSTRAP_RESAMPLES,
    BOOTSTRAP_SEED,
    classification_report,
    confusion_matrix,
    rounded,
    weighted_f1,
)

if TYPE_CHECKING:
    from sentiment.checkpoint import Checkpoint
    from sentiment.datatypes import Affect
    from sentiment.transcription import Transcriber

logger = logging.getLogger(__name__)

PARTS: Final = ("spoken", "neutral_reading", "example")
STORED_PARTS: Final = ("spoken", "neutral_reading")

LANGUAGE: Final = "en"
"""Of MELD. In use it is detected once for a whole file, which a line of two words is too short for."""

TASKS: Final = {"emotion": EMOTIONS, "sentiment": SENTIMENTS}


def add_command(commands: Any) -> None:
    """Adds `probe` to the commands of `python -m train`; `commands` is what argparse's add_subparsers gives."""
    probe = commands.add_parser("probe", help="ask the whole path what no corpus asks, as JSON on stdout")
    probe.add_argument("--checkpoint", required=True, help="folder of the checkpoint or its run, or hf://NAME")
    probe.add_argument("--data", type=Path, required=True, help="folder that holds the corpora, zipped or unpacked")
    probe.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="which probes (default: all)")
    probe.add_argument("--lines", type=int, default=300, help="how many lines are spoken (default: 300)")
    probe.add_argument("--store", action="store_true", help=f"keep {' and '.join(STORED_PARTS)} with the checkpoint")
    probe.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from sentiment.checkpoint import update_metrics
    from sentiment.hub import find_checkpoint, find_own_checkpoint
    from sentiment.pipeline import load_models
    from train.probe_videos import probe_example, probe_neutral_reading

    folder = find_own_checkpoint(options.checkpoint) if options.store else find_checkpoint(options.checkpoint)
    models = load_models(folder)
    probes = {
        "spoken": lambda: probe_spoken(models.checkpoint, models.transcriber, options.data, options.lines),
        "neutral_reading": lambda: probe_neutral_reading(models, options.data),
        "example": lambda: probe_example(models),
    }
    results = {part: probes[part]() for part in PARTS if part in options.parts}
    print(json.dumps(results))
    if options.store:
        update_metrics(folder, {part: results[part] for part in STORED_PARTS if part in results})


def probe_spoken(
    checkpoint: Checkpoint, transcriber: Transcriber, data_folder: Path, num_lines: int = 300, seed: int = 0
) -> dict[str, Any]:
    """How much is lost between a line as MELD writes it and the same line said by espeak-ng and recognised.

    Lines and voices are drawn by the seed. Context, where the checkpoint reads any, is the lines around them as
    MELD writes them in both cases; "without_context" then holds the same comparison without them.

    A line in which no words were recognised is "unheard" and has no answer, as in use. No answer is not
    some wrong class, so such lines are left out of the reports of "recognised", whose n says so. But nor
    may they flatter: in "recognised_of_all" and in "difference" they count as not named rightly, which
    costs their own class and blames no other.

    "difference" is recognised minus gold, [difference, low, high], with the ends of its 95% interval from
    a bootstrap over lines that resamples both answers to a line together.

    Raises DataError where MELD's test part or espeak-ng is absent, or there are fewer lines.
    """
    examples = meld.load(data_folder, "test")
    if not 1 <= num_lines <= len(examples):
        raise DataError(f"{data_folder}: MELD's test part has {len(examples)} lines, of which {num_lines} cannot be.")
    rng = np.random.default_rng(seed)
    chosen = [examples[i] for i in sorted(rng.choice(len(examples), num_lines, replace=False))]
    recognised = _recognise(chosen, transcriber, rng)
    result = {
        "n": num_lines,
        "unheard": sum(not text for text in recognised),
        "word_error_rate": word_error_rate([e.text or "" for e in chosen], recognised),
        "whisper": transcriber.model_name,
        "context_utterances": checkpoint.clip_settings.context_utterances,
        "following_utterances": checkpoint.clip_settings.following_utterances,
        **_compare(checkpoint, chosen, recognised),
    }
    if checkpoint.clip_settings.context_utterances or checkpoint.clip_settings.following_utterances:
        alone = [replace(example, context=(), following=()) for example in chosen]
        result["without_context"] = _compare(checkpoint, alone, recognised)
    return result


def _recognise(examples: Sequence[Example], transcriber: Transcriber, rng: np.random.Generator) -> list[str]:
    """What is recognised of each example's text, said by a voice that is drawn for it; "" where nothing is."""
    from sentiment.clips import normalize_text
    from sentiment.transcription import SAMPLE_RATE_HZ
    from sentiment.words import join_words
    from train.probe_media import VOICES, say

    texts = []
    for number, example in enumerate(examples, start=1):
        voice = VOICES[rng.integers(len(VOICES))]
        sound = say(normalize_text(example.text or ""), voice, SAMPLE_RATE_HZ)
        texts.append(join_words(word.text for word in transcriber.transcribe(sound, LANGUAGE).words))
        if number % 25 == 0:
            logger.info("probe: %d of %d lines recognised", number, len(examples))
    return texts


def _compare(checkpoint: Checkpoint, examples: Sequence[Example], recognised: Sequence[str]) -> dict[str, Any]:
    """The answers to the lines as written and as recognised; see `probe_spoken`."""
    heard = [i for i, text in enumerate(recognised) if text]
    heard_examples = [replace(examples[i], text=recognised[i]) for i in heard]
    gold_answers = _ask_words(checkpoint, examples)
    heard_answers = _ask_words(checkpoint, heard_examples)
    of_all, differences = {}, {}
    for task, labels in TASKS.items():
        true = np.array([labels.index(getattr(e, task)) for e in examples])
        gold = np.array([np.argmax(getattr(answer, task)) for answer in gold_answers])
        named = np.full(len(examples), len(labels))  # beyond the last class: no answer
        named[heard] = [np.argmax(getattr(answer, task)) for answer in heard_answers]
        of_all[f"{task}_weighted_f1"] = rounded(weighted_f1_of_all(true, named, len(labels)))
        differences[f"{task}_weighted_f1"] = paired_difference(true, gold, named, len(labels))
    return {
        "gold": _reports(examples, gold_answers),
        "recognised": _reports(heard_examples, heard_answers),
        "recognised_of_all": of_all,
        "difference": differences,
    }


def _ask_words(checkpoint: Checkpoint, examples: Sequence[Example]) -> list[Affect]:
    from train.dataset import ExampleDataset
    from train.evaluate import answers

    if not examples:
        return []
    return answers(checkpoint, "text", ExampleDataset(examples, checkpoint.preprocessor))


def _reports(examples: Sequence[Example], found: Sequence[Affect]) -> dict[str, Any]:
    """{task: classification report}; {} where there is nothing to measure."""
    if not examples:
        return {}
    return {
        task: classification_report(
            [getattr(e, task) for e in examples], np.array([getattr(answer, task) for answer in found]), labels
        )
        for task, labels in TASKS.items()
    }


def paired_difference(true: np.ndarray, before: np.ndarray, after: np.ndarray, num_classes: int) -> list[float]:
    """[difference, low, high]: weighted F1 of `after` minus that of `before`, and its bootstrap 95% interval.

    All are (N,) class indices; in `before` and `after`, `num_classes` stands for no answer.
    """

    def difference(rows: np.ndarray) -> float:
        one, other = (weighted_f1_of_all(true[rows], named[rows], num_classes) for named in (before, after))
        return other - one

    rng = np.random.default_rng(BOOTSTRAP_SEED)
    drawn = [difference(rng.integers(len(true), size=len(true))) for _ in range(BOOTSTRAP_RESAMPLES)]
    return [rounded(x) for x in (difference(np.arange(len(true))), *np.quantile(drawn, (0.025, 0.975)))]


def weighted_f1_of_all(true: np.ndarray, named: np.ndarray, num_classes: int) -> float:
    """Weighted F1 of (N,) class indices, where `num_classes` in `named` stands for no answer, which is never right."""
    # No answer is a column of its own. Nothing truly is of that class, so it has no weight.
    return weighted_f1(confusion_matrix(true, named, num_classes + 1))


def word_error_rate(written: Sequence[str], recognised: Sequence[str]) -> float:
    """Words to insert, delete or replace over all lines, per word that was written.

    Letter case and punctuation do not count; spelling does ("okay" for "OK", "5" for "five").
    """
    from torchaudio.functional import edit_distance

    errors = words = 0
    for reference, hypothesis in zip(map(_words, written), map(_words, recognised), strict=True):
        errors += edit_distance(reference, hypothesis)
        words += len(reference)
    return rounded(errors / words)


def _words(text: str) -> list[str]:
    from sentiment.clips import normalize_text

    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", normalize_text(text).lower())
