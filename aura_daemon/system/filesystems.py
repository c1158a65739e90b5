"""Which file system a folder lies on, and whether other machines change it unseen. In: a folder. Out: its mount."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

NETWORKED: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "virtiofs", "davfs", "vboxsf"}
)
"""File systems whose changes from elsewhere cause no events here; `fuse` and `fuse.…` are added to them."""


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
