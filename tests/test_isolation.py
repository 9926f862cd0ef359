"""Jobs that crash or hang, in processes of their own. Imports little, since every worker imports it, too."""

from __future__ import annotations

import os
import signal
import time

import pytest

from train.isolation import Crashed, run_isolated


def treat(job: str) -> str:
    if job == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if job == "hangs":
        time.sleep(600)
    if job == "fails":
        raise ValueError("a mistake in the program")
    return job.upper()


def test_a_job_that_crashes_or_hangs_costs_itself_alone():
    jobs = ["a", "crashes", "b", "hangs", "c", "d", "e"]
    results = list(run_isolated(treat, jobs, workers=2, limit_seconds=1))
    assert sorted(result.job for result in results if isinstance(result, Crashed)) == ["crashes", "hangs"]
    assert sorted(result for result in results if isinstance(result, str)) == ["A", "B", "C", "D", "E"]


@pytest.mark.parametrize("workers", [0, 1])
def test_exceptions_end_the_run(workers):
    with pytest.raises(ValueError, match="a mistake"):
        list(run_isolated(treat, ["a", "fails", "b"], workers, limit_seconds=30))


def test_without_workers_jobs_run_here_and_in_order():
    assert list(run_isolated(treat, ["a", "b"], workers=0, limit_seconds=1)) == ["A", "B"]
