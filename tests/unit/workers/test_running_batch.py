"""The batch that a worker runs, as its owner knows it."""

from __future__ import annotations

import pytest

from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind
from aura_daemon.workers.protocol import Finished, Placed
from aura_daemon.workers.running_batch import NOT_BEGUN, RunningBatch
from tests.support.script_runner import TRIED
from tests.support.worker_contract import batch_of

GONE = Failure(kind=FailureKind.INTERRUPTED, message="the node is gone")


@pytest.mark.parametrize("lost_node", [True, False])
def test_the_jobs_that_had_begun_are_those_that_ended_with_the_node(lost_node: bool) -> None:
    batch, running = batch_of("a", "b", "c"), RunningBatch()
    first, second, third = (task.job_id for task in batch.tasks)
    running.begin(batch)
    running.record(Placed(job_ids=(first, second), tried=TRIED))
    running.cancel(second)
    words = [one for one in running.fail(GONE, lost_node=lost_node) if isinstance(one, Finished)]
    assert [(one.job_id, one.outcome, one.lost_node) for one in words] == [
        (first, GONE, lost_node),
        (second, CANCELLED, False),
        (third, NOT_BEGUN, False),
    ]
    assert running.is_over
