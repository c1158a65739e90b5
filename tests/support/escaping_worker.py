"""The worker process, taken over: `python -m tests.support.escaping_worker FD PARENT_PID`.

Everything but the engines is the product's code. Prompts name escapes, and the outcome says what came of each.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Final

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.services import Services
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.workers import child_main
from aura_daemon.workers.protocol import Batch, Memory, Ready
from aura_daemon.workers.runner import BatchReporter
from tests.support.escapes import LEFT_OPEN, Laid, tried

LAID: Final = "TEST_LAID"
"""A variable that holds what is laid out, as JSON."""


class EscapingRunner:
    """Tries what prompts name."""

    def __init__(self, settings: EngineSettings, services: Services) -> None:
        self._laid = Laid(**json.loads(os.environ[LAID]), channel=int(sys.argv[1]))

    def ready(self) -> Ready:
        return Ready(device="cpu", device_name="light", dtype="float32", rung="cpu", versions=())

    def run(self, batch: Batch, reporter: BatchReporter) -> None:
        for task in batch.tasks:
            assert isinstance(task.request, GenerateRequest)
            came_of = tried(task.request.prompt, self._laid)
            reporter.finish(task.job_id, Failure(kind=FailureKind.BAD_INPUT, message=came_of, mend="none"))

    def memory(self) -> Memory:
        return Memory(device_used_bytes=1, device_free_bytes=2, resident_bytes=3)

    def models(self) -> tuple[tuple[str, str], ...]:
        return ()


if __name__ == "__main__":
    os.dup2(os.open(json.loads(os.environ[LAID])["home"] + "/secret", os.O_RDONLY), LEFT_OPEN)
    child_main.engine_runner = EscapingRunner
    child_main.main(sys.argv[1:])
