"""The flow: recover, watch, claim, dispatch, deliver, write health, stop. In: the daemon's parts. Out: a summary.

One thread and one loop. Nothing in it blocks for longer than a file takes to read or write; the models run elsewhere.
A file's way is in `receiver`, a job's way in `dispatch`.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from loguru import logger

from aura_daemon import file_names
from aura_daemon.config.settings import Settings
from aura_daemon.daemon.commands import Command, CommandAnswer, CommandHandler
from aura_daemon.daemon.control_socket import ControlSocket
from aura_daemon.daemon.receiver import Receiver
from aura_daemon.dispatch.dispatcher import Dispatcher
from aura_daemon.errors import JournalRefused
from aura_daemon.health.holdups import IMAGES, JOURNAL, OUTBOX, SOURCES, Holdups
from aura_daemon.health.listener import HealthWritten, Listener, tell
from aura_daemon.health.recorder import HealthRecorder
from aura_daemon.intake.pending import PendingFiles
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.journal.journal import Journal
from aura_daemon.system.instance_lock import InstanceLock
from aura_daemon.system.mount_guard import MountGuard
from aura_daemon.system.wakeup import WakeupPipe
from aura_daemon.watch.watcher import Watcher
from aura_daemon.workers.pool import WorkerPool

_STUCK: Final = (JOURNAL, OUTBOX, SOURCES, *IMAGES.values())
"""Hold-ups that are no model's."""

TICK_S: Final = 1.0
"""The loop turns at least this often while a job runs, so that deadlines are seen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What a run came to."""

    done: int
    failed: int
    waiting: int
    """Jobs left in the queue, whose model is not to be had, or the memory for them."""
    stuck: bool
    """Something that is no model keeps files from being taken in, run or put where they belong."""


