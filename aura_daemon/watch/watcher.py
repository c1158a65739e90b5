"""Inbox -> sightings. Events only wake and name; the truth is `scandir` and `lstat`, and one scan now and then.

`Watcher.look` lstats what events named since the last look and, when a scan is due or events may have been lost,
everything there is. Where no events are to be had the folder is polled; events that end are tried for again with
backoff. Hidden names, and `failed/` at the top, are not looked into.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loguru import logger

from aura_daemon import file_names
from aura_daemon.backoff import backoff_s
from aura_daemon.watch.events import Events, EventsUnavailable, listen
from aura_daemon.watch.file_stamp import FileStamp

REBUILD_FIRST_S: Final = 1.0
REBUILD_AT_MOST_S: Final = 300.0
"""How long after events ended they are tried for again: doubling in between."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """What stands under a name now."""

    path: str
    """Below the inbox, `/` between folders."""
    stamp: FileStamp
    is_regular: bool
    came_whole: bool = False
    """Renamed to this name: no writer makes it under our eyes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What one look brings: sightings (read once), and the names that are not there any more."""

    seen: Iterable[Sighting]
    gone: tuple[str, ...]
    complete: bool
    """Everything is looked at: a name not in `seen` does not exist."""


class Watcher:
    """Watches a folder tree. `start`, then `look` whenever one of `waitables` is readable or a scan is due."""

    def __init__(self, root: Path, *, scan_interval_s: float, poll_interval_s: float = 5.0) -> None:
        self._root = root.resolve()  # a root that is a link gives no events, and no error
        self._scan_interval_s = scan_interval_s
        self._poll_interval_s = min(poll_interval_s, scan_interval_s)
        self._scan_due_s: float | None = None
        self._rebuild_due_s: float | None = None
        self._failures = 0
        self._identity: tuple[int, int] | None = None
        self._events: Events | None = None
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        self.polls_because = ""
        """Why the folder is polled; empty where events tell what happens."""
        self.losses = 0
        """How often events were lost or ended, and everything was looked at again."""

    def waitables(self) -> tuple[int, ...]:
        """Descriptors that are readable when there is something to look at."""
        return (self._wake_reader, *((self._events.descriptor,) if self._events is not None else ()))

    def start(self) -> None:
        """Begins to listen; where the system gives no events the scan does the work, and the log says so."""
        self._identity = self._identify()
        try:
            self._events = listen(self._root)
        except EventsUnavailable as deaf:
            if self.polls_because != str(deaf):
                logger.warning("no file events for {}: {}; looking every {:g} s", self._root, deaf, self.interval_s)
            self.polls_because = str(deaf)
            return
        self._failures = 0
        if self.polls_because:
            logger.info("file events for {} again", self._root)
        self.polls_because = ""

    def stop(self) -> None:
        """Stops listening."""
        self._silence()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def restart(self) -> None:
        """Listens anew, to a folder that was away and is back, and looks at everything."""
        self._silence()
        self.start()
        self._scan_due_s = None

    def scan_soon(self) -> None:
        """Makes the next look a complete one."""
        self._scan_due_s = None

    def wake(self) -> None:
        """Makes a waitable readable; safe in a signal handler."""
        with contextlib.suppress(BlockingIOError, OSError):  # full: it is readable already; closed: nobody waits
            os.write(self._wake_writer, b"!")

    @property
    def interval_s(self) -> float:
        """How often everything is looked at."""
        return self._scan_interval_s if self._events is not None else self._poll_interval_s

    def scan_due_s(self) -> float | None:
        """When the next scan of everything is due, on `look`'s clock; None before the first."""
        return self._scan_due_s

    def look(self, now: float, pending: Iterable[str]) -> Observation:
        """What lies there: everything where a scan is due, else what events named, and `pending`."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_reader, 4096):
                pass
        named = self._hear(now)
        if self._scan_due_s is None or now >= self._scan_due_s:
            self._check(now)
            self._scan_due_s = now + self.interval_s
            return Observation(seen=self._walk(""), gone=(), complete=True)
        return self._look_at({**dict.fromkeys(pending, False), **named})

    # -- listening -------------------------------------------------------------------------------------------------

    def _hear(self, now: float) -> dict[str, bool]:
        """What events named; lost or ended ones make a scan due."""
        if self._events is None:
            return {}
        heard = self._events.hear()
        if heard.ended:
            self._lose(now, heard.ended)
        elif heard.lost:
            self.losses += 1
            self._scan_due_s = None
            logger.warning("file events were lost: everything is looked at again")
        return heard.named

    def _check(self, now: float) -> None:
        """Before a scan: is this still the folder we listen to, and is it time to try for events once more?"""
        identity = self._identify()
        if self._events is not None and identity != self._identity:
            self._lose(now, "another folder stands under its name")
        if self._events is None and self._rebuild_due_s is not None and now >= self._rebuild_due_s:
            self._rebuild_due_s = now + self._backoff_s()
            self.start()

    def _lose(self, now: float, reason: str) -> None:
        """Events have ended: poll, and try for new ones soon."""
        self._silence()
        self.losses += 1
        self.polls_because = reason
        self._rebuild_due_s = now + self._backoff_s()
        self._scan_due_s = None
        logger.warning("file events for {} ended: {}; looking every {:g} s", self._root, reason, self.interval_s)

    def _backoff_s(self) -> float:
        self._failures += 1
        return backoff_s(self._failures, first_s=REBUILD_FIRST_S, most_s=REBUILD_AT_MOST_S)

    def _silence(self) -> None:
        if self._events is not None:
            self._events.close()
            self._events = None

    def _identify(self) -> tuple[int, int] | None:
        try:
            status = self._root.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    # -- looking ---------------------------------------------------------------------------------------------------

    def _look_at(self, wanted: dict[str, bool]) -> Observation:
        seen: dict[str, Sighting] = {}
        gone: list[str] = []
        for name, came_whole in wanted.items():
            if file_names.is_out_of_bounds(name):
                continue
            parent = (self._root / name).parent
            if os.path.realpath(parent) != os.fspath(parent):  # its folder has become a link
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
        """Every file below a folder; folders that vanish or cannot be read are passed over, and said once a scan."""
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
                logger.warning("cannot look into {}: {}", file_names.escaped(str(self._root / current)), error.strerror)


def _sighting(name: str, status: os.stat_result, *, came_whole: bool) -> Sighting:
    return Sighting(
        path=name, stamp=FileStamp.of(status), is_regular=stat.S_ISREG(status.st_mode), came_whole=came_whole
    )
