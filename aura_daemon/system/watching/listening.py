"""Which source of events a folder has on this system. In: a folder. Out: its events, or why it must be polled."""

from __future__ import annotations

import sys
from pathlib import Path

from aura_daemon.system.filesystems import file_system_of, is_shared
from aura_daemon.system.watching.events import Events, EventsUnavailable


def listen(root: Path, file_system: str | None = None) -> Events:
    """Events of everything below a resolved root; raises EventsUnavailable where the system gives none.

    `file_system`: the kind that the root lies on; None looks it up. Linux's inotify is used directly: that takes no
    thread, leaves our own folder unwatched, and reports every lost event and every limit.
    """
    kind = file_system or file_system_of(root)
    if is_shared(kind):
        raise EventsUnavailable(f"{kind} tells nobody here what other machines change")
    if sys.platform == "linux":
        from aura_daemon.system.watching.inotify_events import InotifyEvents

        return InotifyEvents(root)
    from aura_daemon.system.watching.watchdog_events import WatchdogEvents

    return WatchdogEvents(root)
