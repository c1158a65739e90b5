"""Where something happens below a folder. An event only names a place to look at; it does not say what is there.

Whatever provides events implements `Events`, or raises `EventsUnavailable`, which says why the folder must be polled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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
