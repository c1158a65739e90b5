"""Which files lie in the inbox. In: a folder. Out: sightings of its files, and the names that have gone.

Events only wake the daemon and name paths; what is true comes from `scandir` and `lstat`. `Watcher.look` examines the
paths that events named since the last look, or every file where a scan is due or events may have been lost. A folder
without events is polled; where events end, the watcher tries with backoff to get them again. Hidden names, and
`failed/` at the top, are not looked into.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loguru import logger

from aura_daemon import file_names
from aura_daemon.backoff import Backoff
from aura_daemon.system.files import regular_files
from aura_daemon.system.permissions import why_denied
from aura_daemon.system.watching.events import Events, EventsUnavailable
from aura_daemon.system.watching.listening import listen
from aura_daemon.watch.file_stamp import FileStamp

RELISTEN_FIRST_S: Final = 1.0
RELISTEN_AT_MOST_S: Final = 300.0
"""How long after events ended the watcher tries to get them again: the time doubles in between."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """What lies under a name now."""

    path: str
    """Below the inbox, `/` between folders."""
    stamp: FileStamp
    is_regular: bool
    came_whole: bool = False
    """The file was renamed to this name, so that no writer is making it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What one look found: sightings (to be read once), and the names that are not there any more."""

    seen: Iterable[Sighting]
    gone: tuple[str, ...]
    complete: bool
    """Every file was looked at: a name that is not in `seen` does not exist."""


class Watcher:
    """Watches a folder tree. `start`, then `look` whenever one of `waitables` is readable or a scan is due."""

    def __init__(
        self, root: Path, *, scan_interval_s: float, poll_interval_s: float, listen: Callable[[Path], Events] = listen
    ) -> None:
        """`poll_interval_s` counts in place of `scan_interval_s` where `listen` raises EventsUnavailable."""
        self._root = root.resolve()  # a root that is a link gives no events, and no error
        self._scan_interval_s = scan_interval_s
        self._poll_interval_s = min(poll_interval_s, scan_interval_s)
        self._scan_due_s: float | None = None
        self._listen = listen
        self._backoff = Backoff(first_s=RELISTEN_FIRST_S, most_s=RELISTEN_AT_MOST_S)
        self._identity: tuple[int, int] | None = None
        self._events: Events | None = None
        self.polls_because = ""
        """Why the folder is polled; empty where events tell what happens."""
        self.losses = 0
        """How often events were lost or ended, and everything was looked at again."""

    def waitables(self) -> tuple[int, ...]:
        """Descriptors that are readable when there is something to look at."""
        return (self._events.descriptor,) if self._events is not None else ()

    def start(self) -> None:
        """Begins to listen; where the system gives no events, scans find the files, and the log says so."""
        self._identity = self._identify()
        try:
            self._events = self._listen(self._root)
        except EventsUnavailable as error:
            if self.polls_because != str(error):
                logger.warning("no file events for {}: {}; looking every {:g} s", self._root, error, self.interval_s)
            self.polls_because = str(error)
            return
        self._backoff.succeeded()
        if self.polls_because:
            logger.info("file events for {} again", self._root)
        self.polls_because = ""

    def stop(self) -> None:
        """Stops listening."""
        if self._events is not None:
            self._events.close()
            self._events = None

    def restart(self) -> None:
        """Listens anew to a folder that was away and is back; the next look is a complete one."""
        self.stop()
        self.start()
        if self._events is None:
            self._backoff.failed(time.monotonic())
        self._scan_due_s = None

    def scan_soon(self) -> None:
        """Makes the next look a complete one."""
        self._scan_due_s = None

    @property
    def interval_s(self) -> float:
        """How often every file is looked at."""
        return self._scan_interval_s if self._events is not None else self._poll_interval_s

    def scan_due_s(self) -> float | None:
        """When the next scan is due, on the clock of `look`; None before the first."""
        return self._scan_due_s

    def look(self, now: float, pending: Iterable[str]) -> Observation:
        """Looks at every file where a scan is due, else at `pending` and what events named; `now`: monotonic s."""
        named, pending = self._hear(now), tuple(pending)
        if self._events is None:
            self._ask_of(pending)
        if self._scan_due_s is None or now >= self._scan_due_s:
            self._check_events(now)
            self._scan_due_s = now + self.interval_s
            return Observation(seen=self._walk(""), gone=(), complete=True)
        return self._look_at({**dict.fromkeys(pending, False), **named})

    def _ask_of(self, names: Iterable[str]) -> None:
        """What is told of these files from here on is how their server has them now."""
        for name in names:
            with contextlib.suppress(OSError):
                regular_files.asked_status(self._root / name, below=self._root)

    def _hear(self, now: float) -> dict[str, bool]:
        """The paths that events named; events that were lost or ended make a scan due."""
        if self._events is None:
            return {}
        heard = self._events.hear()
        if heard.ended:
            self._lose_events(now, heard.ended)
        elif heard.lost:
            self.losses += 1
            self._scan_due_s = None
            logger.warning("file events were lost: everything is looked at again")
        return heard.named

    def _check_events(self, now: float) -> None:
        """Before a scan: is this still the folder we listen to, and is it time to try once more to get events?"""
        identity = self._identify()
        if self._events is not None and identity != self._identity:
            self._lose_events(now, "another folder stands under its name")
        if self._events is None and self._backoff.is_due(now):
            self._backoff.failed(now)  # until `start` succeeds
            self.start()

    def _lose_events(self, now: float, reason: str) -> None:
        """Events have ended: the folder is polled, and the watcher tries soon to get events again."""
        self.stop()
        self.losses += 1
        self.polls_because = reason
        self._backoff.failed(now)
        self._scan_due_s = None
        logger.warning("file events for {} ended: {}; looking every {:g} s", self._root, reason, self.interval_s)

    def _identify(self) -> tuple[int, int] | None:
        try:
            status = self._root.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _look_at(self, names: dict[str, bool]) -> Observation:
        """What lies under some names. `names`: path below the inbox -> whether it came by a rename."""
        seen: dict[str, Sighting] = {}
        gone: list[str] = []
        strayed: dict[str, bool] = {}
        """Folder -> whether it has become a link."""
        for name, came_whole in names.items():
            if file_names.is_out_of_bounds(name):
                continue
            parent = f"{self._root}/{name}".rpartition("/")[0]
            if parent not in strayed:
                strayed[parent] = os.path.realpath(parent) != parent
            if strayed[parent]:
                gone.append(name)
                continue
            try:
                status = (self._root / name).lstat()
            except OSError:
                gone.append(name)
                continue
            if stat.S_ISDIR(status.st_mode):
                seen.update((sighting.path, sighting) for sighting in self._walk(name, came_whole=came_whole))
            else:
                seen[name] = _sighting(name, status, came_whole=came_whole)
        return Observation(seen=seen.values(), gone=tuple(gone), complete=False)

    def _walk(self, folder: str, *, came_whole: bool = False) -> Iterator[Sighting]:
        """Every file below a folder; those that vanish or cannot be read are left out, the latter with a warning."""
        folders = [folder]
        while folders:
            current = folders.pop()
            try:
                with os.scandir(self._root / current) as entries:
                    for entry in entries:
                        name = f"{current}/{entry.name}" if current else entry.name
                        if file_names.is_out_of_bounds(name):
                            continue
                        with contextlib.suppress(FileNotFoundError):
                            if entry.is_dir(follow_symlinks=False):
                                folders.append(name)
                            else:
                                yield _sighting(name, entry.stat(follow_symlinks=False), came_whole=came_whole)
            except FileNotFoundError:
                continue
            except OSError as error:
                place = self._root / current
                logger.warning("cannot look into {}: {}", file_names.escaped(str(place)), why_denied(error, place))


def _sighting(name: str, status: os.stat_result, *, came_whole: bool) -> Sighting:
    is_regular = stat.S_ISREG(status.st_mode)
    return Sighting(path=name, stamp=FileStamp.of(status), is_regular=is_regular, came_whole=came_whole)
