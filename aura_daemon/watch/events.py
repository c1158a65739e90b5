"""Where something happens below a folder. Events only wake: a name means "look there", never "this is so".

In: a root. Out: `Events` to listen to, or `EventsUnavailable`, which says why the folder must be polled.
Linux listens to inotify itself: no thread, nothing of our own folder watched, every lost event and every limit told.
Other systems listen through watchdog.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aura_daemon.system.filesystems import file_system_of, is_shared


class EventsUnavailable(Exception):
    """There are no events to be had for this folder; says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeardEvents:
    """What happened since the last time."""

    named: dict[str, bool]
    """Path below the root -> it came by a rename, hence whole."""
    lost: bool
    """More happened than the names say: look at everything."""
    ended: str
    """Why nothing more will be heard; empty while all is well."""


class Events(Protocol):
    """Names of paths below a root where something happened."""

    @property
    def descriptor(self) -> int:
        """Readable when something was heard."""

    def hear(self) -> HeardEvents:
        """Everything since the last call; never blocks."""

    def close(self) -> None:
        """Stops listening."""


def listen(root: Path, file_system: str | None = None) -> Events:
    """Events of everything below a resolved root; raises Deaf where the system has none to give."""
    kind = file_system or file_system_of(root)
    if is_shared(kind):
        raise EventsUnavailable(f"{kind} tells nobody here what other machines change")
    if sys.platform == "linux":
        from aura_daemon.watch.inotify_events import InotifyEvents

        return InotifyEvents(root)
    from aura_daemon.watch.watchdog_events import WatchdogEvents

    return WatchdogEvents(root)
