"""The scripted worker keeps the contract of the real one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aura_daemon.jobs.results import Failure, FailureKind
from tests.support.scripted_worker import ScriptedWorker
from tests.support.worker_contract import WorkerContract, batch_of, finished, outcome_of


@pytest.fixture
def worker() -> Iterator[ScriptedWorker]:
    scripted = ScriptedWorker(outcome_of)
    yield scripted
    scripted.close()


class TestScriptedWorker(WorkerContract):
    """The tests of the contract."""


def test_a_job_left_open_ends_when_the_test_says_so(worker: ScriptedWorker) -> None:
    worker.submit(batch_of("hang"))
    worker.finish("job-1", Failure(kind=FailureKind.DEADLINE, message="too long"))
    (word,) = finished(worker)
    assert isinstance(word.outcome, Failure)
    assert worker.idle


def test_a_crash_ends_every_open_job_and_the_worker(worker: ScriptedWorker) -> None:
    worker.submit(batch_of("fine", "hang", "hang"))
    worker.crash(Failure(kind=FailureKind.CRASHED, message="killed"))
    assert len(finished(worker, 3)) == 3
    assert worker.pid is None
    worker.submit(batch_of("fine"))
    assert worker.starts == 2
