"""Is a folder of ours really there? A known folder bears our marker; one without it is a bare mount point.

Writing to a bare mount point hides the files as soon as the mount is back, and an empty inbox under it looks as if
everything had been taken away (Syncthing learned the same with `.stfolder`). The state folder, on a local disk, knows
which folders have been marked.
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Final

from loguru import logger

from aura_daemon import durable
from aura_daemon.core import names

MARKER: Final = f"{names.OWN_FOLDER}/marker"
KNOWN: Final = "known-folders.json"
"""In the state folder: the resolved paths of the folders that bear our marker."""

_TEXT: Final = b"aura-daemon works on this folder. While this file is missing it takes the folder for unmounted.\n"


class Presence:
    """One folder: there, or away and why."""

    def __init__(self, folder: Path, state: Path) -> None:
        self.folder = folder
        self._known = state / KNOWN
        self._temp = state / "tmp"
        self._marker = folder / MARKER
        self._is_marked = os.fspath(folder.resolve()) in self._read_known()

    def mark(self) -> None:
        """Marks a folder that is new to us, where it can be written to."""
        if self._is_marked or not durable.is_writable(self.folder):
            return
        try:
            if not self._marker.is_file():
                durable.write(self._marker, _TEXT, temp_folder=self._marker.parent / "tmp", replace=True)
            self._write_known([*self._read_known(), os.fspath(self.folder.resolve())])
        except OSError as error:
            logger.warning("{} cannot be marked as ours: {}", self.folder, error.strerror)
            return
        self._is_marked = True

    def absence(self) -> str:
        """Why nothing may be done there; empty where all is well."""
        if not self.folder.is_dir():
            return f"{self.folder} is away"
        if self._is_marked and not self._marker.is_file():
            return (
                f"{self.folder} lacks its marker {MARKER}: is it not mounted? If it is the right folder,"
                f" make that file (`mkdir -p {self._marker.parent} && touch {self._marker}`)"
            )
        return ""

    def require(self) -> None:
        """Raises OSError where the folder is away."""
        absence = self.absence()
        if absence:
            raise FileNotFoundError(errno.ENOENT, "it is away", os.fspath(self.folder))

    def _read_known(self) -> list[str]:
        try:
            found = json.loads(durable.read(self._known).content)
        except (OSError, ValueError):
            return []
        return [path for path in found if isinstance(path, str)] if isinstance(found, list) else []

    def _write_known(self, paths: list[str]) -> None:
        content = json.dumps(paths, indent=2).encode() + b"\n"  # escapes half characters of odd names
        durable.write(self._known, content, temp_folder=self._temp, replace=True)
