"""What runs the tasks inside the child process, and its half of the conversation with the daemon."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, Protocol

from aura_daemon.jobs.results import Failure, FailureKind, Outcome
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.workers.protocol import (
    Batch,
    Finished,
    Memory,
    Ready,
    Up,
)

BROKEN: Final = 70
"""Exit code of a worker whose device answers no more (sysexits' EX_SOFTWARE)."""


class BatchReporter:
    """This process's half of the conversation about one batch; called from any thread."""

    def __init__(self, send_up: Callable[[Up], None], cancelled: set[str], runner: Runner) -> None:
        self._send_up = send_up
        self._cancelled = cancelled
        self._runner = runner

    def say(self, message: Up) -> None:
        """Sends a message up."""
        self._send_up(message)

    def is_cancelled(self, job_id: str) -> bool:
        """Whether somebody wants this job to stop."""
        return job_id in self._cancelled

    def finish(self, job_id: str, outcome: Outcome, *, tried: RunConditions | None = None, step_s: float = 0.0) -> None:
        """The last word on a job. After one that has broken this process, its last word altogether."""
        self._cancelled.discard(job_id)
        memory, models = self._runner.memory(), self._runner.models()
        self.say(Finished(job_id=job_id, outcome=outcome, memory=memory, models=models, tried=tried, step_s=step_s))
        if isinstance(outcome, Failure) and outcome.kind is FailureKind.CRASHED:
            os._exit(BROKEN)


class Runner(Protocol):
    """What runs the tasks: the engines, or in tests something that needs no torch."""

    def ready(self) -> Ready:
        """What it found when it started."""

    def run(self, batch: Batch, talk: BatchReporter) -> None:
        """Finishes every task; an exception is a broken process, which ends here and is started anew by the daemon."""

    def memory(self) -> Memory:
        """Memory as it is now."""

    def models(self) -> tuple[str, ...]:
        """Names of what is loaded."""
