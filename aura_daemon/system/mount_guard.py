"""Is a folder of ours really there? A known folder that lacks our marker, and is not on the mount it was, is unmounted.

Writing to a bare mount point hides the files as soon as the mount is back, and an empty inbox under it looks as if
everything had been taken away (Syncthing learned the same with `.stfolder`). The state folder, on a local disk, knows
which folders have been marked and on which mount they lay: one that somebody made anew in the same place is a new one.
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Final

from loguru import logger

from aura_daemon import file_names
from aura_daemon.system import durable_files
from aura_daemon.system.filesystems import mount_of

MARKER: Final = f"{file_names.OWN_FOLDER}/marker"
KNOWN: Final = "known-folders.json"
"""In the state folder: the resolved paths of the folders that bear our marker, each with its mount point."""

_TEXT: Final = b"aura-daemon works on this folder. While this file is missing it takes the folder for unmounted.\n"


class MountGuard:
    """One folder: there, or away and why."""

    def __init__(self, folder: Path, state: Path) -> None:
        self.folder = folder
        self._known = state / KNOWN
        self._temp = state / "tmp"
        self._marker = folder / MARKER
        self._mount = self._read_known().get(self._resolved)
        """Where the file system was mounted on which it was marked; None for a folder that is new to us."""

    def mark(self) -> bool:
        """Marks a folder that is there, new to us and writable; True where it had to be marked."""
        mount = mount_of(self.folder)
        if self._marker.is_file() and self._mount == mount:
            return False
        if self.absence() or not durable_files.is_writable(self.folder):
            return False
        try:
            if not self._marker.is_file():
                durable_files.write(self._marker, _TEXT, temp_folder=self._marker.parent / "tmp", replace=True)
            self._write_known({**self._read_known(), self._resolved: mount})
        except OSError as error:
            logger.warning("{} cannot be marked as ours: {}", self.folder, error.strerror)
            return False
        self._mount = mount
        return True

    def lacks_marker(self) -> bool:
        """Whether somebody made the folder anew since it was marked."""
        return self._mount is not None and not self._marker.is_file()

    def absence(self) -> str:
        """Why nothing may be done there; empty where all is well."""
        if not self.folder.is_dir():
            return f"{self.folder} is away"
        if not self.lacks_marker() or mount_of(self.folder) == self._mount:
            return ""
        return (
            f"{self.folder} lacks its marker {MARKER}, and lies on another mount than before: is it not mounted?"
            f" If it is the right folder, make that file (`mkdir -p {self._marker.parent} && touch {self._marker}`)"
        )

    def require(self) -> None:
        """Raises OSError where the folder is away."""
        absence = self.absence()
        if absence:
            raise FileNotFoundError(errno.ENOENT, "it is away", os.fspath(self.folder))

    @property
    def _resolved(self) -> str:
        return os.fspath(self.folder.resolve())

    def _read_known(self) -> dict[str, str]:
        try:
            found = json.loads(durable_files.read(self._known).content)
        except (OSError, ValueError):
            return {}
        known = found if isinstance(found, dict) else {}
        return {path: mount for path, mount in known.items() if isinstance(mount, str)}

    def _write_known(self, known: dict[str, str]) -> None:
        content = json.dumps(known, indent=2).encode() + b"\n"  # escapes half characters of odd names
        durable_files.write(self._known, content, temp_folder=self._temp, replace=True)
