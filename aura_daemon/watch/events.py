"""Where something happens below a folder. An event only names a place to look at; it does not say what is there.

In: a root. Out: `Events` to listen to, or `EventsUnavailable`, which says why the folder must be polled. On Linux the
daemon uses inotify directly: this takes no thread, leaves our own folder unwatched, and reports every lost event and
every limit. On other systems the daemon uses watchdog.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aura_daemon.system.filesystems import file_system_of, is_shared


class EventsUnavailable(Exception):
    """The system gives no events for this folder; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeardEvents:
    """What happened since the last call of `hear`."""

    named: dict[str, bool]
    """Path below the root -> whether the file came by a rename, and is hence complete."""
    lost: bool
    """More happened than `named` says: every file must be looked at."""
    ended: str
    """Why no more events will come; empty while events come."""


class Events(Protocol):
    """Names of paths below a root where something happened."""

    @property
    def descriptor(self) -> int:
        """Readable when something was heard."""

    def hear(self) -> HeardEvents:
        """What happened since the last call; never blocks."""

    def close(self) -> None:
        """Stops listening."""


def listen(root: Path, file_system: str | None = None) -> Events:
    """Events of everything below a resolved root; raises EventsUnavailable where the system gives none.

    `file_system`: the kind that the root lies on; None looks it up.
    """
    kind = file_system or file_system_of(root)
    if is_shared(kind):
        raise EventsUnavailable(f"{kind} tells nobody here what other machines change")
    if sys.platform == "linux":
        from aura_daemon.watch.inotify_events import InotifyEvents

        return InotifyEvents(root)
    from aura_daemon.watch.watchdog_events import WatchdogEvents

    return WatchdogEvents(root)