class Daemon:
    """Runs until it is told to stop or, with `drain=True`, until nothing is left that can be done now."""

    def __init__(
        self,
        settings: Settings,
        *,
        journal: Journal,
        watcher: Watcher,
        pending: PendingFiles,
        lock: InstanceLock,
        guards: Sequence[MountGuard],
        receiver: Receiver,
        dispatcher: Dispatcher,
        command_handler: CommandHandler,
        control_socket: ControlSocket,
        pool: WorkerPool,
        holdups: Holdups,
        health: HealthRecorder,
        wakeup: WakeupPipe,
        listeners: Sequence[Listener],
        drain: bool,
    ) -> None:
        """`guards`: of the inbox and of the outbox."""
        self.journal = journal
        self.dispatcher = dispatcher
        self.holdups = holdups
        self.health = health
        self._settings = settings
        self._watcher = watcher
        self._pending = pending
        self._lock = lock
        self._guards = guards
        self._receiver = receiver
        self._command_handler = command_handler
        self._control_socket = control_socket
        self._pool = pool
        self._wakeup = wakeup
        self._listeners = listeners
        self._drain = drain
        self._is_stopping = False
        self._is_to_reload = False
        self._hands_over = False
        self._reload: Callable[[], bool] = lambda: False
        self._has_recovered = False
        self._absences: list[str] = []

    @property
    def _is_paused(self) -> bool:
        return bool(self._absences)

    def stop(self) -> None:
        """Asks the loop to end; safe in a signal handler."""
        self._is_stopping = True
        self.wake()

    def reload(self) -> None:
        """Asks for the configuration to be read again; safe in a signal handler."""
        self._is_to_reload = True
        self.wake()

    def wake(self) -> None:
        """Makes the loop turn now; safe in a signal handler and from any thread."""
        self._wakeup.wake()

    def run(self, *, reload: Callable[[], bool] = lambda: False) -> Summary:
        """The whole life of the daemon. `reload` reads the configuration; True: another daemon is to take over."""
        self._reload = reload
        self.start()
        try:
            while not self._is_stopping:
                if self.turn():
                    break
                self._wait()
        finally:
            self.shut_down()
        return self._summary()

    def start(self) -> None:
        """Begins to watch the inbox."""
        self._write_health()
        self._watcher.start()

    def turn(self) -> bool:
        """Everything that can be done now; True where that was the last of it."""
        self._wakeup.clear()
        try:
            self._look_after_folders()
            for received in self._control_socket.receive():
                self._control_socket.answer(received, self.carry_out(received.command))
            self.dispatcher.collect()
            if not self._is_paused and self.can_journal() and self._recover():
                self.dispatcher.outcomes.settle()
                self._receiver.claim()
                if not self._hands_over:
                    self.dispatcher.dispatch()
                self._receiver.dispose()
            self.dispatcher.unload()
            self._write_health_if_due()
            if self._is_to_reload and not self.holdups.has_failed(JOURNAL):  # the next daemon could not open it
                self._is_to_reload = False
                self._hands_over = self._reload()
            if self._hands_over and not self.dispatcher.is_running:
                return True
            return self._drain and self._is_drained()
        except JournalRefused as error:  # where nobody expected it, in the middle of something: all is taken up anew
            self.health.hold_up(JOURNAL, "the daemon waits", error)
            self._has_recovered = False
            return False

    def carry_out(self, command: Command) -> CommandAnswer:
        """Cancels or retries jobs, or says why not now."""
        obstacle = "; ".join(self._absences) or "its journal or its outbox refuses"
        try:
            if not self._is_paused and self.can_journal() and self._recover():
                return self._command_handler.carry_out(command)
        except OSError as error:
            obstacle = error.strerror or str(error)
        return CommandAnswer(done=False, lines=(f"{file_names.escaped(command.name)}: not now: {obstacle}",))

    def can_journal(self) -> bool:
        """Whether the journal takes writes, as far as is known; one that did not is tried again when that is due."""
        if not self.holdups.has_failed(JOURNAL):
            return True
        if self.holdups.is_held(JOURNAL, time.monotonic()):
            return False
        try:
            self.journal.probe()
        except OSError as error:
            self.health.hold_up(JOURNAL, "nothing can be claimed", error)
            return False
        self.holdups.clear(JOURNAL)
        logger.info("the journal can be written again")
        self.health.change()
        return True

    def _recover(self) -> bool:
        """When all is there (again): takes up what a crash, a stop or a fault left. Nothing lost, nothing doubled."""
        if self._has_recovered:
            return True
        if self.holdups.is_held(OUTBOX, time.monotonic()):
            return False
        for guard in self._guards:
            guard.mark()
        try:
            self.dispatcher.recover()
            self._receiver.recover()
        except OSError as error:
            self.health.hold_up(OUTBOX, "what was under way cannot be taken up", error)
            return False
        self._has_recovered = True
        self.holdups.clear(OUTBOX)
        self.health.is_starting = False
        self.health.change()
        return True

    def _look_after_folders(self) -> None:
        """Pauses while inbox or outbox is away: what is not there must not be taken for empty, or made anew."""
        absences = [absence for guard in self._guards if (absence := guard.absence())]
        if absences and absences != self._absences:
            logger.error("paused: {}", "; ".join(absences))
            self.health.error(absences[0])
        elif not absences and (self._absences or any(guard.lacks_marker() for guard in self._guards)):
            logger.info("inbox and outbox are back" if self._absences else "a folder was made anew")
            for guard in self._guards:
                guard.mark()
            self._lock.renew()
            self._watcher.restart()
            self._has_recovered = False  # what could not be put back while they were away is found now
        if bool(self._absences) != bool(absences):
            self.health.change()
        self._absences, self.health.is_paused = absences, bool(absences)

    def _is_drained(self) -> bool:
        """Whether nothing is left that could be done without waiting for a mend."""
        if self._is_paused:
            return True
        if self.dispatcher.is_running:
            return False
        has_failed = self.holdups.has_failed
        if has_failed(JOURNAL):  # nothing can be claimed, or known to be done
            return True
        if not self._has_recovered:
            return has_failed(OUTBOX)
        if not self._receiver.has_seen_all:
            return False
        return has_failed(OUTBOX) or (self._receiver.has_put_all_away and not self.dispatcher.has_work())

    def _wait(self) -> None:
        """Sleeps until an event, a message or the next thing that is due."""
        now = time.monotonic()
        due = [self._watcher.scan_due_s(), self._pending.next_s(), self.holdups.next_s(now)]
        descriptors = [self._wakeup.fileno(), *self._control_socket.waitables(), *self._pool.waitables()]
        if self._is_paused:  # events are not looked at now: only the return of the folders counts
            due = []
        else:
            descriptors += self._watcher.waitables()
        if self.dispatcher.is_running or self._is_paused:
            due.append(now + TICK_S)
        wait_s = min([self.health.due_in_s(), *(moment - now for moment in due if moment is not None)])
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        poll.poll(max(0.0, wait_s) * 1000)

    def shut_down(self) -> None:
        """No new work; the running jobs end within `stop_timeout` or are given back."""
        self._hands_over = self._hands_over and not self._is_stopping  # stopped meanwhile: nobody takes over
        self.health.is_stopping = True
        self.health.change()
        deadline_s = time.monotonic() + self._settings.stop_timeout
        while self.dispatcher.is_running:
            with suppress(JournalRefused):
                self._write_health_if_due()
                self.dispatcher.collect()
            if time.monotonic() >= deadline_s:
                break
            time.sleep(0.05)
        with suppress(JournalRefused):  # the next start takes up what is left
            self.dispatcher.give_back()
            self._receiver.dispose()
        if not self._hands_over:
            self._pool.stop(timeout_s=1.0)
        self._watcher.stop()
        self._wakeup.close()
        self.health.is_stopped = not self._hands_over
        self._write_health()

    def _write_health_if_due(self) -> None:
        if self.health.due_in_s() <= 0:
            self._write_health()

    def _write_health(self) -> None:
        tell(self._listeners, HealthWritten(document=self.health.write()))

    def _summary(self) -> Summary:
        is_stuck = self._is_paused or self._pending.refused > 0 or any(map(self.holdups.has_failed, _STUCK))
        return Summary(
            done=self.dispatcher.outcomes.done,
            failed=self.dispatcher.outcomes.failed + self._receiver.failed,
            waiting=self.journal.counts()[JobState.QUEUED],
            stuck=is_stuck,
        )
