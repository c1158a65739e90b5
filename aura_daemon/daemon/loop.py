"""The flow: recover, watch, claim, dispatch, deliver, beat, stop. In: settings and a worker. Out: what came of it all.

One thread and one loop. Nothing in it blocks for longer than a file takes to read or write; the models run elsewhere.
A file's way is in `receiving`, a job's way in `dispatching`.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from loguru import logger

from aura_daemon import file_names
from aura_daemon.daemon.commands import CommandHandler
from aura_daemon.daemon.control_socket import Command, CommandAnswer
from aura_daemon.daemon.receiver import Receiver
from aura_daemon.daemon.rooms import Rooms, Rules
from aura_daemon.dispatch.dispatcher import Dispatcher
from aura_daemon.dispatch.listener import Listener
from aura_daemon.errors import JournalRefused
from aura_daemon.health.document import MEMORY_FOR
from aura_daemon.health.holdups import IMAGES, JOURNAL, OUTBOX, SOURCES
from aura_daemon.health.recorder import Known, held_by_folders
from aura_daemon.jobs.lifecycle import JobState

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

    def __init__(self, rooms: Rooms, rules: Rules, listener: Listener, *, drain: bool) -> None:
        self.rooms = rooms
        self._receiving = Receiver(rooms, listener)
        self._dispatching = Dispatcher(rooms, rules, listener, self._receiving)
        self._orders = CommandHandler(rooms, self._dispatching, self._receiving)
        self._stop_timeout_s = rules.stop_timeout_s
        self._drain = drain
        self._stopping = False
        self._stopped = False
        self._is_to_reload = False
        self._hands_over = False
        self._renew: Callable[[], bool] = lambda: False
        self._has_recovered = False
        self._presences = (rooms.presence, rooms.outbox.presence)
        self._absences: list[str] = []

    @property
    def _is_paused(self) -> bool:
        return bool(self._absences)

    def stop(self) -> None:
        """Asks the loop to end; safe in a signal handler."""
        self._stopping = True
        self.rooms.watch.wake()

    def reload(self) -> None:
        """Asks for the configuration to be read again; safe in a signal handler."""
        self._is_to_reload = True
        self.rooms.watch.wake()

    def run(self, *, renew: Callable[[], bool] = lambda: False) -> Summary:
        """The whole life of the daemon. `renew` reads the configuration; True: another daemon is to take over."""
        self._renew = renew
        self._beat_now()
        self.rooms.watch.start()
        try:
            while not self._stopping:
                if self._turn():
                    break
                self._wait()
        finally:
            self._shut_down()
        return self._summary()

    def _turn(self) -> bool:
        """Everything that can be done now; True where that was the last of it."""
        try:
            self._look_after_folders()
            for order in self.rooms.control.hear():
                self.rooms.control.answer(order, self.carry_out(order))
            if not self._is_paused and self.rooms.can_journal() and self._recover():
                self._receiving.claim()
                self._receiving.dispose()
                if not self._hands_over:
                    self._dispatching.dispatch()
                self._dispatching.redeliver()
            self._dispatching.collect()
            self._dispatching.unload()
            self._beat()
            if self._is_to_reload and not self.rooms.holdups.has_failed(JOURNAL):  # the next daemon could not open it
                self._is_to_reload = False
                self._hands_over = self._renew()
            if self._hands_over and not self._dispatching.is_running:
                return True
            return self._drain and self._is_drained()
        except JournalRefused as error:  # where nobody expected it, in the middle of something: all is taken up anew
            self.rooms.hold_up(JOURNAL, "the daemon waits", error)
            self._has_recovered = False
            return False

    def carry_out(self, order: Command) -> CommandAnswer:
        """Cancels or retries jobs, or says why not now."""
        obstacle = "; ".join(self._absences) or "its journal or its outbox refuses"
        try:
            if not self._is_paused and self.rooms.can_journal() and self._recover():
                return self._orders.carry_out(order)
        except OSError as error:
            obstacle = error.strerror or str(error)
        return CommandAnswer(done=False, said=(f"{file_names.escaped(order.name)}: not now: {obstacle}",))

    def _recover(self) -> bool:
        """When all is there (again): takes up what a crash, a stop or a fault left. Nothing lost, nothing doubled."""
        if self._has_recovered:
            return True
        if self.rooms.holdups.is_held(OUTBOX, time.monotonic()):
            return False
        for presence in self._presences:
            presence.mark()
        try:
            self._dispatching.recover()
            self._receiving.recover()
        except OSError as error:
            self.rooms.hold_up(OUTBOX, "what was under way cannot be taken up", error)
            return False
        self._has_recovered = True
        self.rooms.holdups.clear(OUTBOX)
        self.rooms.pulse.started()
        self.rooms.heartbeat.change()
        return True

    def _look_after_folders(self) -> None:
        """Pauses while inbox or outbox is away: what is not there must not be taken for empty, or made anew."""
        absences = [absence for presence in self._presences if (absence := presence.absence())]
        if absences and absences != self._absences:
            logger.error("paused: {}", "; ".join(absences))
            self.rooms.pulse.error(absences[0])
        elif not absences and (self._absences or any(presence.lacks_marker() for presence in self._presences)):
            logger.info("inbox and outbox are back" if self._absences else "a folder was made anew")
            for presence in self._presences:
                presence.mark()
            self.rooms.lock.renew()
            self.rooms.watch.restart()
            self._has_recovered = False  # what could not be put back while they were away is found now
        if bool(self._absences) != bool(absences):
            self.rooms.heartbeat.change()
        self._absences = absences

    def _is_drained(self) -> bool:
        """Whether nothing is left that could be done without waiting for a mend."""
        if self._is_paused:
            return True
        if self._dispatching.is_running:
            return False
        has_failed = self.rooms.holdups.has_failed
        if has_failed(JOURNAL):  # nothing can be claimed, or known to be done
            return True
        if not self._has_recovered:
            return has_failed(OUTBOX)
        if not self._receiving.has_seen_all:
            return False
        return has_failed(OUTBOX) or (self._receiving.has_put_all_away and not self._dispatching.has_work())

    def _wait(self) -> None:
        """Sleeps until an event, a message or the next thing that is due."""
        if self._dispatching.take_ended():  # a job has ended: its source goes where it belongs, and the next job runs
            return
        rooms, now = self.rooms, time.monotonic()
        due = [
            rooms.watch.scan_due_s(),
            rooms.arrivals.next_s(),
            rooms.holdups.next_s(now),
            rooms.shortages.next_s(now),
        ]
        descriptors = [*rooms.watch.waitables(), *rooms.control.waitables(), *rooms.worker.waitables()]
        if self._is_paused:  # events are not looked at now: only the return of the folders counts
            due, descriptors = [], [*rooms.control.waitables(), *rooms.worker.waitables()]
        if self._dispatching.is_running or self._is_paused:
            due.append(now + TICK_S)
        wait_s = min([rooms.heartbeat.due_in_s(), *(moment - now for moment in due if moment is not None)])
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        poll.poll(max(0.0, wait_s) * 1000)

    def _shut_down(self) -> None:
        """No new work; the running job ends within `stop_timeout` or is given back."""
        self._hands_over = self._hands_over and not self._stopping  # stopped meanwhile: nobody takes over
        self._stopping = True
        self.rooms.heartbeat.change()
        deadline_s = time.monotonic() + self._stop_timeout_s
        while self._dispatching.is_running and time.monotonic() < deadline_s:
            with suppress(JournalRefused):
                self._beat()
                self._dispatching.collect()
            if self._dispatching.is_running:
                time.sleep(0.05)
        with suppress(JournalRefused):  # the next start takes up what is left
            self._dispatching.give_back()
            self._receiving.dispose()
        if not self._hands_over:
            self.rooms.worker.stop(timeout_s=1.0)
        self.rooms.watch.stop()
        self._stopped = not self._hands_over
        self.rooms.heartbeat.change()
        self._beat_now()

    def _beat(self) -> None:
        """Writes the health document where it is due."""
        if self.rooms.heartbeat.due_in_s() <= 0:
            self._beat_now()

    def _beat_now(self) -> None:
        rooms, now, oldest = self.rooms, time.monotonic(), None
        with suppress(JournalRefused):  # the heart beats whatever becomes of its disk
            oldest = self._receiving.oldest()
        known = Known(
            counts=rooms.journal.counts(),
            unsettled=len(rooms.arrivals),
            oldest=oldest,
            left_alone=rooms.arrivals.left_alone(),
            conflicts=rooms.arrivals.conflicts(),
            holdups=[
                *rooms.holdups.records(now),
                *rooms.shortages.records(now, named=MEMORY_FOR),
                *held_by_folders(rooms.arrivals.held()),
            ],
            archive_bytes=rooms.disposal.archive_bytes,
            polls_because=rooms.watch.polls_because,
            event_losses=rooms.watch.losses,
            worker_pid=rooms.worker.pid,
            stopping=self._stopping,
            stopped=self._stopped,
            paused=self._is_paused,
        )
        rooms.heartbeat.beat(rooms.pulse.document(known, since=rooms.heartbeat.since))

    def _summary(self) -> Summary:
        refused = self.rooms.arrivals.refused or any(self.rooms.holdups.has_failed(on) for on in _STUCK)
        return Summary(
            done=self._dispatching.done,
            failed=self._dispatching.failed + self._receiving.failed,
            waiting=self.rooms.journal.counts()[JobState.QUEUED],
            stuck=bool(refused) or self._is_paused,
        )
