"""The file system of a folder, and whether other machines change it without events. In: a folder. Out: its mount."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NETWORKED: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "virtiofs", "davfs", "vboxsf"}
)
"""File systems on which changes by other machines cause no events here; `fuse` and `fuse.…` count too."""


def file_system_of(root: Path) -> str:
    """The kind of a folder's file system, as Linux names it; empty where the system does not tell."""
    return _mount(root)[1]


def is_shared(kind: str) -> bool:
    """Whether programs on other machines may change a file system of this kind."""
    return kind in NETWORKED or kind == "fuse" or kind.startswith("fuse.")


def mount_of(folder: Path) -> str:
    """The mount point of a folder's file system; empty where the system does not tell."""
    return _mount(folder.resolve())[0]


@dataclass(frozen=True, slots=True)
class _Mount:
    """A line of mountinfo."""

    place: str
    kind: str
    device: str
    root: str
    """What of the device is seen there."""

    def covers(self, folder: str) -> bool:
        """Whether a folder is this mount's place, or below it."""
        return self.place == "/" or folder == self.place or folder.startswith(f"{self.place}/")

    def repeats(self, above: _Mount) -> bool:
        """Whether it shows what is seen there without it, as systemd mounts each of ReadWritePaths over itself."""
        below = posixpath.relpath(self.place, above.place) if above.place else ""
        return bool(below) and self.device == above.device and self.root == posixpath.join(above.root, below)


def _mount(folder: Path) -> tuple[str, str]:
    """Mount point and kind of the innermost mount that covers a resolved folder."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return "", ""
    best = _Mount("", "", "", "")
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split()
        root, place = (re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field) for field in fields[3:5])
        found = _Mount(place, after.split()[0], fields[2], root)
        # A later mount over the same place hides the earlier one.
        if found.covers(os.fspath(folder)) and len(place) >= len(best.place) and not found.repeats(best):
            best = found
    return best.place, best.kind
