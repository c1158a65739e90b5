"""Settings -> the extensions of a daemon: one line a feature."""

from __future__ import annotations

from aura_daemon.config.settings import Settings
from aura_daemon.health.listener import Extension
from aura_daemon.hooks.hooks import Hooks
from aura_daemon.intake.pending import PendingFiles
from aura_daemon.jobs.lifecycle import OPEN
from aura_daemon.journal.journal import Journal
from aura_daemon.outbox.delivery import Delivery


def extensions_of(
    settings: Settings, *, journal: Journal, delivery: Delivery, pending: PendingFiles, drain: bool
) -> tuple[Extension, ...]:
    """The extensions that are configured. `drain`: the daemon ends as soon as nothing is left to do."""

    def is_quiet() -> bool:
        counts = journal.counts()
        return not any(counts[state] for state in OPEN) and not pending.is_settling

    hooks = Hooks(
        config=settings.hooks, inbox=str(settings.inbox), journal=journal, delivery=delivery, is_quiet=is_quiet
    )
    return (hooks,)
