"""A worker in a supervised child process.

In: batches. Out: what the child says, or a Failure when it cannot any more.

The daemon imports this module, which must not import torch.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, assert_never

import psutil

from aura_daemon.config.engine import EngineSettings
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.ladder.attempts import RunConditions, kind_when_killed
from aura_daemon.system.oom_kills import oom_kills
from aura_daemon.workers.child import Child
from aura_daemon.workers.protocol import (
    Batch,
    Cancel,
    Configure,
    Finished,
    Loading,
    Memory,
    Placed,
    Progress,
    Ready,
    Up,
)

CHILD: Final = (sys.executable, "-m", "aura_daemon.workers.child_main")

STARTED_ANEW: Final = "it is started anew for the next job; see the log"

BROKEN_INSTALLATION: Final = (
    "no job can do anything about that: see the log; most likely torch or another library is broken"
)
"""A worker that dies while it starts is not its first job's fault: the jobs wait, as for a missing model."""

NOTHING: Final = Memory(device_used_bytes=0, device_free_bytes=0, resident_bytes=0)


class ProcessWorker:
    """One child process for one device; started by the first batch, and again by the first after its death.

    On Linux the child is killed when the *thread* that called `submit` ends (prctl(2), PR_SET_PDEATHSIG), not
    only when the process does: submit from a thread that lives as long as the daemon. Call `poll` at least once
    a second: a missed deadline makes no file descriptor readable.
    """

    def __init__(
        self,
        settings: EngineSettings,
        *,
        deadline_s: float,
        log_level: str = "INFO",
        log_format: str = "text",
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = CHILD,
        clock: Callable[[], float] = time.monotonic,
        oom_kills: Callable[[], int | None] = oom_kills,
    ) -> None:
        """`deadline_s`: after so long without a sign of life (any message) the child is killed; sooner once it is
        known how long a step takes (`workers.process`).

        `environment` is added to this process's own; `command` is run with descriptor, pid and options appended.
        `oom_kills` counts the processes that the kernel killed for want of memory.
        """
        self._settings = settings
        self._deadline_s = deadline_s
        self._options = ("--log-level", log_level, "--log-format", log_format)
        self._environment = dict(environment or {})
        self._command = tuple(command)
        self._clock = clock
        self._oom_kills = oom_kills
        self._child: Child | None = None
        self._batch: Batch | None = None
        self._unfinished: dict[str, None] = {}
        self._alive_at = 0.0
        self._placed: dict[str, RunConditions] = {}
        self._stepped_at: float | None = None
        self._longest_step_s: float | None = None
        self._was_ready = False
        self._undelivered: list[Up] = []

    @property
    def idle(self) -> bool:
        """True when no batch is running."""
        return self._batch is None

    @property
    def pid(self) -> int | None:
        """Process id of the child, None while none is running."""
        return self._child.pid if self._child is not None and self._child.runs else None

    @property
    def resident_bytes(self) -> int | None:
        """Resident memory of the child."""
        with suppress(psutil.Error):
            return psutil.Process(self.pid).memory_info().rss if self.pid is not None else None
        return None

    def waitables(self) -> list[int]:
        """The socket, readable when the child says something or dies."""
        return [self._child.channel.fileno()] if self._child is not None else []

    def submit(self, batch: Batch) -> None:
        """Hands a batch over; a thread copies it, so this returns at once however big it is."""
        if not self.idle:
            raise RuntimeError("a batch is submitted only when the worker is idle")
        messages: list[object] = [batch]
        self._batch = batch
        self._unfinished = {task.job_id: None for task in batch.tasks}
        self._alive_at = self._clock()
        self._placed, self._stepped_at, self._longest_step_s = {}, None, None
        if self._child is not None and not self._child.runs:
            self._drop_child()
        if self._child is None:
            messages.insert(0, Configure(settings=self._settings))
            self._was_ready = False
            try:
                self._child = Child(self._command, self._options, self._environment, oom_kills=self._oom_kills)
            except OSError as error:
                message = f"the worker process could not be started: {error}"
                self._fail(FailureKind.MODEL_UNAVAILABLE, message, BROKEN_INSTALLATION)
                return
        self._child.send(messages)

    def cancel(self, job_id: str) -> None:
        """Tells the child, which looks at every step; one that hangs is ended by its deadline."""
        if self._child is not None and job_id in self._unfinished:
            self._child.send([Cancel(job_id=job_id)])

    def poll(self) -> list[Up]:
        """What came up since the last call; a Failure for each unfinished job of a dead or silent child."""
        if self._child is not None:
            messages = self._child.receive()
            for message in messages:
                self._note(message)
            if self._child.silent_for_ever:
                self._bury(self._child)
            elif messages:
                self._alive_at = self._clock()
            elif self._batch is not None and self._clock() - self._alive_at > self._allowed_silence_s():
                self._miss_deadline()
        delivered, self._undelivered = self._undelivered, []
        return delivered

    def unload(self) -> None:
        """Ends the idle child: the only way to give back all of a device's memory."""
        if not self.idle:
            raise RuntimeError("a worker is unloaded only when it is idle")
        self.stop(0.0)

    def stop(self, timeout_s: float) -> None:
        """Ends the child by SIGTERM, after `timeout_s` by SIGKILL; a running batch is forgotten."""
        if self._child is not None:
            self._child.end(timeout_s)
            self._drop_child()
        self._batch, self._unfinished, self._undelivered = None, {}, []

    def _note(self, message: Up) -> None:
        """Keeps count of what is unfinished."""
        match message:
            case Finished(job_id=job_id):
                self._unfinished.pop(job_id, None)
                if not self._unfinished:
                    self._batch = None
            case Ready():
                self._was_ready = True
            case Placed(job_ids=job_ids, tried=tried):
                self._placed |= dict.fromkeys(job_ids, tried)
                self._stepped_at = None
            case Progress():
                now = self._clock()
                if self._stepped_at is not None:
                    self._longest_step_s = max(self._longest_step_s or 0.0, now - self._stepped_at)
                self._stepped_at = now
            case Loading():
                pass
            case _:
                assert_never(message)
        self._undelivered.append(message)

    def _allowed_silence_s(self) -> float:
        return silence_s(step_s=self._longest_step_s, configured_s=self._deadline_s)

    def _miss_deadline(self) -> None:
        """Kills a child that shows no sign of life."""
        allowed = self._allowed_silence_s()
        if self._child is not None:
            self._child.end(0.0)
            self._drop_child()
        message = f"the worker process showed no sign of life for {allowed:g} s and was killed"
        self._fail(FailureKind.DEADLINE, message, STARTED_ANEW)

    def _bury(self, child: Child) -> None:
        """Says how the child ended, where that interrupted a batch."""
        ending, is_full = child.ending(), child.was_taken_for_its_memory
        self._drop_child()
        if self._batch is None:
            return
        if is_full and self._placed:
            self._fail(
                kind_when_killed(self._placed.values()),
                "the kernel's out-of-memory killer took the worker process",
                STARTED_ANEW,
            )
        elif self._was_ready:
            self._fail(FailureKind.CRASHED, f"the worker process {ending}", STARTED_ANEW)
        else:
            message = f"the worker process {ending}, before it was ready to run anything"
            self._fail(FailureKind.MODEL_UNAVAILABLE, message, BROKEN_INSTALLATION)

    def _fail(self, kind: FailureKind, message: str, mend: str) -> None:
        """The same failure for every job that has no outcome yet."""
        failure = Failure(kind=kind, message=message, mend=mend)
        for job_id in self._unfinished:
            tried = self._placed.get(job_id, next(reversed(self._placed.values()), None))  # all, with those not reached
            self._undelivered.append(Finished(job_id=job_id, outcome=failure, memory=NOTHING, models=(), tried=tried))
        self._batch, self._unfinished = None, {}

    def _drop_child(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


LEAST_S: Final = 60.0
"""Never less: a machine that swaps, or a disk that spins up, is not hung."""

SLACK: Final = 30.0
"""Steps that a job may be silent for; decoding takes as long as three to eight."""


def silence_s(*, step_s: float | None, configured_s: float) -> float:
    """Seconds without a sign of life; `step_s`: the longest step of late, None before the first one has ended."""
    if step_s is None:
        return configured_s
    return min(configured_s, max(LEAST_S, SLACK * step_s))
