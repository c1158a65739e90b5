"""A worker in a supervised child process. In: batches. Out: the child's reports, or a Failure when it has died.

The daemon imports this module, so it must not import torch.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final, assert_never, cast, get_args

from aura_daemon.config.engine import EngineSettings
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.system.clock import suspended_s
from aura_daemon.system.processes import process_memory
from aura_daemon.system.processes.oom_kills import oom_kills
from aura_daemon.workers.converting.conversions import ModelConversions
from aura_daemon.workers.fetching.fetches import ModelFetches
from aura_daemon.workers.local.answering import AnsweredQuestions
from aura_daemon.workers.local.child import Child
from aura_daemon.workers.local.shut_in_child import ShutInChild
from aura_daemon.workers.local.worker_death import (
    BROKEN_INSTALLATION,
    RESTARTED,
    WorkerDeath,
    after_suspension,
    broken_protocol,
)
from aura_daemon.workers.local.worker_sandbox import WorkerSandbox
from aura_daemon.workers.log_lines import LogLines
from aura_daemon.workers.protocol import (
    Batch,
    Cancel,
    Finished,
    Loading,
    LogLine,
    Placed,
    Progress,
    Question,
    Ready,
    Up,
)
from aura_daemon.workers.reports.checking import believed
from aura_daemon.workers.reports.decoding import BrokenProtocol, ReportReader
from aura_daemon.workers.running_batch import RunningBatch
from aura_daemon.workers.silence import Silence

CHILD: Final = (sys.executable, "-P", "-m", "aura_daemon.workers.child_main")
"""`-P`: no module is taken from the folder in which the daemon was started, which may be an inbox."""

READS: Final = ReportReader((*get_args(Up), *get_args(Question)))

STOP_TOLD_S: Final = 0.5
"""Seconds in which the daemon learns of a stop whose signal, or kill, reached its worker first."""

SLEPT_S: Final = 1.0
"""Seconds of suspension that count as one; less is the distance between two readings of two clocks."""


class ProcessWorker:
    """One child process for one device; the first batch starts it, and the first batch after its death restarts it.

    On Linux the child is killed when the *thread* that called `submit` or `prestart` ends (prctl(2), PR_SET_PDEATHSIG),
    not only when the process ends: call them from a thread that lives as long as the daemon. Call `poll` at least once
    a second, because a missed deadline makes no file descriptor readable.
    """

    takes_batches = True
    node = trouble = ""

    def __init__(
        self,
        settings: EngineSettings,
        *,
        deadline_s: float,
        log_level: str = "INFO",
        log_format: str = "text",
        relays_log: bool = False,
        environment: Mapping[str, str] | None = None,
        sandbox: WorkerSandbox | None = None,
        command: Sequence[str] = CHILD,
        clock: Callable[[], float] = time.monotonic,
        oom_kills: Callable[[], int | None] = oom_kills,
        suspended_s: Callable[[], float] = suspended_s,
        fetches: ModelFetches | None = None,
        conversions: ModelConversions | None = None,
    ) -> None:
        """`deadline_s`: a child that sends no message for so long is killed; sooner once the time of a step is known
        (`silence_s`).

        `relays_log`: the child's log goes to the log file of this process too. `environment`: added to that of this
        process. `sandbox`: what the child shuts itself in with; None: it does not. `command`: run with descriptor, pid
        and options appended.
        `oom_kills`: counts the processes that the kernel killed for want of memory. `suspended_s`: seconds for which
        the machine has been suspended since it was started. `fetches`: has models fetched for several workers; None:
        for this one alone. `conversions`: has models converted; None: none is.
        """
        self._silence = Silence(deadline_s, clock)
        relay = ("--relay-log",) if relays_log else ()
        options = ("--log-level", log_level, "--log-format", log_format, *relay)
        own = partial(ModelFetches, settings, options=options, environment=environment, clock=clock)
        self._questions = AnsweredQuestions(settings, fetches or own(), conversions)
        self._shut_in = ShutInChild(
            settings,
            command,
            options,
            environment or {},
            reads=READS,
            questions=self._questions,
            sandbox=sandbox,
            oom_kills=oom_kills,
        )
        self._clock = clock
        self._suspended_s = suspended_s
        self._suspended_before_s = 0.0
        """At the start of the batch."""
        self._batch = RunningBatch()
        self._was_ready = False
        self._log_lines = LogLines(clock)
        self._early_kills = 0
        """Children in a row that were killed from outside before they were ready."""
        self._death: tuple[float, Failure] | None = None
        """When a child died whose jobs have not failed yet, and their failure."""
        self._reports: list[Up] = []

    @property
    def idle(self) -> bool:
        """Whether no batch is running."""
        return self._batch.is_over

    @property
    def is_running(self) -> bool:
        """Whether the child is there."""
        return self.pid is not None

    @property
    def pid(self) -> int | None:
        """Process id of the child; None while none is running."""
        return self._shut_in.pid

    @property
    def resident_bytes(self) -> int | None:
        """Resident memory of the child; None while none is running."""
        return process_memory.resident_bytes(self.pid) if self.pid is not None else None

    def waitables(self) -> list[int]:
        """The descriptor of the socket, readable when the child has sent a message or died; that of a fetch too."""
        own = [self._child.channel.fileno()] if self._child is not None else []
        return own + self._questions.waitables()

    def submit(self, batch: Batch) -> None:
        """Gives the child a batch; a thread sends it, so that this returns at once even for a large batch."""
        self._batch.begin(batch)
        self._silence.begin()
        self._suspended_before_s = self._suspended_s()
        try:
            self._running_child().send([self._questions.begin(batch)])
        except OSError as error:
            message = f"the worker process could not be started: {error}"
            self._fail(Failure(kind=FailureKind.MODEL_UNAVAILABLE, message=message, mend=BROKEN_INSTALLATION))

    def prestart(self) -> None:
        """Starts the child, which imports its libraries; what goes wrong with it goes wrong for the first batch again.

        Only a batch has a deadline, and whatever ends a child without a batch counts for no job.
        """
        with suppress(OSError):
            self._running_child()

    def cancel(self, job_id: str) -> None:
        """Cancels a job at its next step, or when its child dies before; one that hangs is ended by its deadline."""
        if self._batch.cancel(job_id) and self._child is not None:
            self._child.send([Cancel(job_id=job_id)])

    def poll(self) -> list[Up]:
        """Reports since the last call, with a Failure for each unfinished job of a dead or silent child."""
        self._silence.look()
        if self._death is not None and self._clock() >= self._death[0] + STOP_TOLD_S:
            self._fail(self._death[1])
        elif self._child is not None:
            messages = self._child.receive()
            fault = self._record_all(messages) or self._child.fault
            if fault:
                self._end_untrusted(self._child, fault)
            elif self._child.ended:
                self._fail_after_end(self._child)
            else:
                self._hear(self._child, bool(messages))
        reports, self._reports = self._reports, []
        return reports

    def unload(self) -> None:
        """Ends the idle child, which is the only way to release all of a device's memory."""
        if not self.idle:
            raise RuntimeError("a worker is unloaded only when it is idle")
        self.stop(0.0)

    def stop(self, timeout_s: float) -> None:
        """Ends the child by closing its socket, after `timeout_s` by SIGKILL; a running batch is forgotten."""
        if self._child is not None:
            self._child.end(timeout_s)
            self._shut_in.drop()
        self._batch.forget()
        self._reports, self._death = [], None

    @property
    def _child(self) -> Child | None:
        return self._shut_in.held

    def _running_child(self) -> Child:
        """The child, started where none runs; raises OSError."""
        if self._child is not None and self._child.runs:
            return self._child
        self._was_ready = False
        return self._shut_in.start()

    def _record_all(self, messages: Sequence[object]) -> str:
        """Records messages up to the first that cannot be believed; says why that one cannot, else nothing."""
        for message in messages:
            try:
                if isinstance(message, Question):
                    self._ask(message)
                else:
                    self._record(believed(cast(Up, message), self._batch.requests, self._batch.unfinished))
            except BrokenProtocol as error:
                return str(error)
        return ""

    def _hear(self, child: Child, has_spoken: bool) -> None:
        """Notes whether the child, or a process that it waits for, has said anything."""
        loading, has_news = self._questions.take(child)
        self._reports += loading
        if has_spoken or has_news:
            self._silence.heard()
        elif not self.idle:
            self._check_deadline(child)

    def _ask(self, question: Question) -> None:
        assert self._child is not None
        self._questions.ask(question, self._child, self._batch.unfinished)

    def _record(self, message: Up) -> None:
        """Updates the state of the batch; raises BrokenProtocol."""
        match message:
            case Finished(outcome=outcome):
                if isinstance(outcome, Failure) and self._has_slept:
                    message = replace(message, outcome=after_suspension(outcome))
            case Ready():
                if self._was_ready:
                    raise BrokenProtocol("it says twice that it is ready")
                self._was_ready, self._early_kills = True, 0
            case Placed():
                self._silence.placed()
            case Progress():
                self._silence.stepped()
            case Loading():
                pass
            case LogLine():
                self._log_lines.write(message)
                return
            case _:
                assert_never(message)
        self._batch.record(message)
        self._reports.append(message)

    def _check_deadline(self, child: Child) -> None:
        """Kills a child that has sent no message for too long."""
        allowed_s = self._silence.exceeded_s()
        if allowed_s is not None:
            child.end(0.0)
            self._shut_in.drop()
            message = f"the worker process showed no sign of life for {allowed_s:g} s and was killed"
            self._fail(Failure(kind=FailureKind.DEADLINE, message=message, mend=RESTARTED))

    def _end_untrusted(self, child: Child, fault: str) -> None:
        """Kills a child that does not keep to the protocol, and fails its jobs as a crash would."""
        from loguru import logger

        child.end(0.0)
        self._shut_in.drop()
        failure = broken_protocol(fault)
        logger.error("{}", failure.message)
        self._fail(failure)

    def _fail_after_end(self, child: Child) -> None:
        """Fails the running batch, if any, of a child that has ended: at once, or where it was killed, soon."""
        ending = child.ending()
        self._shut_in.drop()
        if self.idle:
            return
        death = WorkerDeath(
            ending=ending,
            killed_by=child.killed_by,
            was_oom_killed=child.was_oom_killed,
            was_ready=self._was_ready,
            placed=self._batch.placed,
            early_kills=self._early_kills + 1,
        )
        if death.was_killed_from_outside:
            self._early_kills += not self._was_ready
            self._death = self._clock(), death.failure()
        else:
            self._fail(death.failure())

    @property
    def _has_slept(self) -> bool:
        """Whether the machine was suspended or hibernated since the start of the batch."""
        return self._suspended_s() - self._suspended_before_s > SLEPT_S

    def _fail(self, failure: Failure) -> None:
        """Reports the same failure for every job that has no outcome yet."""
        self._reports += self._batch.fail(after_suspension(failure) if self._has_slept else failure)
        self._death = None
