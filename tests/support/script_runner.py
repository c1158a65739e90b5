"""A runner that needs no torch: prompts are scripts.

Those of `tests.support.worker_contract`, and `placed …`, `log`, `exit`, `raise`, `kill`, `segfault`. Those
of a cluster may be followed by a word, so that no two jobs are alike: `steps N SECONDS` makes so many steps of so many
seconds, `full` has no memory on the first rung of a GPU, `stuck FILE` hangs where there is no such file, and makes it;
`topple` takes the node down, where nothing is shut in; `lacking FILE` finds no model at the actor that makes the file;
`hungry FILE` writes its process id there, and takes `EATEN_BYTES` on the first rung once the file is gone. `escape NAME
LAID` tries one of `tests.support.escapes`, and says what came of it; `variables WORD` says which begin so.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import psutil
from loguru import logger

from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind, Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.ladder.rungs import Rung
from aura_daemon.workers.protocol import Batch, Memory, Ready
from aura_daemon.workers.runner import BatchReporter
from tests.support import escapes
from tests.support.outcomes import make
from tests.support.worker_contract import outcome_of

WITNESS: Final = "AURA_TEST_WITNESS"
"""A variable that names a file: whoever draws `steps` writes a line there before the first step and after the last."""

EATEN_BYTES: Final = 512 << 20

LACKS: Final = Failure(kind=FailureKind.MODEL_UNAVAILABLE, message="the model is not there", mend="fetch it")

FULL: Final = Failure(kind=FailureKind.OUT_OF_MEMORY, message="not enough memory: 9.0 GiB needed, 8.0 GiB to be had")

TRIED = RunConditions(
    device="cpu", device_name="light", dtype="float32", rung=Rung.CPU, width=64, height=64, batch=1, alone=True
)


class ScriptRunner:
    """Runs the scripts; `further`: script -> what it does, and the outcome where that is not as usual."""

    def __init__(self, further: Mapping[str, Callable[[], Outcome | None]] | None = None) -> None:
        self._further = dict(further or {})

    def ready(self) -> Ready:
        return Ready(device="cpu", device_name="light", dtype="float32", rung="cpu", versions=())

    def run(self, batch: Batch, reporter: BatchReporter) -> None:
        for task in batch.tasks:
            script = task.request.prompt if isinstance(task.request, GenerateRequest) else ""
            match script.split():
                case ["full", *_]:
                    rung = batch.start.rung or Rung.RESIDENT
                    tried = replace(TRIED, device="cuda:0", rung=rung)
                    outcome = FULL if rung is Rung.RESIDENT else make(task)
                    reporter.finish(task.job_id, outcome, tried=tried)
                case ["steps", steps, step_s, *_]:
                    outcome = _drawn(task, script, reporter, int(steps), float(step_s))
                    reporter.finish(task.job_id, outcome, tried=TRIED)
                case ["stuck", file, *_]:
                    reporter.placed([task.job_id], TRIED)
                    if not Path(file).exists():
                        Path(file).touch()
                        time.sleep(600)
                    reporter.finish(task.job_id, make(task), tried=TRIED)
                case ["topple", *_]:
                    reporter.placed([task.job_id], TRIED)
                    psutil.Process(os.getppid()).parent().kill()  # type: ignore[union-attr] # the raylet, of the actor
                    time.sleep(600)
                case ["lacking", file, *_]:
                    reporter.finish(task.job_id, LACKS if _is_first_actor(Path(file)) else make(task), tried=TRIED)
                case ["escape", name, laid]:
                    came_of = escapes.tried(name, escapes.Laid(**json.loads(laid), channel=int(sys.argv[1])))
                    reporter.finish(task.job_id, Failure(kind=FailureKind.BAD_INPUT, message=came_of))
                case ["variables", word]:
                    found = " ".join(name for name in os.environ if name.startswith(word))
                    reporter.finish(task.job_id, Failure(kind=FailureKind.BAD_INPUT, message=f"these: {found}"))
                case ["hungry", file, *_]:
                    reporter.placed([task.job_id], TRIED)
                    if batch.start.rung is None:
                        _eat(Path(file))
                    reporter.finish(task.job_id, make(task), tried=TRIED)
                case _:
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
        if script in self._further and (said := self._further[script]()) is not None:
            return said
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


def _drawn(task: Task, script: str, reporter: BatchReporter, steps: int, step_s: float) -> Outcome:
    reporter.placed([task.job_id], TRIED)
    _witness("begun", script)
    for step in range(1, steps + 1):
        time.sleep(step_s)
        if reporter.is_cancelled(task.job_id):
            return CANCELLED
        reporter.stepped(task.job_id, step, steps)
    _witness("ended", script)
    return make(task)


def _is_first_actor(file: Path) -> bool:
    """Whether this process belongs to the actor that made the file."""
    with suppress(FileExistsError), file.open("x", encoding="utf-8") as book:
        book.write(str(os.getppid()))
    return file.read_text(encoding="utf-8") in (str(os.getppid()), "")


def _eat(file: Path) -> None:
    file.write_text(str(os.getpid()), encoding="utf-8")
    while file.exists():
        time.sleep(0.05)
    assert b"x" * EATEN_BYTES


def _witness(what: str, script: str) -> None:
    if (file := os.environ.get(WITNESS)) is not None:
        with Path(file).open("a", encoding="utf-8") as book:
            book.write(f"{what} {os.getpid()} {script}\n")
