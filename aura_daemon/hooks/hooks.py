"""Runs what the configuration says is to run when a job is done or failed, or nothing is left to do.

In: events in the journal. Out: child processes, a few at once; what became of each, in journal and log. A hook
that fails harms no job.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from loguru import logger

from aura_daemon.config.housekeeping import HooksConfig
from aura_daemon.errors import BrokenState
from aura_daemon.health.document import Status
from aura_daemon.health.listener import Event, HealthWritten
from aura_daemon.hooks.message import environment, message_of
from aura_daemon.hooks.process import HookProcess
from aura_daemon.journal.hook_events import HOOK_OK, HookEvent, HookKind
from aura_daemon.journal.journal import Journal
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.system.processes.sessions import environment_bytes
from aura_daemon.system.wakeup import wait_until_readable
from aura_daemon.workers.protocol import Progress

AT_ONCE: Final = 2
"""Most hooks that run at the same time: three hundred jobs that end at once must not start three hundred programs."""

RETRY_S: Final = 10.0
"""How long hooks wait where the journal refuses or the outbox is away."""

CLOSE_S: Final = 5.0
"""How long hooks that run may take to end when the daemon stops."""

PASSING: Final = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT})
"""Why a program could not be started that can be started later: too many processes or files, no memory."""

INTERRUPTED: Final = "it may have run: the daemon was ended while it ran, and it is not run again"


@dataclass(kw_only=True, slots=True, eq=False)
class Hooks:
    """The hooks of one daemon; an extension of its loop."""

    config: HooksConfig
    inbox: str
    journal: Journal
    delivery: Delivery
    is_quiet: Callable[[], bool]
    """Returns whether no job is open and no file in the inbox is about to become one."""
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    close_s: float = CLOSE_S
    _running: dict[HookProcess, HookEvent] = field(init=False, default_factory=dict)
    _ended: list[tuple[HookEvent, str]] = field(init=False, default_factory=list)
    """What became of hooks, not journaled yet."""
    _has_begun: bool = field(init=False, default=False)
    _is_to_look: bool = field(init=False, default=True)
    """There may be events in the journal that are not known here."""
    _has_due: bool = field(init=False, default=False)
    _is_gathering: bool = field(init=False, default=False)
    _is_stopping: bool = field(init=False, default=False)
    _not_before_s: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.journal.hook_events.wanted = frozenset(self._commands())

    def finishes(self) -> bool:
        """Whether no hook runs or is to run now; `once` waits for them."""
        if self._running:
            return False
        if self.clock() < self._not_before_s:
            return True
        is_idle = self._is_gathering and self.is_quiet()
        return not (self._has_due or is_idle or self._is_to_look)

    def on_event(self, event: Event) -> None:
        """Notes that jobs may have ended, and that the daemon is about to."""
        match event:
            case HealthWritten(document=document):
                self._is_stopping = document.status in (Status.STOPPING, Status.STOPPED)
            case Progress():
                pass
            case _ if self.journal.hook_events.wanted:
                self._is_to_look = True
            case _:
                pass

    def waitables(self) -> list[int]:
        """Descriptors of the hooks that run."""
        return [descriptor for process in self._running for descriptor in process.waitables()]

    def due_in_s(self) -> float | None:
        """Seconds until a hook is to be looked at, or to be started."""
        due = [process.due_in_s() for process in self._running]
        if self._is_to_look or self._ended or (self._has_due and len(self._running) < AT_ONCE):
            due.append(max(0.0, self._not_before_s - self.clock()))
        return min(due, default=None)

    def work(self) -> None:
        """Looks after the hooks that run, and starts those that are due."""
        self._collect()
        if self._is_stopping or self.clock() < self._not_before_s:
            return
        try:
            self._journal_ended()
            if not self._has_begun:
                self._recover()
            self._look()
            while self._has_due and len(self._running) < AT_ONCE:
                self.delivery.presence.require()
                self._start_next()
        except OSError as error:
            self._not_before_s = self.clock() + RETRY_S
            logger.warning("hooks wait {:g} s: {}", RETRY_S, error.strerror or error)

    def close(self) -> None:
        """Lets running hooks end for a short while, then ends them; those that are due run after the next start."""
        deadline_s = self.clock() + self.close_s
        while self._running and self.clock() < deadline_s:
            most_s = min(deadline_s - self.clock(), *(process.due_in_s() for process in self._running))
            wait_until_readable(self.waitables(), most_s)
            self._collect()
        for process, event in tuple(self._running.items()):
            self._end(process, event, process.end("it was ended with the daemon"))
        try:
            self._journal_ended()
        except OSError as error:
            logger.warning("what became of {} hooks is not journaled: {}", len(self._ended), error.strerror or error)

    def _recover(self) -> None:
        """Gives up what an earlier daemon left: hooks that may have run, and those that are not configured any more."""
        events = self.journal.hook_events
        for event in events.started():
            self._tell_unrun(event, INTERRUPTED)
        if HookKind.IDLE not in events.wanted and events.is_gathering():
            events.forget_idle()
        self._has_begun = True

    def _look(self) -> None:
        """Learns what is due."""
        events = self.journal.hook_events
        if self._is_to_look:
            self._is_gathering = HookKind.IDLE in events.wanted and events.is_gathering()
            self._has_due = bool(events.due(1))
            self._is_to_look = False
        if self._is_gathering and self.is_quiet():
            events.become_idle(now=self.now())
            self._is_gathering, self._has_due = False, True

    def _start_next(self) -> None:
        events = self.journal.hook_events
        event = next(iter(events.due(1)), None)
        if event is None or (event.kind is HookKind.IDLE and self._running):
            self._has_due = False  # it is looked again when those that run have ended
            return
        if (command := self._commands().get(event.kind)) is None:
            self._tell_unrun(event, "it did not run: no hook is configured for it any more")
            return
        try:
            message = message_of(event, self.journal, self.delivery, self.inbox)
        except BrokenState as error:
            self._tell_unrun(event, f"it could not run: {error}")
            return
        events.start(event, now=self.now())
        try:
            process = HookProcess(
                command,
                environment(message, environment_bytes()),
                message.content,
                time_limit_s=self.config.time_limit,
                clock=self.clock,
            )
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in PASSING:
                events.give_back(event)
                raise
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._tell_unrun(event, f"it could not be started: {command[0]}: {reason}")
            return
        self._running[process] = event

    def _collect(self) -> None:
        for process, event in tuple(self._running.items()):
            if (outcome := process.poll()) is not None:
                self._end(process, event, outcome)

    def _end(self, process: HookProcess, event: HookEvent, outcome: str) -> None:
        del self._running[process]
        self._is_to_look = True  # `idle` waits for those that run
        said = f" (it said: {process.output})" if process.output else ""
        self._ended.append((event, outcome if outcome == HOOK_OK else outcome + said))
        level = "DEBUG" if outcome == HOOK_OK else "WARNING"
        logger.log(level, "{}: {}{}", _name(event), outcome, said)

    def _tell_unrun(self, event: HookEvent, outcome: str) -> None:
        self.journal.hook_events.end(event, outcome, now=self.now())
        logger.warning("{}: {}", _name(event), outcome)

    def _journal_ended(self) -> None:
        while self._ended:
            self.journal.hook_events.end(*self._ended[0], now=self.now())
            del self._ended[0]

    def _commands(self) -> Mapping[HookKind, tuple[str, ...]]:
        return {HookKind(kind): command for kind, command in self.config.commands.items()}


def _name(event: HookEvent) -> str:
    """An event in the log, where ids stand first."""
    return f"{event.subject} hook on_{event.kind}" if event.subject else f"hook on_{event.kind}"
