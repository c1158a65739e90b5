"""A worker on a Ray cluster, as the daemon sees it: one slot of the driver, an actor on some node.

What an actor says is dropped where the daemon has given the attempt up: Ray may take an actor for dead that goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, assert_never

from loguru import logger

from aura_daemon.backoff import Backoff
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.ladder.attempts import kind_when_killed
from aura_daemon.workers.cluster.driver import FIRST_WAIT_S, LONGEST_WAIT_S, Driver, DriverAway
from aura_daemon.workers.cluster.messages import ActorEnded, Begin, End, Settled, Waiting
from aura_daemon.workers.local.worker_death import RESTARTED, broken_protocol
from aura_daemon.workers.log_lines import LogLines
from aura_daemon.workers.protocol import Batch, Cancel, Finished, Loading, LogLine, Placed, Progress, Ready, Up
from aura_daemon.workers.reports.checking import believed, require_names, sentence
from aura_daemon.workers.reports.decoding import BrokenProtocol
from aura_daemon.workers.running_batch import RunningBatch
from aura_daemon.workers.silence import Silence

AWAY: Final = "the daemon tries again and again; `aura-daemon status` says whether it is back"


class RayWorker:
    """One actor; the first batch, or `prestart`, asks for it, and it comes where a node has room."""

    pid: int | None = None
    """It is elsewhere."""

    def __init__(
        self, driver: Driver, slot: int, *, deadline_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`deadline_s`: an actor whose job makes no step for so long is ended."""
        self._driver = driver
        self._slot = slot
        self._silence = Silence(deadline_s, clock)
        self._attempt = driver.new_attempt()
        """What comes with another number is late."""
        self._batch = RunningBatch()
        self._log_lines = LogLines(clock)
        self._reports: list[Up] = []
        self._is_wanted = False
        self._clock = clock
        self._backoff = Backoff(first_s=FIRST_WAIT_S, most_s=LONGEST_WAIT_S)
        """Of actors that end before they can run anything."""
        self._resident_bytes: int | None = None
        self.node = ""
        self.trouble = ""

    @property
    def idle(self) -> bool:
        """Whether no batch is running."""
        return self._batch.is_over

    @property
    def is_running(self) -> bool:
        """Whether the actor is there, or waited for."""
        return self._is_wanted

    @property
    def takes_batches(self) -> bool:
        """Whether the actor is there."""
        return bool(self.node)

    @property
    def resident_bytes(self) -> int | None:
        """Memory of the actor's process after its last job."""
        return self._resident_bytes

    def waitables(self) -> list[int]:
        """The descriptor of the driver's socket, which all workers of a cluster share."""
        return self._driver.waitables() if self._is_wanted else []

    def submit(self, batch: Batch) -> None:
        """Gives the actor a batch, or has one started for it."""
        self._batch.begin(batch)
        self._silence.begin()
        self._attempt = self._driver.new_attempt()
        try:
            self._driver.tell(self._slot, self._attempt, batch)
            self._is_wanted = True
        except DriverAway as error:
            self._fail(Failure(kind=FailureKind.MODEL_UNAVAILABLE, message=str(error), mend=AWAY))

    def prestart(self) -> None:
        """Asks for the actor, where there is none; after a while where it cannot start."""
        if self._is_wanted or (self._backoff.until_s is not None and not self._backoff.is_due(self._clock())):
            return
        self._attempt = self._driver.new_attempt()
        try:
            self._driver.tell(self._slot, self._attempt, Begin())
            self._is_wanted = True
        except DriverAway as error:
            self.trouble = str(error)

    def cancel(self, job_id: str) -> None:
        """Cancels a job at its next step, or when its actor dies before."""
        if self._batch.cancel(job_id):
            self._driver.tell(self._slot, self._attempt, Cancel(job_id=job_id))

    def poll(self) -> list[Up]:
        """Reports since the last call, with a Failure for each unfinished job of a dead or silent actor."""
        self._silence.look()
        for attempt, message in self._driver.take(self._slot):
            if attempt is not None and attempt != self._attempt:
                self._drop(message)
                continue
            try:
                self._record(message)
            except BrokenProtocol as error:
                self._end_untrusted(str(error))
        allowed_s = self._silence.exceeded_s() if not self.idle and self.takes_batches else None
        if allowed_s is not None:
            message_text = f"the worker on {self.node} showed no sign of life for {allowed_s:g} s and was ended"
            self._end()
            self._fail(Failure(kind=FailureKind.DEADLINE, message=message_text, mend=RESTARTED))
        reports, self._reports = self._reports, []
        return reports

    def unload(self) -> None:
        """Ends the idle actor, and gives its place back."""
        if not self.idle:
            raise RuntimeError("a worker is unloaded only when it is idle")
        self.stop(0.0)
        self.trouble = ""

    def stop(self, timeout_s: float) -> None:
        """Ends the actor; a running batch is forgotten."""
        self._end()
        self._batch.forget()
        self._reports = []

    def _drop(self, message: Up | Settled | Waiting | ActorEnded) -> None:
        """Logs what an attempt says that was given up, at the level of people where a job was run in vain."""
        if isinstance(message, Finished):
            logger.info(
                "worker {}: the outcome of {} comes from an attempt that was given up, and is dropped",
                self._slot + 1,
                message.job_id,
            )
        else:
            logger.debug("worker {}: what came is of an earlier attempt, and is dropped", self._slot + 1)

    def _record(self, message: Up | Settled | Waiting | ActorEnded) -> None:
        """Raises BrokenProtocol."""
        if not isinstance(message, Settled | Waiting | ActorEnded):
            message = believed(message, self._batch.requests, self._batch.unfinished)
        match message:
            case Settled(node=node):
                require_names(node)
                self.node, self.trouble = node, ""
                self._driver.note_place()
                self._backoff.succeeded()
                self._silence.begin()
                return
            case Waiting(why=why):
                self.trouble = sentence(why)
                self._driver.note_waiting(self.trouble)
                return
            case ActorEnded():
                self._record_end(message)
                return
            case LogLine():
                self._log_lines.write(message, self.node)
                return
            case Finished(memory=memory):
                self._resident_bytes = memory.resident_bytes
            case Placed():
                self._silence.placed()
            case Progress():
                self._silence.stepped()
            case Ready() | Loading():
                pass
            case _:
                assert_never(message)
        self._silence.heard()
        self._batch.record(message)
        self._reports.append(message)
        if self.idle and isinstance(message, Finished) and _ends_its_actor(message):
            self._end()

    def _record_end(self, ended: ActorEnded) -> None:
        told = ended.failure
        failure = replace(told, message=sentence(told.message), mend=sentence(told.mend))
        if ended.was_oom_killed and self._batch.placed:
            message = f"the kernel's out-of-memory killer took the worker on {self.node}"
            failure = replace(failure, kind=kind_when_killed(self._batch.placed), message=message)
        if failure.message != self._driver.trouble:  # said already, for all of its workers
            logger.warning("worker {}: {}", self._slot + 1, failure.told)
            if not self.takes_batches:
                self._backoff.failed(self._clock())
        self.node, self.trouble, self._is_wanted = "", failure.message, False
        self._attempt = self._driver.new_attempt()
        self._fail(failure, lost_node=ended.lost_node)

    def _end_untrusted(self, fault: str) -> None:
        """Ends an actor that does not keep to the protocol, and fails its jobs as a crash would."""
        failure = broken_protocol(fault)
        logger.error("worker {}: {}", self._slot + 1, failure.message)
        self._end()
        self._fail(failure)

    def _end(self) -> None:
        if self._is_wanted:
            self._driver.tell(self._slot, self._attempt, End())
        self._attempt = self._driver.new_attempt()
        self.node, self._is_wanted, self._resident_bytes = "", False, None

    def _fail(self, failure: Failure, *, lost_node: bool = False) -> None:
        self._reports += self._batch.fail(failure, lost_node=lost_node)


def _ends_its_actor(message: Finished) -> bool:
    """Whether the actor ends itself after this report: the next batch would be taken down with it."""
    return isinstance(message.outcome, Failure) and message.outcome.kind is FailureKind.CRASHED
