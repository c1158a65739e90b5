"""A runner that needs no torch: prompts are scripts.

Those of `tests.support.worker_contract`, and `placed …`, `log`, `exit`, `raise`, `kill`, `segfault`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from loguru import logger

from aura_daemon.config.engine import EngineSettings
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import CANCELLED, Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.ladder.rungs import Rung
from aura_daemon.workers.protocol import Batch, Memory, Ready
from aura_daemon.workers.runner import BatchReporter
from tests.support.worker_contract import outcome_of

TRIED = RunConditions(
    device="cpu", device_name="light", dtype="float32", rung=Rung.CPU, width=64, height=64, batch=1, alone=True
)


class ScriptRunner:
    """Runs the scripts; `further`: script -> what it does."""

    def __init__(self, further: Mapping[str, Callable[[], None]] | None = None) -> None:
        self._further = dict(further or {})

    def ready(self) -> Ready:
        return Ready(device="cpu", device_name="light", dtype="float32", rung="cpu", versions=())

    def run(self, batch: Batch, reporter: BatchReporter) -> None:
        for task in batch.tasks:
            reporter.finish(task.job_id, self._outcome(task, reporter))

    def _outcome(self, task: Task, reporter: BatchReporter) -> Outcome:
        request, job_id = task.request, task.job_id
        assert isinstance(request, GenerateRequest)
        script = request.prompt
        reporter.loading("light", 1, 2)
        reporter.stepped(job_id, 1, 2)
        if script.startswith("placed"):
            on_gpu = replace(TRIED, device="cuda:0", rung=Rung.RESIDENT)
            reporter.placed([job_id], on_gpu if script.endswith("GPU") else TRIED)
            time.sleep(600)
        if script == "log":
            logger.info("{} is drawn with <braces> {{}}", job_id)
        if script == "raise":
            raise ValueError("raised on request")
        if script == "exit":
            os._exit(3)
        if script == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if script == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        if script in self._further:
            self._further[script]()
        outcome = outcome_of(task)
        while outcome is None:
            time.sleep(0.02 if script == "slow" else 60)
            if script == "slow":
                if reporter.is_cancelled(job_id):
                    return CANCELLED
                reporter.stepped(job_id, 1, 2)
        return outcome

    def memory(self) -> Memory:
        return Memory(device_used_bytes=1, device_free_bytes=2, resident_bytes=3)

    def models(self) -> tuple[tuple[str, str], ...]:
        return (("generate", "light"),)


def start(settings: EngineSettings) -> ScriptRunner:
    """As `aura_daemon.workers.engine_start.engine_runner`, without engines."""
    return ScriptRunner()
