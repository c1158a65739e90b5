"""Settings -> the extensions of a daemon: one line a feature."""

from __future__ import annotations

import time
from collections.abc import Sequence

from aura_daemon.config.settings import Settings
from aura_daemon.health.listener import Extension
from aura_daemon.hooks.hooks import Hooks
from aura_daemon.housekeeping.areas import areas_of
from aura_daemon.housekeeping.folder_sweep import FolderSweep
from aura_daemon.housekeeping.journal_sweep import JournalSweep
from aura_daemon.housekeeping.retention import Retention, Sweep
from aura_daemon.intake.pending import PendingFiles
from aura_daemon.jobs.lifecycle import OPEN
from aura_daemon.journal.journal import Journal
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.outbox.source_disposal import SourceDisposal
from aura_daemon.system.log_file import LogFile
from aura_daemon.system.mount_guard import MountGuard


def extensions_of(
    settings: Settings,
    *,
    journal: Journal,
    delivery: Delivery,
    pending: PendingFiles,
    disposal: SourceDisposal,
    guards: Sequence[MountGuard],
    log_file: LogFile | None,
    drain: bool,
) -> tuple[Extension, ...]:
    """The extensions that are configured. `drain`: the daemon ends as soon as nothing is left to do."""

    def is_quiet() -> bool:
        counts = journal.counts()
        return not any(counts[state] for state in OPEN) and not pending.is_settling

    hooks = Hooks(
        config=settings.hooks, inbox=str(settings.inbox), journal=journal, delivery=delivery, is_quiet=is_quiet
    )
    return (hooks, *_retention(settings, journal, disposal, guards, log_file, drain=drain))


def _retention(
    settings: Settings,
    journal: Journal,
    disposal: SourceDisposal,
    guards: Sequence[MountGuard],
    log_file: LogFile | None,
    *,
    drain: bool,
) -> tuple[Retention, ...]:
    """Nothing where everything is kept for ever."""
    areas, kept = areas_of(settings, disposal, log_file), settings.retention.journal
    if not areas and not kept.is_limited:
        return ()

    def sweeps() -> list[tuple[str, Sweep]]:
        now = time.time()
        found: list[tuple[str, Sweep]] = [(area.name, FolderSweep(area=area, now=now)) for area in areas]
        if kept.is_limited:
            inbox, outbox = settings.inbox, settings.outbox
            found.append(("journal", JournalSweep(journal=journal, inbox=inbox, outbox=outbox, kept=kept, now=now)))
        return found

    return (Retention(sweeps=sweeps, guards=guards, drain=drain),)
