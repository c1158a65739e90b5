"""Answers in place of the engines where `sandbox: strict` cannot be kept: the jobs wait. In: what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.system.sandbox.confining import support
from aura_daemon.workers.protocol import NO_DEVICE, Batch, Memory, Ready
from aura_daemon.workers.runner import BatchReporter

MEND: Final = "give the machine what is missing, or say `sandbox: auto`; docs/security.md says what each part holds off"


def refusal(lacks: Sequence[str]) -> Failure:
    """Why nothing runs and nothing is fetched."""
    why = support().why_not
    message = f"`sandbox: strict` cannot be kept here: {'; '.join(lacks)}" + (f" ({why})" if why else "")
    return Failure(kind=FailureKind.MODEL_UNAVAILABLE, message=message, mend=MEND)


class RefusingRunner:
    """Loads nothing and opens nothing."""

    def __init__(self, lacks: Sequence[str]) -> None:
        self._failure = refusal(lacks)

    def ready(self) -> Ready:
        """No device, for this reason."""
        return Ready(device=NO_DEVICE, device_name=self._failure.message, dtype="", rung="", versions=())

    def run(self, batch: Batch, reporter: BatchReporter) -> None:
        """Fails every task as one whose model cannot be had: it is tried again later."""
        for task in batch.tasks:
            reporter.finish(task.job_id, self._failure)

    def memory(self) -> Memory:
        """Nothing is known."""
        return Memory(device_used_bytes=0, device_free_bytes=0, resident_bytes=0)

    def models(self) -> tuple[tuple[str, str], ...]:
        """None."""
        return ()
