"""Claims and admits files, and disposes of them after their jobs. In: looks at the inbox. Out: queued jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from loguru import logger

from aura_daemon import file_names
from aura_daemon.errors import JournalRefused
from aura_daemon.health.holdups import JOURNAL, SOURCES, Holdups
from aura_daemon.health.listener import FileHandled, JobFailed, Listener, notify
from aura_daemon.health.recorder import HealthRecorder
from aura_daemon.intake import claim_recovery
from aura_daemon.intake.admission import Admission
from aura_daemon.intake.claims import ClaimableFile, Claims
from aura_daemon.intake.late_pictures import LatePictures
from aura_daemon.intake.pending import PendingFiles
from aura_daemon.jobs.lifecycle import SourceState
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Source
from aura_daemon.outbox.source_disposal import SourceDisposal
from aura_daemon.system.clock import SteadyClock
from aura_daemon.system.mount_guard import MountGuard
from aura_daemon.system.permissions import why_denied
from aura_daemon.watch.watcher import Watcher


@dataclass(kw_only=True, slots=True, eq=False)
class Receiver:
    """Takes in the files of one inbox, and disposes of them after their jobs have ended."""

    clock: SteadyClock
    journal: Journal
    watcher: Watcher
    inbox_guard: MountGuard
    pending: PendingFiles
    claims: Claims
    late_pictures: LatePictures
    admission: Admission
    disposal: SourceDisposal
    holdups: Holdups
    health: HealthRecorder
    listeners: Sequence[Listener]
    expect_work: Callable[[], None] = lambda: None
    """Called when a file was seen for the first time that may become a job."""
    failed: int = field(init=False, default=0)
    """Number of files that contained no job that can run."""
    _ended: dict[str, Source] = field(init=False, default_factory=dict)
    """Id -> source with an ended job, or without jobs: candidates for `dispose`."""
    _unadmitted: dict[str, Source] = field(init=False, default_factory=dict)
    """Id -> claimed source whose admission a disk refused."""
    _has_looked: bool = field(init=False, default=False)
    _more_to_find: bool = field(init=False, default=False)
    """The last look at the inbox was incomplete, or there was no room for all its files."""
    _held: dict[str, int] = field(init=False, default_factory=dict)
    """What the settings of folders held up at the last look."""

    @property
    def has_seen_all(self) -> bool:
        """Whether the inbox was looked at as a whole, and no file in it is still settling."""
        next_s = self.pending.next_s()
        is_due = self.watcher.scan_due_s() is None or (next_s is not None and next_s <= time.monotonic())
        return self._has_looked and not self._more_to_find and not is_due and not self.pending.is_settling

    @property
    def has_put_all_away(self) -> bool:
        """Whether no source is left that could be moved to where it belongs now."""
        return not self._ended or self.holdups.has_failed(SOURCES)

    def recover(self) -> None:
        """Continues with claims that a crash or a stop left unfinished."""
        claim_recovery.adopt(self.claims, self.journal)
        for source in self.journal.unfinished_sources():
            if source.id not in self._ended and source.id not in self._unadmitted:
                self.admit(source)

    def claim(self) -> None:
        """Looks at the inbox, claims the files that have settled, and journals their jobs."""
        pending, now = self.pending, time.monotonic()
        if self._more_to_find and pending.has_room_again:
            self.watcher.scan_soon()
        look = self.watcher.look(now, pending.due(now))
        has_room = pending.take(look, now)
        self._more_to_find = not has_room or (self._more_to_find and not look.complete)
        self._has_looked = True
        claimables = pending.ready(now)
        if pending.has_news:
            self.expect_work()
        if (held := pending.held()) != self._held:
            self._held = held
            self.health.change()
        # A job file may name an image that is claimed in the same moment: it is admitted before that leaves its place.
        for is_image, together in groupby(claimables, key=lambda claimable: claimable.kind is SourceKind.IMAGE):
            if not self._claim_together(list(together), now, are_images=is_image):
                return

    def _claim_together(self, claimables: list[ClaimableFile], now: float, *, are_images: bool) -> bool:
        """Claims files and admits them one by one; False where the journal refuses."""
        for claim in self.claims.claim_all(claimables):
            path = claim.path
            match claim.end:
                case JournalRefused() as error:
                    self.health.hold_up(JOURNAL, f"{file_names.escaped(path)} stays where it is", error)
                    return False
                case OSError() as error:
                    denied = why_denied(error, self.claims.inbox / path, writes=True)
                    self.pending.postpone(path, now, f"it cannot be claimed: {denied}")
                    continue
                case Source() as source:
                    self.pending.forget(path)
                    if are_images:
                        self._ended |= {text.id: text for text in self.late_pictures.came(source)}
                    self.admit(source)
                case None:
                    self.pending.forget(path)
            self.health.change()
        return True

    def job_ended(self, source: Source) -> None:
        """Notes that a job of the source has ended; `dispose` finds out whether it was the last one."""
        self._ended[source.id] = source

    def dispose(self) -> None:
        """Moves sources whose jobs have all ended to where they belong; a refusal for one does not stop the others."""
        if self.holdups.is_held(SOURCES, time.monotonic()) or self.inbox_guard.absence():
            return  # in an unmounted inbox the claims seem to be gone, as if they had been disposed of
        refusal: tuple[str, OSError] | None = None
        if self.claims.stranded is not None:
            for source in claim_recovery.adopt(self.claims, self.journal):
                self.admit(source)
            if self.claims.stranded is not None:
                refusal = "a claimed file cannot be taken up", self.claims.stranded
        unadmitted, self._unadmitted = self._unadmitted, {}
        for source in unadmitted.values():
            self.admit(source)
        looked_at = self.disposal.dispose_all(self._ended.values()) if self._ended else []
        for source, end in looked_at:
            if isinstance(end, OSError):
                refusal = f"{file_names.escaped(source.path)} cannot be put where it belongs", end
            else:
                del self._ended[source.id]
        for source, end in looked_at:
            if not isinstance(end, OSError):
                notify(self.listeners, FileHandled(source=source))
            if end is True:
                self._recall_images(source)
        if refusal is not None:
            self.health.hold_up(SOURCES, *refusal)
        elif not self._unadmitted and self.holdups.clear(SOURCES):
            logger.info("sources go where they belong again")
            self.health.change()

    def _recall_images(self, source: Source) -> None:
        """Looks again at the images that a source named: they are disposed of with it, or stay for its next try.

        A source that was refused has named none in the journal: its images are jobs of their own now.
        """
        now = time.monotonic()
        for path in {*self.journal.named_by(source.id), *self.pending.released(source.path)}:
            if self.pending.recall(path, now):
                self.watcher.scan_soon()

    def since_claim_s(self, source: Source) -> float:
        """Seconds since a source was claimed."""
        return max(0.0, self.clock.now() - source.claimed_at)

    def admit(self, source: Source) -> None:
        """Journals the jobs of a claimed source; a source without jobs has ended at once."""
        has_open_jobs = False
        if source.state is SourceState.CLAIMED:
            try:
                has_open_jobs = bool(self.admission.admit(source))
            except OSError as error:
                self._unadmitted[source.id] = source
                self.health.hold_up(SOURCES, f"{file_names.escaped(source.path)} cannot be taken in", error)
                return
            source = self.journal.source(source.id)
            self._ended |= {picture.id: picture for picture in self.admission.withdrawn()}
        if not has_open_jobs:
            self._ended[source.id] = source
        notify(self.listeners, FileHandled(source=source))
        if source.failure is not None:
            self.failed += 1
            self.health.error(f"{source.id}: {file_names.escaped(source.path)}: {source.failure.message}")
            notify(self.listeners, JobFailed(id=source.id, source=source, failure=source.failure))
