"""Settings -> the extensions of a daemon: one line a feature."""

from __future__ import annotations

import os

from aura_daemon.config.settings import Settings
from aura_daemon.health.holdups import Holdups
from aura_daemon.health.listener import Extension
from aura_daemon.journal.journal import Journal
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.service import notify_socket
from aura_daemon.service.notices import ServiceNotices


def extensions_of(
    settings: Settings, *, journal: Journal, delivery: Delivery, holdups: Holdups, drain: bool
) -> tuple[Extension, ...]:
    """The extensions that are configured. `drain`: the daemon ends as soon as nothing is left to do."""
    return (*_service_manager(settings), *_monitoring(settings, holdups, drain=drain))


def _service_manager(settings: Settings) -> tuple[Extension, ...]:
    """What the service manager is told; nothing where none has started the daemon."""
    if not (to_manager := notify_socket.of_this_process()).is_open:
        return ()
    notices = ServiceNotices(
        to_manager,
        watchdog_s=notify_socket.watchdog_s(os.environ, os.getpid()),
        deadline_s=settings.deadline,
        stop_timeout_s=settings.stop_timeout,
    )
    return (notices,)


def _monitoring(settings: Settings, holdups: Holdups, *, drain: bool) -> tuple[Extension, ...]:
    """The HTTP server and the textfile; a run that ends by itself has neither."""
    if drain or (settings.http.listen is None and settings.metrics.textfile is None):
        return ()
    from aura_daemon.metrics.monitoring import Monitoring  # 3 MiB that most daemons do without

    return (Monitoring(settings, holdups),)
