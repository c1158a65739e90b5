"""A file's way: claimed, admitted, and put where it belongs once its jobs have ended. In: looks. Out: queued jobs."""

from __future__ import annotations

import time

from loguru import logger

from aura_daemon import file_names
from aura_daemon.daemon.rooms import Rooms
from aura_daemon.dispatch.listener import Listener
from aura_daemon.errors import JournalRefused
from aura_daemon.health.holdups import JOURNAL, SOURCES
from aura_daemon.intake import claim_recovery
from aura_daemon.jobs.lifecycle import SourceState
from aura_daemon.journal.records import Source


class Receiver:
    """The files of one inbox."""

    def __init__(self, rooms: Rooms, listener: Listener) -> None:
        self._rooms = rooms
        self._listener = listener
        self._ended: dict[str, Source] = {}
        self._unadmitted: dict[str, Source] = {}
        self._looked = False
        self._more_to_find = False
        self.failed = 0
        """Files that ask for nothing that could be run."""

    @property
    def has_seen_all(self) -> bool:
        """Whether the inbox was looked at, and nothing lies there that only needs time to settle."""
        arrivals = self._rooms.arrivals
        next_s = arrivals.next_s()
        is_due = self._rooms.watch.scan_due_s() is None or (next_s is not None and next_s <= time.monotonic())
        return self._looked and not self._more_to_find and not is_due and not arrivals.is_settling

    @property
    def has_put_all_away(self) -> bool:
        """Whether no source is left that could be put where it belongs."""
        return not self._ended or self._rooms.holdups.has_failed(SOURCES)

    def recover(self) -> None:
        """Takes up claims that a crash or a stop left."""
        claim_recovery.adopt(self._rooms.claims, self._rooms.journal)
        for source in self._rooms.journal.unfinished_sources():
            if source.id not in self._ended and source.id not in self._unadmitted:
                self.admit(source)

    def claim(self) -> None:
        """Looks, waits for files to settle, claims them and journals what they ask for."""
        arrivals, watch, now = self._rooms.arrivals, self._rooms.watch, time.monotonic()
        if self._more_to_find and arrivals.has_room_again:
            watch.scan_soon()
        look = watch.look(now, arrivals.due(now))
        has_room = arrivals.take(look, now)
        self._more_to_find = not has_room or (self._more_to_find and not look.complete)
        self._looked = True
        for arrival in arrivals.ready(now):
            try:
                source = self._rooms.claims.claim(arrival.path, arrival.kind, settled_s=arrival.settled_s)
            except JournalRefused as error:
                self._rooms.hold_up(JOURNAL, f"{file_names.escaped(arrival.path)} stays where it is", error)
                return
            except OSError as error:
                arrivals.postpone(arrival.path, now, f"it cannot be claimed: {error.strerror}")
                continue
            arrivals.forget(arrival.path)
            if source is not None:
                self.admit(source)
            self._rooms.heartbeat.change()

    def job_ended(self, source: Source) -> None:
        """One of its jobs came to an end; `dispose` finds out whether it was the last."""
        self._ended[source.id] = source

    def dispose(self) -> None:
        """Puts sources whose jobs have all ended where they belong; one that cannot be put there keeps no other."""
        holdups = self._rooms.holdups
        if holdups.is_held(SOURCES, time.monotonic()) or self._rooms.presence.absence():
            return  # an unmounted inbox looks as if its claims had been dealt with
        refusal: tuple[str, OSError] | None = None
        if self._rooms.claims.stranded is not None:
            for source in claim_recovery.adopt(self._rooms.claims, self._rooms.journal):
                self.admit(source)
            if self._rooms.claims.stranded is not None:
                refusal = "a claimed file cannot be taken up", self._rooms.claims.stranded
        unadmitted, self._unadmitted = self._unadmitted, {}
        for source in unadmitted.values():
            self.admit(source)
        for source in tuple(self._ended.values()):
            try:
                if self._rooms.disposal.dispose(source):
                    self._recall_images(source)
            except OSError as error:
                refusal = f"{file_names.escaped(source.path)} cannot be put where it belongs", error
                continue
            del self._ended[source.id]
        if refusal is not None:
            self._rooms.hold_up(SOURCES, *refusal)
        elif not self._unadmitted and holdups.clear(SOURCES):
            logger.info("sources go where they belong again")
            self._rooms.heartbeat.change()

    def _recall_images(self, source: Source) -> None:
        """The images that it named can be put away with it, or stay for its next try."""
        now = time.monotonic()
        for path in self._rooms.journal.named_by(source.id):
            if self._rooms.arrivals.recall(path, now):
                self._rooms.watch.scan_soon()

    def since_claim_s(self, source: Source) -> float:
        """How long a source has been ours."""
        return max(0.0, self._rooms.clock.now() - source.claimed_at)

    def oldest(self) -> tuple[str, float] | None:
        """Name and seconds of the file that has waited longest: in the queue, else in the inbox."""
        queued = self._rooms.journal.oldest_queued()
        if queued is None:
            return self._rooms.arrivals.oldest(time.monotonic())
        return file_names.escaped(queued.path), self.since_claim_s(queued) + queued.settled_s

    def admit(self, source: Source) -> None:
        """Journals the jobs of a claimed source; one without jobs has ended already."""
        if source.state is SourceState.CLAIMED:
            try:
                self._rooms.intake.admit(source)
            except OSError as error:
                self._unadmitted[source.id] = source
                self._rooms.hold_up(SOURCES, f"{file_names.escaped(source.path)} cannot be taken in", error)
                return
            source = self._rooms.journal.source(source.id)
        self._ended[source.id] = source
        if source.failure is not None:
            self.failed += 1
            self._rooms.pulse.error(f"{file_names.escaped(source.path)}: {source.failure.message}")
            self._listener.failed(source.id, source, source.failure)
