"""Settings -> the extensions of a daemon: one line a feature."""

from __future__ import annotations

from aura_daemon.config.settings import Settings
from aura_daemon.health.listener import Extension
from aura_daemon.journal.journal import Journal
from aura_daemon.outbox.delivery import Delivery


def extensions_of(settings: Settings, *, journal: Journal, delivery: Delivery, drain: bool) -> tuple[Extension, ...]:
    """The extensions that are configured. `drain`: the daemon ends as soon as nothing is left to do."""
    return ()
