"""The parts the flow runs through, the rules it keeps, and who listens. Joined in `daemon.assembly`."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from loguru import logger

from aura_daemon import file_names
from aura_daemon.daemon.control_socket import ControlSocket
from aura_daemon.errors import JournalRefused
from aura_daemon.health.heartbeat import Heartbeat
from aura_daemon.health.holdups import JOURNAL, Holdups
from aura_daemon.health.recorder import Pulse
from aura_daemon.intake.admission import Admission
from aura_daemon.intake.claims import Claims
from aura_daemon.intake.input_images import InputImages
from aura_daemon.intake.pending import PendingFiles
from aura_daemon.jobs.requests import JobKind
from aura_daemon.journal.journal import Journal
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.outbox.previews import Previews
from aura_daemon.outbox.source_disposal import SourceDisposal
from aura_daemon.system.clock import SteadyClock
from aura_daemon.system.instance_lock import InstanceLock
from aura_daemon.system.mount_guard import MountGuard
from aura_daemon.watch.watcher import Watcher
from aura_daemon.workers.protocol import Worker


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What the flow needs to know of the configuration."""

    attempts: int
    stop_timeout_s: float
    unload_after_s: float | None
    memory_wait_s: float = 0.0
    """How long a job waits for memory that other programs have."""
    batch: int | None = None
    """Pictures at once; None: as many as pay."""
    models: Mapping[JobKind, str] = field(default_factory=dict)
    """Kind of job -> the model that is configured for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rooms:
    """Everything a file or a job passes on its way."""

    clock: SteadyClock
    journal: Journal
    watch: Watcher
    arrivals: PendingFiles
    lock: InstanceLock
    presence: MountGuard
    """Of the inbox; the outbox has its own."""
    claims: Claims
    intake: Admission
    inputs: InputImages
    outbox: Delivery
    previews: Previews
    disposal: SourceDisposal
    heartbeat: Heartbeat
    holdups: Holdups
    shortages: Holdups
    """Demands (`ladder.shortage`) for which there is no memory now."""
    pulse: Pulse
    control: ControlSocket
    worker: Worker

    def can_journal(self) -> bool:
        """Whether the journal takes writes, as far as is known; one that did not is tried again when that is due."""
        now = time.monotonic()
        if not self.holdups.has_failed(JOURNAL):
            return True
        if self.holdups.is_held(JOURNAL, now):
            return False
        try:
            self.journal.probe()
        except OSError as error:
            self.hold_up(JOURNAL, "nothing can be claimed", error)
            return False
        self.holdups.clear(JOURNAL)
        logger.info("the journal can be written again")
        self.heartbeat.change()
        return True

    def hold_up(self, what: str, refused: str, error: OSError) -> None:
        """A file system says no: nothing is lost, it is said everywhere, and tried again after a while."""
        if isinstance(error, JournalRefused):
            what = JOURNAL
        place = f" ({file_names.escaped(os.fsdecode(error.filename))})" if error.filename else ""
        reason = f"{refused}: {error.strerror or error}{place}"
        mend = "Free room there, or mount it writable; nothing is lost, and it is tried again."
        wait_s = self.holdups.fail(what, reason=reason, mend=mend, now=time.monotonic())
        logger.error("{}; tried again in {:g} s", reason, wait_s)
        self.pulse.error(reason)
        self.heartbeat.change()
