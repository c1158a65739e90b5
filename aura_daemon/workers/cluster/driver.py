"""The line to the driver: the child process that speaks to the Ray cluster for all workers of one daemon.

A cluster whose head is started anew takes every process down that has spoken to it; and the daemon need not import Ray.
A driver that has ended is started again by the next message to it, after a while where it ends again and again.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Final, TypeAlias, cast, get_args

from loguru import logger

from aura_daemon.backoff import Backoff
from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.cluster import LOCAL, ClusterSettings
from aura_daemon.config.workers.shut_in import ShutIn
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.workers.cluster.faults import NO_CONNECTION
from aura_daemon.workers.cluster.messages import (
    ActorEnded,
    Begin,
    Connect,
    Connected,
    End,
    FromDriver,
    FromSlot,
    Refused,
    Settled,
    ToSlot,
    Waiting,
)
from aura_daemon.workers.local.child import Child
from aura_daemon.workers.protocol import Batch, Cancel, Up
from aura_daemon.workers.reports.checking import sentence
from aura_daemon.workers.reports.decoding import ReportReader

COMMAND: Final = (sys.executable, "-P", "-m", "aura_daemon.workers.cluster.driver_main")

READS: Final = ReportReader(get_args(FromDriver))

FIRST_WAIT_S: Final = 5.0
LONGEST_WAIT_S: Final = 60.0

ANSWERS_S: Final = 8.0
"""In which a cluster answers; with a wrong token Ray tries for 20 s and more before it says anything."""

Heard: TypeAlias = tuple[int | None, Up | Settled | Waiting | ActorEnded]
"""For which attempt, None: for any; and what."""


class DriverAway(Exception):
    """There is no driver now, in words."""


class Driver:
    """The driver of one cluster."""

    def __init__(
        self,
        cluster: ClusterSettings,
        engine: EngineSettings,
        shut_in: ShutIn,
        *,
        log_level: str = "INFO",
        log_format: str = "text",
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = COMMAND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = Connect(cluster=cluster, engine=engine, shut_in=shut_in, log_level=log_level)
        self._options = ("--log-level", log_level, "--log-format", log_format)
        self._environment = dict(environment or {})
        self._command = tuple(command)
        self._clock = clock
        self._backoff = Backoff(first_s=FIRST_WAIT_S, most_s=LONGEST_WAIT_S)
        self._attempts = count(1)
        self._child: Child | None = None
        self._heard: defaultdict[int, list[Heard]] = defaultdict(list)
        self._is_far = cluster.address != LOCAL
        self._address = cluster.address
        self._unanswered_since_s: float | None = None
        """Since when the cluster has owed an answer; None: it has given one, or it was told that it has not."""
        self._waits: set[str] = set()
        """Why workers wait for a place, as it was logged."""
        self._slots: set[int] = set()
        """Those that have asked for something of this child."""
        self.trouble = ""
        """Why there is no cluster; empty while nothing is known to be wrong."""
        self.is_connected = False

    def new_attempt(self) -> int:
        """A number that no attempt of any slot has had."""
        return next(self._attempts)

    def waitables(self) -> list[int]:
        """The descriptor of the socket, readable when the driver has sent a message or died."""
        return [self._child.channel.fileno()] if self._child is not None else []

    def tell(self, slot: int, attempt: int, message: Batch | Cancel | Begin | End) -> None:
        """Sends a message to a slot, and starts the driver where none runs; raises DriverAway."""
        if self._child is None and isinstance(message, Cancel | End):
            return
        self._running_child().send([ToSlot(slot=slot, attempt=attempt, message=message)])
        self._slots.add(slot)

    def take(self, slot: int) -> list[Heard]:
        """What a slot has said since the last call."""
        if self._child is not None:
            for message in cast(list[FromDriver], self._child.receive()):
                self._record(message)
            if self._child.fault:
                logger.error("the driver of the Ray cluster sent what it must not: {}", self._child.fault)
                self._child.end(0.0)
            if self._child.ended or self._child.fault:
                self._note_end(self._child)
            else:
                self._note_silence()
        return self._heard.pop(slot, [])

    def note_waiting(self, why: str) -> None:
        """Logs why a worker has no place: once for all of them, until one has found a place."""
        if why not in self._waits:
            self._waits.add(why)
            logger.warning("{}", why)

    def note_place(self) -> None:
        """A worker has found a place."""
        self._waits.clear()

    def stop(self, timeout_s: float) -> None:
        """Ends the driver, and with it all of its actors."""
        if self._child is not None:
            self._child.end(timeout_s)
            self._drop_child()
        self._heard.clear()

    def _running_child(self) -> Child:
        if self._child is None:
            now = self._clock()
            if self._backoff.until_s is not None and not self._backoff.is_due(now):
                raise DriverAway(self.trouble)
            try:
                self._child = Child(self._command, self._options, self._environment, reads=READS)
            except OSError as error:
                self._backoff.failed(now)
                self.trouble = f"the driver of the Ray cluster could not be started: {error}"
                raise DriverAway(self.trouble) from None
            self._child.send([self._connect])
            self._unanswered_since_s = self._clock() if self._is_far else None
        return self._child

    def _record(self, message: FromDriver) -> None:
        match message:
            case FromSlot(slot=slot, attempt=attempt, message=said) if slot in self._slots:
                self._heard[slot].append((attempt, said))
            case FromSlot():
                logger.error("the driver of the Ray cluster speaks for a worker that there is not")
            case Connected(nodes=nodes, version=version):
                self._unanswered_since_s = None
                self.trouble, self.is_connected = "", True
                self._backoff.succeeded()
                logger.info("the Ray cluster is found: {} nodes, Ray {}", nodes, sentence(version))
            case Refused(why=why, mend=mend):
                self._unanswered_since_s, self.is_connected = None, False
                self.trouble = sentence(f"{why}: {mend}")

    def _note_end(self, child: Child) -> None:
        """Has every slot fail what it runs."""
        ending = child.ending()
        self._drop_child()
        self._unanswered_since_s = None
        self._backoff.failed(self._clock())
        if self.is_connected or not self.trouble:
            self.trouble = f"the driver of the Ray cluster {ending}: its head may have gone"
        self.is_connected = False
        logger.error("{}", self.trouble)
        failure = Failure(kind=FailureKind.INTERRUPTED, message=self.trouble, mend="see `ray status` and the log")
        for slot in self._slots:
            self._heard[slot].append((None, ActorEnded(failure=failure)))
        self._slots.clear()

    def _note_silence(self) -> None:
        """Says once that the cluster owes an answer."""
        since_s = self._unanswered_since_s
        if since_s is not None and self._clock() - since_s >= ANSWERS_S:
            self._unanswered_since_s = None
            self.trouble = f"the Ray cluster at {self._address} does not answer: {NO_CONNECTION}"
            logger.warning("{}", self.trouble)

    def _drop_child(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None
