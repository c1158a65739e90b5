"""The main loop: recover, watch, claim, dispatch, deliver, write health, stop. In: the daemon's parts. Out: a summary.

One thread and one loop. No step blocks for longer than reading or writing a file takes; the models run in workers.
`receiver` handles files, `dispatch` handles jobs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from loguru import logger

from aura_daemon import file_names
from aura_daemon.config.settings import Settings
from aura_daemon.daemon.commands import Command, CommandAnswer, CommandHandler
from aura_daemon.daemon.control_socket import ControlSocket
from aura_daemon.daemon.receiver import Receiver
from aura_daemon.dispatch.dispatcher import Dispatcher
from aura_daemon.errors import AuraError, JournalRefused
from aura_daemon.health.holdups import IMAGES, JOURNAL, OUTBOX, SOURCES, Holdups
from aura_daemon.health.listener import Awaited, DaemonPhase, Extension, HealthWritten, Listener, PhaseChanged, notify
from aura_daemon.health.recorder import HealthRecorder
from aura_daemon.intake.pending import PendingFiles
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.journal.journal import Journal
from aura_daemon.system.instance_lock import InstanceLock
from aura_daemon.system.mount_guard import MountGuard
from aura_daemon.system.wakeup import WakeupPipe, wait_until_readable
from aura_daemon.watch.watcher import Watcher
from aura_daemon.workers.pool import WorkerPool

_STUCK: Final = (JOURNAL, OUTBOX, SOURCES, *IMAGES.values())
"""All hold-ups except those of models and memory."""

TICK_S: Final = 1.0
"""Longest time between two turns of the loop while a job runs, so that deadlines are noticed."""

LAST_TICK_S: Final = 0.05
"""The same while only an extension has work left in a drain."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """The result of a run."""

    done: int
    failed: int
    waiting: int
    """Jobs left in the queue because their model is missing or there is too little memory for them."""
    stuck: bool
    """Something other than a model or memory stops files from being taken in, run or disposed of."""


@dataclass(kw_only=True, slots=True, eq=False)
class Daemon:
    """Runs until it is told to stop or, with `drain=True`, until nothing is left that can be done now."""

    settings: Settings
    journal: Journal
    watcher: Watcher
    pending: PendingFiles
    lock: InstanceLock
    guards: Sequence[MountGuard]
    """Of the inbox and of the outbox."""
    receiver: Receiver
    dispatcher: Dispatcher
    command_handler: CommandHandler
    control_socket: ControlSocket
    pool: WorkerPool
    holdups: Holdups
    health: HealthRecorder
    wakeup: WakeupPipe
    listeners: Sequence[Listener]
    extensions: Sequence[Extension]
    drain: bool
    is_provisional: bool
    """The inbox was away at the start: another daemon, which can see what is to become of sources, takes over later."""
    _is_stopping: bool = field(init=False, default=False)
    _is_to_reload: bool = field(init=False, default=False)
    hands_over: bool = field(init=False, default=False)
    """Another daemon continues with the same workers after this one."""
    _reload: Callable[[], bool] = field(init=False, default=lambda: False)
    _has_recovered: bool = field(init=False, default=False)
    _is_to_turn_again: bool = field(init=False, default=False)
    _is_waited_for: bool = field(init=False, default=False)
    """Nothing but an extension keeps a drain from its end."""
    _absences: list[str] = field(init=False, default_factory=list)
    """Why the inbox or the outbox cannot be used now; empty where both can."""

    @property
    def _is_paused(self) -> bool:
        return bool(self._absences)

    def stop(self) -> None:
        """Makes the loop end; safe in a signal handler."""
        self._is_stopping = True
        self.wake()

    def reload(self) -> None:
        """Makes the loop read the configuration again; safe in a signal handler."""
        self._is_to_reload = True
        self.wake()

    def wake(self) -> None:
        """Makes the loop turn now; safe in a signal handler and from any thread."""
        self.wakeup.wake()

    def run(self, *, reload: Callable[[], bool] = lambda: False) -> Summary:
        """Starts, loops, shuts down. `reload`: reads the configuration; True where another daemon is to take over."""
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
        self.watcher.start()
        self._tell(DaemonPhase.WATCHING)

    def turn(self) -> bool:
        """Does everything that can be done now; True where the loop is to end."""
        is_over = self._turn()
        self._extensions_work()
        return is_over

    def _turn(self) -> bool:
        self.wakeup.clear()
        self._is_to_turn_again = self._is_waited_for = False
        try:
            self._look_after_folders()
            if self.is_provisional and not self._is_paused:
                if self._is_to_reload:
                    self._reload()
                self.hands_over = True
                return True
            for received in self.control_socket.receive():
                self.control_socket.answer(received, self.carry_out(received.command))
            self.dispatcher.collect()
            if not self._is_paused and self.can_journal() and self._recover():
                if self.dispatcher.outcomes.has_fresh and not self.hands_over:
                    self.dispatcher.dispatch()  # the worker goes on while its last results are delivered
                self.dispatcher.outcomes.settle()
                self.receiver.claim()
                self._is_to_turn_again = not self.hands_over and self.dispatcher.dispatch()
                self.receiver.dispose()
            self.dispatcher.unload()
            self._write_health_if_due()
            if self._is_to_reload and not self.holdups.has_failed(JOURNAL):  # the next daemon could not open it
                self._is_to_reload = False
                self._tell(DaemonPhase.RELOADING)
                self.hands_over = self._reload()
                if not self.hands_over or self.pool.is_running:  # else the daemon that follows at once says so
                    self._tell(DaemonPhase.WATCHING)
            if self.hands_over and not self.pool.is_running:
                return True
            return self.drain and self._is_drained() and self._have_finished()
        except JournalRefused as error:  # in the middle of a step: everything is recovered as after a crash
            self.health.hold_up(JOURNAL, "the daemon waits", error)
            self._has_recovered = False
            return False

    def carry_out(self, command: Command) -> CommandAnswer:
        """Cancels or retries jobs, or answers why that is impossible now."""
        obstacle = "; ".join(self._absences) or "its journal or its outbox refuses"
        try:
            if not self._is_paused and self.can_journal() and self._recover():
                return self.command_handler.carry_out(command)
        except OSError as error:
            obstacle = error.strerror or str(error)
        return CommandAnswer(done=False, lines=(f"{file_names.escaped(command.name)}: not now: {obstacle}",))

    def can_journal(self) -> bool:
        """Whether the journal takes writes, as far as is known; after a refusal it is probed again when that is due."""
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
        """Continues what a crash, a stop or a fault left; True once that is done. No job is lost or delivered twice."""
        if self._has_recovered:
            return True
        if self.holdups.is_held(OUTBOX, time.monotonic()):
            return False
        for guard in self.guards:
            guard.mark()
        try:
            self.dispatcher.recover()
            self.receiver.recover()
        except OSError as error:
            self.health.hold_up(OUTBOX, "what was under way cannot be taken up", error)
            return False
        self._has_recovered = True
        self.holdups.clear(OUTBOX)
        self.health.is_starting = False
        self.health.change()
        return True

    def _look_after_folders(self) -> None:
        """Pauses while inbox or outbox is missing: a missing folder must not be taken for empty, or created."""
        absences = [absence for guard in self.guards if (absence := guard.absence())]
        if not absences and (self._absences or any(guard.lacks_marker() for guard in self.guards)):
            absences = self._take_up_folders()
        if absences and absences != self._absences:
            logger.error("paused: {}", "; ".join(absences))
            self.health.error(absences[0])
        if bool(self._absences) != bool(absences):
            self.health.change()
        self._absences, self.health.is_paused = absences, bool(absences)

    def _take_up_folders(self) -> list[str]:
        """Goes on with folders that are there again; returns why that cannot be, and nothing where it can."""
        for guard in self.guards:
            guard.mark()
        try:
            self.lock.renew()
        except (OSError, AuraError) as error:  # a server that is not wholly back, a full disk, another daemon
            reason = error.strerror if isinstance(error, OSError) else error
            return [f"{file_names.escaped(str(self.settings.inbox))} cannot be locked: {reason}"]
        logger.info("inbox and outbox are back" if self._absences else "a folder was made anew")
        self.watcher.restart()
        self._has_recovered = False  # files that could not be moved meanwhile are found now
        return []

    def _is_drained(self) -> bool:
        """Whether nothing is left to do that needs no repair by the user first."""
        if self._is_paused:
            return True
        if self.pool.is_running:
            return False
        has_failed = self.holdups.has_failed
        if has_failed(JOURNAL):  # no file can be claimed, and no job recorded as done
            return True
        if not self._has_recovered:
            return has_failed(OUTBOX)
        if not self.receiver.has_seen_all:
            return False
        return has_failed(OUTBOX) or (self.receiver.has_put_all_away and not self.dispatcher.has_work())

    def _have_finished(self) -> bool:
        """Whether no extension (hooks, retention) has work left that a drain waits for."""
        for extension in self.extensions:
            if isinstance(extension, Awaited) and not extension.finishes():
                self._is_waited_for = True
        return not self._is_waited_for

    def _wait(self) -> None:
        """Sleeps until a file event, a message, a command, or the next due time."""
        if self._is_to_turn_again:
            return
        now = time.monotonic()
        due = [] if self._is_paused else [self.holdups.next_s(now)]
        descriptors = [self.wakeup.fileno(), *self.control_socket.waitables(), *self.pool.waitables()]
        for extension in self.extensions:
            descriptors += extension.waitables()
            if (due_in_s := extension.due_in_s()) is not None:
                due.append(now + due_in_s)
        if not self._is_paused and self._has_recovered and not self.holdups.has_failed(JOURNAL):
            # Otherwise no file is looked at, and a file that is due would make the loop spin.
            due += [self.watcher.scan_due_s(), self.pending.next_s()]
            descriptors += self.watcher.waitables()
        if self.pool.is_running or self._is_paused:
            due.append(now + TICK_S)
        if self._is_waited_for:
            due.append(now + LAST_TICK_S)
        wait_s = min([self.health.due_in_s(), *(moment - now for moment in due if moment is not None)])
        if self.journal.is_behind and not wait_until_readable(descriptors, 0.0):  # nobody waits for the disk
            self._sync_journal()
        wait_until_readable(descriptors, wait_s)

    def _sync_journal(self) -> None:
        """Forces onto the disk what was journaled; where that is refused, all is recovered as after a crash."""
        try:
            if not self.holdups.has_failed(JOURNAL):
                self.journal.sync()
        except JournalRefused as error:
            self.health.hold_up(JOURNAL, "the daemon waits", error)
            self._has_recovered = False

    def shut_down(self) -> None:
        """Starts no more jobs; the running ones end within `stop_timeout` or are queued again."""
        self.hands_over = self.hands_over and not self._is_stopping  # stopped meanwhile: no other daemon takes over
        if not self.hands_over:
            self._tell(DaemonPhase.STOPPING)
        self.health.is_stopping = True
        self.health.change()
        with suppress(JournalRefused):  # the next start gives the jobs back all the same, unless memory ran out since
            self.dispatcher.expect_stop()
        deadline_s = time.monotonic() + self.settings.stop_timeout
        while self.pool.is_running:
            with suppress(JournalRefused):
                self._write_health_if_due()
                self.dispatcher.collect()
                self.dispatcher.outcomes.settle()
            self._extensions_work()
            if time.monotonic() >= deadline_s:
                break
            time.sleep(0.05)
        with suppress(JournalRefused):  # the next start recovers the rest
            self.dispatcher.give_back()
            self.receiver.dispose()
        if not self.hands_over:
            self.pool.stop(timeout_s=1.0)
        self.watcher.stop()
        self.health.is_stopped = not self.hands_over
        self._write_health()

    def _extensions_work(self) -> None:
        for extension in self.extensions:
            extension.work()

    def _tell(self, phase: DaemonPhase) -> None:
        notify(self.listeners, PhaseChanged(phase=phase))

    def _write_health_if_due(self) -> None:
        if self.health.due_in_s() <= 0:
            self._write_health()

    def _write_health(self) -> None:
        notify(self.listeners, HealthWritten(document=self.health.write()))

    def _summary(self) -> Summary:
        is_stuck = self._is_paused or self.pending.refused > 0 or any(map(self.holdups.has_failed, _STUCK))
        return Summary(
            done=self.dispatcher.outcomes.done,
            failed=self.dispatcher.outcomes.failed + self.receiver.failed,
            waiting=self.journal.counts()[JobState.QUEUED],
            stuck=is_stuck,
        )
