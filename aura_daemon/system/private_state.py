"""Who may look into the state folder, which holds every prompt: only its owner, whatever the umask. In: the folder.

Every file in it is 0600, every folder 0700. The folder itself is 0700 where it is the program's own: made by it, or
named and holding nothing else. A folder that others use too keeps its mode, and so does one that the service manager
made, whose unit says who may enter (systemd's StateDirectoryMode).
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

FOLDERS: Final = ("copying", "inputs", "tmp", "work", "workers")
"""The folders in a state folder: files are made and removed in each."""

OURS: Final = (
    "answer-*.sock",
    "control.sock",
    "health.json",
    "journal.sqlite3*",
    "known-folders.json",
    "lock",
    *FOLDERS,
)
"""Globs of everything that the program puts into its state folder."""


def make(folder: Path) -> None:
    """Makes the state folder, and those above it that are missing, for their owner alone; raises OSError."""
    try:
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    except FileNotFoundError:
        make(folder.parent)
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def tighten(folder: Path, *, is_managed: bool) -> None:
    """Takes from everybody else what an earlier release or another umask gave them; `is_managed`: not the folder.

    Nothing is changed where this user may not, or on a file system without modes.
    """
    places = list(folder.iterdir())
    ours = [place for place in places if any(fnmatch(place.name, glob) for glob in OURS)]
    for place in ours:
        _tighten(place)
    if not is_managed and len(ours) == len(places):
        _tighten(folder)


def shut(*folders: Path) -> None:
    """Takes from everybody else folders of ours in inbox and outbox that only this program looks into.

    What lies in them for a moment comes from folders that may be closed to others. Missing ones stay missing.
    """
    for folder in folders:
        _tighten(folder)


def is_everybodys(status: os.stat_result) -> bool:
    """Whether every user of the machine can read a file; on Windows modes say nothing of that."""
    return sys.platform != "win32" and bool(status.st_mode & stat.S_IROTH)


def _tighten(place: Path) -> None:
    with suppress(OSError):
        mode = place.lstat().st_mode
        if mode & _OTHERS and not stat.S_ISLNK(mode):
            try:
                place.chmod(stat.S_IMODE(mode) & ~_OTHERS)
            except PermissionError:  # systemd's RestrictSUIDSGID: no mode with the setgid bit can be set
                place.chmod(stat.S_IMODE(mode) & ~_OTHERS & ~stat.S_ISGID)
