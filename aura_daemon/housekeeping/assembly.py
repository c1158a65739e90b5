"""Settings -> the retention of a daemon, its sweeps joined."""

from __future__ import annotations

import time
from collections.abc import Sequence

from aura_daemon.config.settings import Settings
from aura_daemon.housekeeping.areas import areas_of
from aura_daemon.housekeeping.folder_sweep import FolderSweep
from aura_daemon.housekeeping.journal_sweep import JournalSweep
from aura_daemon.housekeeping.retention import Retention, Sweep
from aura_daemon.journal.journal import Journal
from aura_daemon.outbox.source_disposal import SourceDisposal
from aura_daemon.system.logs import LogFile
from aura_daemon.system.mount_guard import MountGuard


def retention_of(
    settings: Settings,
    journal: Journal,
    disposal: SourceDisposal,
    guards: Sequence[MountGuard],
    log_file: LogFile | None,
    *,
    drain: bool,
) -> Retention:
    """The retention of what is limited. `drain`: the daemon ends as soon as nothing is left to do."""
    areas, kept = areas_of(settings, disposal, log_file), settings.retention.journal

    def sweeps() -> list[tuple[str, Sweep]]:
        now = time.time()
        found: list[tuple[str, Sweep]] = [(area.name, FolderSweep(area=area, now=now)) for area in areas]
        if kept.is_limited:
            inbox, outbox = settings.inbox, settings.outbox
            found.append(("journal", JournalSweep(journal=journal, inbox=inbox, outbox=outbox, kept=kept, now=now)))
        return found

    return Retention(sweeps=sweeps, guards=guards, drain=drain)
