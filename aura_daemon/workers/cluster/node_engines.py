"""The engines on a node: a child process of the actor, shut in as on the daemon's machine. In: batches. Out: reports.

The actor holds Ray's sockets and the token, and opens nothing of a stranger; the child opens it, and holds neither.
The daemon judges what it says, and how it has ended. This module does not import Ray.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from threading import Lock
from typing import Final, cast

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.shut_in import ShutIn
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.system.processes.child_processes import environment_with
from aura_daemon.system.processes.oom_kills import oom_kills
from aura_daemon.system.sandbox.plan import SandboxMode
from aura_daemon.workers.cluster.messages import ActorEnded
from aura_daemon.workers.cluster.node_folder import node_folder
from aura_daemon.workers.converting.conversions import ModelConversions
from aura_daemon.workers.fetching import fetches
from aura_daemon.workers.fetching.fetch_sandbox import fetch_plan
from aura_daemon.workers.local.answering import AnsweredQuestions
from aura_daemon.workers.local.child import Child
from aura_daemon.workers.local.process import READS
from aura_daemon.workers.local.reach import reach_of_conversions
from aura_daemon.workers.local.shut_in_child import ShutInChild
from aura_daemon.workers.local.worker_death import BROKEN_INSTALLATION, WorkerDeath, broken_protocol
from aura_daemon.workers.local.worker_sandbox import WorkerSandbox
from aura_daemon.workers.protocol import Batch, Cancel, Question, Ready, Up
from aura_daemon.workers.reports.decoding import BrokenProtocol
from aura_daemon.workers.running_batch import RunningBatch

OF_RAY: Final = ("RAY_", "FQ_RAY_", "REDIS_", "PYTHONBREAKPOINT")
"""What names of variables begin with that are for the actor alone: tokens, passwords, addresses, certificates."""


class NodeEngines:
    """One child process; a batch starts it again where it has ended without one."""

    def __init__(
        self,
        settings: EngineSettings,
        shut_in: ShutIn,
        *,
        child: str,
        threads: int | None = None,
        options: Sequence[str] = (),
        fetcher: Sequence[str] = fetches.COMMAND,
        oom_kills: Callable[[], int | None] = oom_kills,
    ) -> None:
        """`child`: the module of its main program. `threads`: None: as many as torch likes. `options`: of the log.

        `fetcher`: the command of a process that fetches. `oom_kills`: counts the processes that the kernel killed for
        want of memory.
        """
        hidden: dict[str, str | None] = {name: None for name in os.environ if name.startswith(OF_RAY)}
        # Ray sets one thread where nobody asked for CPUs.
        environment = {**hidden, "OMP_NUM_THREADS": str(threads) if threads is not None else None}
        sandbox = apart = None
        self._folder: Path | None = None
        if shut_in.mode is not SandboxMode.OFF:
            self._folder = node_folder()
            shut_in = replace(shut_in, folder=str(self._folder))
            sandbox = WorkerSandbox(settings, shut_in)
            apart = WorkerSandbox(settings, shut_in, name="conversions", reaches=reach_of_conversions)
        own_fetches = fetches.ModelFetches(
            settings,
            options=options,
            environment=environment,
            sandbox=partial(fetch_plan, settings, shut_in, environment_with(environment)),
            command=fetcher,
        )
        conversions = ModelConversions(settings, environment=environment, sandbox=apart)
        self._questions = AnsweredQuestions(settings, own_fetches, conversions)
        self._shut_in = ShutInChild(
            settings,
            (sys.executable, "-P", "-m", child),
            options,
            environment,
            reads=READS,
            questions=self._questions,
            sandbox=sandbox,
            oom_kills=oom_kills,
        )
        self._batch = RunningBatch()
        self._was_ready = False
        self._lock = Lock()
        """Whoever sends: a cancel comes by a thread of its own."""

    @property
    def pid(self) -> int | None:
        """Process id of the child; None while none is running."""
        return self._shut_in.pid

    @property
    def is_over(self) -> bool:
        """Whether no batch is running."""
        return self._batch.is_over

    def start(self) -> None:
        """Starts the child; raises OSError. On Linux it is killed when the thread ends that calls this."""
        self._was_ready = False
        self._shut_in.start()

    def begin(self, batch: Batch) -> None:
        """Hands a batch to the child; raises OSError where that has ended and cannot be started again."""
        self._batch.begin(batch)
        with self._lock:
            if self.pid is None:
                self.start()
            self._running_child.send([self._questions.begin(batch)])

    def cancel(self, job_id: str) -> None:
        """Has a job stop at its next step; what comes before its batch is remembered by the child."""
        with self._lock:
            if (child := self._shut_in.held) is not None:
                child.send([Cancel(job_id=job_id)])

    def heard(self, timeout_s: float) -> list[Up | ActorEnded]:
        """What the child, or a fetch for it, says: at once, or within that time. An `ActorEnded` is its last word."""
        child = self._running_child
        with DefaultSelector() as selector:
            for descriptor in (child.channel.fileno(), *self._questions.waitables()):
                selector.register(descriptor, EVENT_READ)
            selector.select(timeout_s)
        with self._lock:
            said, fault = self._sorted(child)
            if fault := fault or child.fault:
                child.end(0.0)
                return [*said, self._ended(ActorEnded(failure=broken_protocol(fault)))]
            if child.ended:
                return [*said, self._ended(self._death(child))]
            loading, _ = self._questions.take(child)
            return [*said, *loading]

    def stop(self) -> None:
        """Ends the child, and removes what it has left."""
        with self._lock:
            if (child := self._shut_in.held) is not None:
                child.end(0.0)
            self._shut_in.drop()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _running_child(self) -> Child:
        assert self._shut_in.held is not None
        return self._shut_in.held

    def _sorted(self, child: Child) -> tuple[list[Up | ActorEnded], str]:
        """What is for the daemon, up to a question that no child asks, and why that is none; others are answered."""
        said: list[Up | ActorEnded] = []
        for message in child.receive():
            if not isinstance(message, Question):
                self._was_ready |= isinstance(message, Ready)
                self._batch.record(cast(Up, message))
                said.append(cast(Up, message))
                continue
            try:
                self._questions.ask(message, child, self._batch.unfinished)
            except BrokenProtocol as error:
                return said, str(error)
        return said, ""

    def _death(self, child: Child) -> ActorEnded:
        death = WorkerDeath(
            ending=child.ending(),
            killed_by=child.killed_by,
            was_oom_killed=child.was_oom_killed,
            was_ready=self._was_ready,
        )
        return ActorEnded(failure=death.failure(), was_oom_killed=death.was_oom_killed)

    def _ended(self, end: ActorEnded) -> ActorEnded:
        self._batch.forget()
        self._shut_in.drop()
        return end


def not_started(error: OSError) -> ActorEnded:
    """The end of a child that could not be started."""
    message = f"the worker process could not be started: {error}"
    return ActorEnded(failure=Failure(kind=FailureKind.MODEL_UNAVAILABLE, message=message, mend=BROKEN_INSTALLATION))
