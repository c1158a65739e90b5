"""Settings -> the extensions of a daemon: one line a feature."""

from __future__ import annotations

from aura_daemon.config.settings import Settings
from aura_daemon.health.holdups import Holdups
from aura_daemon.health.listener import Extension
from aura_daemon.journal.journal import Journal
from aura_daemon.outbox.delivery import Delivery


def extensions_of(
    settings: Settings, *, journal: Journal, delivery: Delivery, holdups: Holdups, drain: bool
) -> tuple[Extension, ...]:
    """The extensions that are configured. `drain`: the daemon ends as soon as nothing is left to do."""
    return (*_gallery(settings, journal, delivery), *_monitoring(settings, holdups, drain=drain))


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
