"""What runs the tasks inside the child process, and how the child reports to the daemon."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final, NoReturn, Protocol

from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind, Outcome
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.workers.protocol import Batch, Finished, Loading, Memory, Placed, Progress, Ready, Up

BROKEN: Final = 70
"""Exit code of a worker whose device does not answer any more (sysexits' EX_SOFTWARE)."""


class BatchReporter:
    """Turns reports on one batch into messages to the daemon; called from any thread (`engines.reporter.Reporter`)."""

    def __init__(
        self,
        send_up: Callable[[Up], None],
        cancelled: set[str],
        runner: Runner,
        *,
        end: Callable[[int], NoReturn] = os._exit,
    ) -> None:
        """`end`: ends this process."""
        self._end = end
        self._send_up = send_up
        self._cancelled = cancelled
        self._runner = runner
        self._finished: set[str] = set()

    def loading(self, model: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        """A model is being fetched, checked or loaded."""
        self._send_up(Loading(model=model, done_bytes=done_bytes, total_bytes=total_bytes))

    def placed(self, job_ids: Sequence[str], tried: RunConditions) -> None:
        """These jobs are about to run under these conditions."""
        self._send_up(Placed(job_ids=tuple(job_ids), tried=tried))

    def stepped(self, job_id: str, step: int, steps: int, preview: bytes = b"") -> None:
        """A step of a job is done."""
        self._send_up(Progress(job_id=job_id, step=step, steps=steps, preview=preview))

    def is_cancelled(self, job_id: str) -> bool:
        """Whether the job needs no more work; a cancelled job is finished at once, not at the end of its batch."""
        if job_id in self._cancelled:
            self.finish(job_id, CANCELLED)
        return job_id in self._finished

    def finish(self, job_id: str, outcome: Outcome, *, tried: RunConditions | None = None, step_s: float = 0.0) -> None:
        """Sends the outcome of a job, once. A failure that has broken this process ends the process."""
        self._cancelled.discard(job_id)
        if job_id in self._finished:
            return
        self._finished.add(job_id)
        loaded = self._runner.models()
        self._send_up(
            Finished(
                job_id=job_id,
                outcome=outcome,
                memory=self._runner.memory(),
                models=tuple(name for _, name in loaded),
                model_kinds=tuple(kind for kind, _ in loaded),
                tried=tried,
                step_s=step_s,
            )
        )
        if isinstance(outcome, Failure) and outcome.kind is FailureKind.CRASHED:
            self._end(BROKEN)


class Runner(Protocol):
    """Runs the tasks: the engines, or in tests something that needs no torch."""

    def ready(self) -> Ready:
        """The device that was found at the start."""

    def run(self, batch: Batch, reporter: BatchReporter) -> None:
        """Finishes every task; after an exception this process ends, and the daemon starts another."""

    def memory(self) -> Memory:
        """Memory as it is now."""

    def models(self) -> tuple[tuple[str, str], ...]:
        """Kind of job and name of each loaded model."""
