"""A hundred damaged files, always the same ones: no hang, no crash of the app, and none of our own code stumbles."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from fuzz_media import LIMITS, SEEDS, Fuzzer, Outcome, run_cases

CASES = range(100)

SENTENCES = ("is no video or sound that can be read", "holds no picture and no sound that can be decoded", "lasts #")
"""What a refusal says; beside it there are results. A decoder that went down is neither."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    folder = tmp_path_factory.mktemp("fuzz")
    outcomes = list(run_cases(CASES, folder))
    assert list((folder / "cases").iterdir()) == []
    return outcomes


def test_every_case_gives_a_result_or_a_sentence(outcomes: list[Outcome]) -> None:
    assert len(outcomes) == len(CASES)
    odd = [outcome for outcome in outcomes if outcome.kind != "read" and not outcome.kind.startswith(SENTENCES)]
    assert odd == []
    kinds = [outcome.kind for outcome in outcomes]
    assert 20 < kinds.count("read") < 95, "the fuzzer changes too much or too little"


def test_nothing_takes_long(outcomes: list[Outcome]) -> None:
    """Longer than a step may take: on a machine that does much else the answer is late, but it comes."""
    assert max(outcome.seconds for outcome in outcomes) < LIMITS.request_seconds


def test_no_decoder_is_left(outcomes: list[Outcome]) -> None:
    assert not [child for child in psutil.Process().children() if "sentiment.decoder_server" in child.cmdline()]


def test_cases_are_repeatable_and_differ(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = Fuzzer(tmp_path / "one"), Fuzzer(tmp_path / "two")
    assert one.bytes_of(5) == two.bytes_of(5)
    cases = [one.bytes_of(case) for case in range(len(SEEDS) * 2)]
    assert len(set(cases)) == len(cases)
    assert {name for name, _ in cases} == set(SEEDS)
