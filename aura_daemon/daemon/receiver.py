"""A file's way: claimed, admitted, and put where it belongs once its jobs have ended. In: looks. Out: queued jobs."""

from __future__ import annotations

import time
from collections.abc import Sequence

from loguru import logger

from aura_daemon import file_names
from aura_daemon.errors import JournalRefused
from aura_daemon.health.holdups import JOURNAL, SOURCES, Holdups
from aura_daemon.health.listener import JobFailed, Listener, tell
from aura_daemon.health.recorder import HealthRecorder
from aura_daemon.intake import claim_recovery
from aura_daemon.intake.admission import Admission
from aura_daemon.intake.claims import Claims
from aura_daemon.intake.pending import PendingFiles
from aura_daemon.jobs.lifecycle import SourceState
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Source
from aura_daemon.outbox.source_disposal import SourceDisposal
from aura_daemon.system.clock import SteadyClock
from aura_daemon.system.mount_guard import MountGuard
from aura_daemon.watch.watcher import Watcher


class Receiver:
    """The files of one inbox."""

    def __init__(
        self,
        *,
        clock: SteadyClock,
        journal: Journal,
        watcher: Watcher,
        inbox_guard: MountGuard,
        pending: PendingFiles,
        claims: Claims,
        admission: Admission,
        disposal: SourceDisposal,
        holdups: Holdups,
        health: HealthRecorder,
        listeners: Sequence[Listener],
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._watcher = watcher
        self._inbox_guard = inbox_guard
        self._pending = pending
        self._claims = claims
        self._admission = admission
        self._disposal = disposal
        self._holdups = holdups
        self._health = health
        self._listeners = listeners
        self._ended: dict[str, Source] = {}
        self._unadmitted: dict[str, Source] = {}
        self._has_looked = False
        self._more_to_find = False
        self.failed = 0
        """Files that ask for nothing that could be run."""

    @property
    def has_seen_all(self) -> bool:
        """Whether the inbox was looked at, and nothing lies there that only needs time to settle."""
        next_s = self._pending.next_s()
        is_due = self._watcher.scan_due_s() is None or (next_s is not None and next_s <= time.monotonic())
        return self._has_looked and not self._more_to_find and not is_due and not self._pending.is_settling

    @property
    def has_put_all_away(self) -> bool:
        """Whether no source is left that could be put where it belongs."""
        return not self._ended or self._holdups.has_failed(SOURCES)

    def recover(self) -> None:
        """Takes up claims that a crash or a stop left."""
        claim_recovery.adopt(self._claims, self._journal)
        for source in self._journal.unfinished_sources():
            if source.id not in self._ended and source.id not in self._unadmitted:
                self.admit(source)

    def claim(self) -> None:
        """Looks, waits for files to settle, claims them and journals what they ask for."""
        pending, now = self._pending, time.monotonic()
        if self._more_to_find and pending.has_room_again:
            self._watcher.scan_soon()
        look = self._watcher.look(now, pending.due(now))
        has_room = pending.take(look, now)
        self._more_to_find = not has_room or (self._more_to_find and not look.complete)
        self._has_looked = True
        for claimable in pending.ready(now):
            try:
                source = self._claims.claim(claimable.path, claimable.kind, settled_s=claimable.settled_s)
            except JournalRefused as error:
                self._health.hold_up(JOURNAL, f"{file_names.escaped(claimable.path)} stays where it is", error)
                return
            except OSError as error:
                pending.postpone(claimable.path, now, f"it cannot be claimed: {error.strerror}")
                continue
            pending.forget(claimable.path)
            if source is not None:
                self.admit(source)
            self._health.change()

    def job_ended(self, source: Source) -> None:
        """One of its jobs came to an end; `dispose` finds out whether it was the last."""
        self._ended[source.id] = source

    def dispose(self) -> None:
        """Puts sources whose jobs have all ended where they belong; one that cannot be put there keeps no other."""
        if self._holdups.is_held(SOURCES, time.monotonic()) or self._inbox_guard.absence():
            return  # an unmounted inbox looks as if its claims had been dealt with
        refusal: tuple[str, OSError] | None = None
        if self._claims.stranded is not None:
            for source in claim_recovery.adopt(self._claims, self._journal):
                self.admit(source)
            if self._claims.stranded is not None:
                refusal = "a claimed file cannot be taken up", self._claims.stranded
        unadmitted, self._unadmitted = self._unadmitted, {}
        for source in unadmitted.values():
            self.admit(source)
        for source in tuple(self._ended.values()):
            try:
                if self._disposal.dispose(source):
                    self._recall_images(source)
            except OSError as error:
                refusal = f"{file_names.escaped(source.path)} cannot be put where it belongs", error
                continue
            del self._ended[source.id]
        if refusal is not None:
            self._health.hold_up(SOURCES, *refusal)
        elif not self._unadmitted and self._holdups.clear(SOURCES):
            logger.info("sources go where they belong again")
            self._health.change()

    def _recall_images(self, source: Source) -> None:
        """The images that it named can be put away with it, or stay for its next try."""
        now = time.monotonic()
        for path in self._journal.named_by(source.id):
            if self._pending.recall(path, now):
                self._watcher.scan_soon()

    def since_claim_s(self, source: Source) -> float:
        """How long a source has been ours."""
        return max(0.0, self._clock.now() - source.claimed_at)

    def admit(self, source: Source) -> None:
        """Journals the jobs of a claimed source; one without jobs has ended already."""
        if source.state is SourceState.CLAIMED:
            try:
                self._admission.admit(source)
            except OSError as error:
                self._unadmitted[source.id] = source
                self._health.hold_up(SOURCES, f"{file_names.escaped(source.path)} cannot be taken in", error)
                return
            source = self._journal.source(source.id)
        self._ended[source.id] = source
        if source.failure is not None:
            self.failed += 1
            self._health.error(f"{file_names.escaped(source.path)}: {source.failure.message}")
            tell(self._listeners, JobFailed(id=source.id, source=source, failure=source.failure))
