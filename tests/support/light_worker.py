"""The worker process with a runner that needs no torch; prompts are scripts.

`wait FILE` ends when the file exists, `missing` has no model, `full FILE` has no memory until the file exists. Every
other prompt succeeds at once.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.services import Services
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind, Outcome, Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.ladder.rungs import Rung
from aura_daemon.system.processes.child_processes import become_a_child
from aura_daemon.workers.child_main import serve
from aura_daemon.workers.protocol import Batch, Memory, Ready
from aura_daemon.workers.runner import BatchReporter
from tests.support.outcomes import make

POLL_S = 0.02

THUMBNAILS = "AURA_TEST_THUMBNAILS"
"""A variable with which results have thumbnails."""

THUMBNAIL = b"RIFF\x1a\0\0\0WEBPVP8X" + bytes((10, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 7, 0, 0))
"""The head of a WebP of 8 x 8 pixels, which is all that is ever read of it."""

FULL = Failure(kind=FailureKind.OUT_OF_MEMORY, message="not enough memory: 3.0 GiB needed, 1.0 GiB to be had")

LACKING = RunConditions(
    device="cpu",
    device_name="light",
    dtype="float32",
    rung=Rung.CPU_MAPPED_WEIGHTS,
    width=64,
    height=64,
    batch=1,
    alone=True,
    expected_bytes=3,
    room_bytes=1,
    total_bytes=8,
)

TRIED = RunConditions(
    device="cpu", device_name="light", dtype="float32", rung=Rung.CPU, width=64, height=64, batch=1, alone=True
)


class ScriptRunner:
    """Runs the scripts."""

    def ready(self) -> Ready:
        return Ready(device="cpu", device_name="light", dtype="float32", rung="cpu", versions=())

    def run(self, batch: Batch, reporter: BatchReporter) -> None:
        for task in batch.tasks:
            script = task.request.prompt if isinstance(task.request, GenerateRequest) else ""
            if script.startswith("full ") and not Path(script.removeprefix("full ")).exists():
                reporter.finish(task.job_id, FULL, tried=LACKING)
            else:
                reporter.finish(task.job_id, self._outcome(task, reporter))

    def _outcome(self, task: Task, reporter: BatchReporter) -> Outcome:
        request, job_id = task.request, task.job_id
        reporter.placed([job_id], TRIED)
        reporter.loading("light")
        reporter.stepped(job_id, 1, 2)
        script = request.prompt if isinstance(request, GenerateRequest) else ""
        if script == "missing":
            return Failure(kind=FailureKind.MODEL_UNAVAILABLE, message="the hub is down", mend="bring it up")
        if script.startswith("wait "):
            while not Path(script.removeprefix("wait ")).exists():
                time.sleep(POLL_S)
                if reporter.is_cancelled(job_id):
                    return CANCELLED
                reporter.stepped(job_id, 1, 2)
        outcome = make(task)
        if THUMBNAILS in os.environ and isinstance(outcome, Produced):
            return replace(outcome, thumbnail=THUMBNAIL)
        return outcome

    def memory(self) -> Memory:
        return Memory(device_used_bytes=1, device_free_bytes=2, resident_bytes=3)

    def models(self) -> tuple[tuple[str, str], ...]:
        return (("generate", "light"),)


def start(settings: EngineSettings, services: Services) -> ScriptRunner:
    return ScriptRunner()


if __name__ == "__main__":
    become_a_child(int(sys.argv[2]))
    serve(socket.socket(fileno=int(sys.argv[1])), start)
