"""The batch that a worker runs, as its owner knows it. In: its reports, or its end. Out: reports for the daemon.

Every job of a batch gets one last word: its own, or the failure of a worker that ended without it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from aura_daemon.jobs.requests import Request
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.workers.protocol import Batch, Finished, Memory, Placed, Up

NO_MEMORY: Final = Memory(device_used_bytes=0, device_free_bytes=0, resident_bytes=0)

NOT_BEGUN: Final = Failure(
    kind=FailureKind.INTERRUPTED,
    message="the worker process ended while it ran another job, before it began this one",
    mend="nothing is to be done: it is queued again, and this counts for no attempt",
)


class RunningBatch:
    """No batch, or one that runs."""

    def __init__(self) -> None:
        self._unfinished: dict[str, None] = {}
        self._cancelled: set[str] = set()
        self._placed: dict[str, RunConditions] = {}
        self.requests: Mapping[str, Request] = {}
        """Of all its jobs, by id; of the last batch once that is over."""

    @property
    def unfinished(self) -> Collection[str]:
        """Ids of the jobs that have no last word."""
        return self._unfinished.keys()

    @property
    def is_over(self) -> bool:
        """Whether every job has its last word."""
        return not self._unfinished

    @property
    def placed(self) -> tuple[RunConditions, ...]:
        """How its jobs stand, as far as it came."""
        return tuple(self._placed.values())

    def begin(self, batch: Batch) -> None:
        """A worker gets a batch; raises RuntimeError where it has one."""
        if not self.is_over:
            raise RuntimeError("a batch is submitted only when the worker is idle")
        self._unfinished = {task.job_id: None for task in batch.tasks}
        self.requests = {task.job_id: task.request for task in batch.tasks}
        self._placed = {}
        self._cancelled.clear()

    def forget(self) -> None:
        """There is no batch any more, and nothing is said about it."""
        self._unfinished = {}

    def cancel(self, job_id: str) -> bool:
        """Notes that a job is not wanted any more; whether its worker has to be told."""
        self._cancelled.add(job_id)
        return job_id in self._unfinished

    def record(self, message: Up) -> None:
        """A report of the worker."""
        match message:
            case Finished(job_id=job_id):
                self._unfinished.pop(job_id, None)
            case Placed(job_ids=job_ids, tried=tried):
                self._placed |= dict.fromkeys(job_ids, tried)
            case _:
                pass

    def fail(self, failure: Failure, *, lost_node: bool = False) -> list[Up]:
        """The last words of all jobs that have none, as their worker has ended; `lost_node`: together with its machine.

        One that was handed over and not begun is not at fault, unless no other can be.
        """
        begun = self._unfinished.keys() & self._placed.keys()
        reports: list[Up] = []
        for job_id in self._unfinished:
            tried = self._placed.get(job_id, None if begun else next(reversed(self._placed.values()), None))
            own = failure if job_id in begun or not begun else NOT_BEGUN
            outcome = CANCELLED if job_id in self._cancelled else own
            reports.append(
                Finished(
                    job_id=job_id,
                    outcome=outcome,
                    memory=NO_MEMORY,
                    models=(),
                    tried=tried,
                    lost_node=lost_node and outcome is failure,
                )
            )
        self._unfinished = {}
        return reports
