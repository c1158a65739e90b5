"""Where something happens below a folder. Events only wake: a name means "look there", never "this is so".

In: a root. Out: `Events` to listen to, or `Deaf` with the reason why there are none and the folder must be polled.
Linux listens to inotify itself: no thread, nothing of our own folder watched, every lost event and every limit told.
Other systems listen through watchdog.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

NETWORKED: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "virtiofs", "davfs", "vboxsf"}
)
"""File systems whose changes from elsewhere cause no events here; `fuse` and `fuse.…` are added to them."""


class Deaf(Exception):
    """There are no events to be had for this folder; says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
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

    def hear(self) -> Heard:
        """Everything since the last call; never blocks."""

    def close(self) -> None:
        """Stops listening."""


def listen(root: Path) -> Events:
    """Events of everything below a resolved root; raises Deaf where the system has none to give."""
    kind = file_system_of(root)
    if is_shared(kind):
        raise Deaf(f"{kind} tells nobody here what other machines change")
    if sys.platform == "linux":
        from aura_daemon.events.inotify import InotifyEvents

        return InotifyEvents(root)
    from aura_daemon.events.elsewhere import WatchdogEvents

    return WatchdogEvents(root)


def file_system_of(root: Path) -> str:
    """The kind of file system a folder lies on, as Linux names it; empty where the system does not tell."""
    return _mount(root)[1]


def is_shared(kind: str) -> bool:
    """Whether programs that this kernel knows nothing of may change such a file system."""
    return kind in NETWORKED or kind == "fuse" or kind.startswith("fuse.")


def mount_of(folder: Path) -> str:
    """Where the file system that a folder lies on is mounted; empty where the system does not tell."""
    return _mount(folder.resolve())[0]


def _mount(folder: Path) -> tuple[str, str]:
    """Mount point and kind of the innermost mount that covers a resolved folder."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return "", ""
    best, kind = "", ""
    for line in lines:
        before, _, after = line.partition(" - ")
        place = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), before.split()[4])
        covers = place == "/" or folder == Path(place) or os.fspath(folder).startswith(place + "/")
        if covers and len(place) >= len(best):  # a later mount over the same place hides the earlier one
            best, kind = place, after.split()[0]
    return best, kind
