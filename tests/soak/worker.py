"""The worker process of a soak: most jobs are scripted; those that ask for it are drawn and captioned by the engines.

A prompt of `PROMPT_FOR_THE_ENGINE`'s beginning is drawn, a picture that really is one is captioned.
"""

from __future__ import annotations

import socket
import sys
from dataclasses import replace
from typing import Final

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.services import Services
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.tasks import Task
from aura_daemon.system.processes.child_processes import become_a_child
from aura_daemon.workers.child_main import serve
from aura_daemon.workers.engine_start import engine_runner, set_environment
from aura_daemon.workers.protocol import Batch, Memory, Ready
from aura_daemon.workers.runner import BatchReporter, Runner
from tests.support.light_worker import ScriptRunner

PROMPT_FOR_THE_ENGINE: Final = "a small red circle on a "

_FIRST_CHUNK: Final = slice(12, 16)
"""Where a real PNG says `IHDR`."""


class MixedRunner:
    """Runs the scripts, and hands to the engines what is for them; the first such job has them imported."""

    def __init__(self, settings: EngineSettings, services: Services) -> None:
        self._settings = settings
        self._services = services
        self._scripts = ScriptRunner()
        self._engines: Runner | None = None

    def ready(self) -> Ready:
        return self._scripts.ready()

    def run(self, batch: Batch, reporter: BatchReporter) -> None:
        real = tuple(task for task in batch.tasks if is_for_the_engine(task))
        self._scripts.run(replace(batch, tasks=tuple(task for task in batch.tasks if task not in real)), reporter)
        if not real:
            return
        if self._engines is None:
            reporter.loading("aura-mini")
            self._engines = engine_runner(self._settings, self._services)
        self._engines.run(replace(batch, tasks=real), reporter)

    def memory(self) -> Memory:
        return (self._engines or self._scripts).memory()

    def models(self) -> tuple[tuple[str, str], ...]:
        return (self._engines or self._scripts).models()


def is_for_the_engine(task: Task) -> bool:
    """Whether a job is drawn or captioned by aura-mini."""
    if isinstance(task.request, GenerateRequest):
        return task.request.prompt.startswith(PROMPT_FOR_THE_ENGINE)
    return task.image is not None and task.image[_FIRST_CHUNK] == b"IHDR"


if __name__ == "__main__":
    become_a_child(int(sys.argv[2]))
    set_environment()
    serve(socket.socket(fileno=int(sys.argv[1])), MixedRunner)
