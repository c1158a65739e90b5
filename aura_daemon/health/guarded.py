"""Keeps a fault in an extension away from files and jobs: it is told, and the extension rests for a while.

In: an extension. Out: the same, which never raises. What an extension expects to go wrong (a full disk) it handles
itself; this is for what nobody expected, and a daemon that ends, starts and ends again would be worse.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from loguru import logger

from aura_daemon import file_names
from aura_daemon.errors import JournalRefused
from aura_daemon.health.holdups import Holdups
from aura_daemon.health.listener import Awaited, Event, Extension

_MEND = "Jobs go on without it. This is a mistake of the program or damage on the disk: report it with the log."


class Guarded:
    """An extension that cannot harm the daemon. Implements `Extension` and `Awaited`."""

    def __init__(self, extension: Extension, holdups: Holdups, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.extension = extension
        self._holdups = holdups
        self._clock = clock
        self._what = type(extension).__name__
        """Its name as a hold-up."""

    def on_event(self, event: Event) -> None:
        """Passes it on, even while it rests: what is missed never comes again."""
        with self._told():
            self.extension.on_event(event)

    def waitables(self) -> Sequence[int]:
        """None while it rests: a descriptor that nobody reads would make the loop spin."""
        if not self._rests():
            with self._told():
                return self.extension.waitables()
        return ()

    def due_in_s(self) -> float | None:
        """While it rests, the hold-up makes the loop turn."""
        if not self._rests():
            with self._told():
                return self.extension.due_in_s()
        return None

    def work(self) -> None:
        """Does what is due, unless it rests."""
        if self._rests():
            return
        with self._told():
            self.extension.work()
            if self._holdups.clear(self._what):
                logger.info("{} works again", self._what)

    def finishes(self) -> bool:
        """Whether a drain need not wait; for one that rests, it does not. Raises JournalRefused."""
        if isinstance(self.extension, Awaited) and not self._rests():
            with self._told(JournalRefused):
                return self.extension.finishes()
        return True

    def close(self) -> None:
        """Ends it."""
        with self._told():
            self.extension.close()

    def _rests(self) -> bool:
        return self._holdups.is_held(self._what, self._clock())

    @contextmanager
    def _told(self, *passed: type[Exception]) -> Iterator[None]:
        try:
            yield
        except passed:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, no job pays for it
            is_first = not self._holdups.has_failed(self._what)
            reason = file_names.escaped(f"{self._what} has failed: {type(error).__name__}: {error}")
            wait_s = self._holdups.fail(self._what, reason=reason, mend=_MEND, now=self._clock())
            told = logger.opt(exception=error) if is_first else logger
            told.error("{}; tried again in {:g} s. {}", reason, wait_s, _MEND)
