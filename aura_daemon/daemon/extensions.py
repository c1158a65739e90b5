"""Settings -> the extensions of a daemon: one line a feature."""

from __future__ import annotations

import os

from aura_daemon.config.settings import Settings
from aura_daemon.health.listener import Extension
from aura_daemon.journal.journal import Journal
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.service.notices import ServiceNotices
from aura_daemon.system.processes import notify_socket


def extensions_of(settings: Settings, *, journal: Journal, delivery: Delivery, drain: bool) -> tuple[Extension, ...]:
    """The extensions that are configured. `drain`: the daemon ends as soon as nothing is left to do."""
    extensions: list[Extension] = []
    if (to_manager := notify_socket.of_this_process()).is_open:
        extensions.append(
            ServiceNotices(
                to_manager,
                watchdog_s=notify_socket.watchdog_s(os.environ, os.getpid()),
                deadline_s=settings.deadline,
                stop_timeout_s=settings.stop_timeout,
            )
        )
    return tuple(extensions)
