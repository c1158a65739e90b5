"""The file system of a folder, and whether other machines change it without events. In: a folder. Out: its mount."""

from __future__ import annotations

import os
import re
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
