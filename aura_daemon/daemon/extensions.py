"""Settings -> the extensions of a daemon: one line a feature."""

from __future__ import annotations

import os
from collections.abc import Sequence

from aura_daemon.config.settings import Settings
from aura_daemon.health.guarded import Guarded
from aura_daemon.health.holdups import Holdups
from aura_daemon.health.listener import Extension
from aura_daemon.hooks.hooks import Hooks
from aura_daemon.intake.pending import PendingFiles
from aura_daemon.jobs.lifecycle import OPEN
from aura_daemon.journal.journal import Journal
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.outbox.source_disposal import SourceDisposal
from aura_daemon.service import notify_socket
from aura_daemon.service.notices import ServiceNotices
from aura_daemon.system.logs import LogFile
from aura_daemon.system.mount_guard import MountGuard


def extensions_of(
    settings: Settings,
    *,
    journal: Journal,
    delivery: Delivery,
    holdups: Holdups,
    pending: PendingFiles,
    disposal: SourceDisposal,
    guards: Sequence[MountGuard],
    log_file: LogFile | None,
    drain: bool,
) -> tuple[Guarded, ...]:
    """The extensions that are configured. `drain`: the daemon ends as soon as nothing is left to do."""
    extensions: tuple[Extension, ...] = (
        *_service_manager(settings),
        _hooks(settings, journal, delivery, pending),
        *_retention(settings, journal, disposal, guards, log_file, drain=drain),
        *_gallery(settings, journal, delivery),
        *_monitoring(settings, holdups, drain=drain),
    )
    return tuple(Guarded(extension, holdups) for extension in extensions)


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


def _hooks(settings: Settings, journal: Journal, delivery: Delivery, pending: PendingFiles) -> Hooks:
    """The hooks; without any, it tells what became of those that an earlier configuration left."""

    def is_quiet() -> bool:
        counts = journal.counts()
        return not any(counts[state] for state in OPEN) and not pending.is_settling

    inbox = str(settings.inbox)
    return Hooks(config=settings.hooks, inbox=inbox, journal=journal, delivery=delivery, is_quiet=is_quiet)


def _retention(
    settings: Settings,
    journal: Journal,
    disposal: SourceDisposal,
    guards: Sequence[MountGuard],
    log_file: LogFile | None,
    *,
    drain: bool,
) -> tuple[Extension, ...]:
    """What deletes; nothing where everything is kept for ever."""
    if not any(kept.is_limited for _, kept in settings.retention):
        return ()
    from aura_daemon.housekeeping.assembly import retention_of

    return (retention_of(settings, journal, disposal, guards, log_file, drain=drain),)


def _gallery(settings: Settings, journal: Journal, delivery: Delivery) -> tuple[Extension, ...]:
    """The gallery in the outbox."""
    if not settings.gallery.outbox:
        return ()
    from aura_daemon.gallery.gallery import Gallery  # a daemon without one imports no Jinja2

    return (Gallery(journal, delivery, page_size=settings.gallery.page_size),)


def _monitoring(settings: Settings, holdups: Holdups, *, drain: bool) -> tuple[Extension, ...]:
    """The HTTP server and the textfile; a run that ends by itself has neither."""
    if drain or (settings.http.listen is None and settings.metrics.textfile is None):
        return ()
    from aura_daemon.metrics.monitoring import Monitoring  # 3 MiB that most daemons do without

    return (Monitoring(settings, holdups),)
