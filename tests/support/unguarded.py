"""The extensions of a daemon as they are, without what keeps their faults from it."""

from __future__ import annotations

from aura_daemon.daemon.loop import Daemon
from aura_daemon.health.guarded import Guarded
from aura_daemon.health.listener import Extension


def extensions_in(daemon: Daemon) -> list[Extension]:
    """The extensions of a daemon, in order."""
    return [guarded.extension for guarded in daemon.extensions if isinstance(guarded, Guarded)]
