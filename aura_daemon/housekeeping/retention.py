"""Deletes what is older than the configuration keeps, or more: an extension of the daemon's loop. Results never go.

A sweep comes soon after the start and then every hour, in slices of some milliseconds between which files are taken and
jobs run. One that finds a folder unmounted is made up for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from loguru import logger

from aura_daemon.system.mount_guard import MountGuard

INTERVAL_S: Final = 3600.0
FIRST_S: Final = 10.0
"""After the start of a daemon that goes on."""

ABSENT_S: Final = 60.0
"""Until a sweep is tried again that found a folder unmounted."""

SLICE_S: Final = 0.02
PAUSE_S: Final = 0.02
"""Between two slices: the sweep takes no more than half of the loop's time."""


class Sweep(Protocol):
    """Something to go through once."""

    deleted: int

    def steps(self) -> Iterator[None]:
        """Does the work in small steps; raises OSError where that is impossible."""

    def told(self) -> str:
        """What went, in words."""


@dataclass(kw_only=True, slots=True, eq=False)
class Retention:
    """The retention of one daemon."""

    sweeps: Callable[[], Sequence[tuple[str, Sweep]]]
    """Makes the sweeps of one round, each with the name of what it goes through."""
    guards: Sequence[MountGuard]
    """Of inbox and outbox: in a folder that is not mounted, every file seems to be gone."""
    drain: bool
    """The daemon ends as soon as nothing is left to do: it sweeps once, then."""
    clock: Callable[[], float] = time.monotonic
    _due_s: float = field(init=False)
    _left: list[tuple[str, Sweep]] = field(init=False, default_factory=list)
    _steps: Iterator[None] | None = field(init=False, default=None)
    """Of the first of those that are left."""

    def __post_init__(self) -> None:
        self._due_s = self.clock() + FIRST_S if not self.drain else float("inf")

    def finishes(self) -> bool:
        """Has a drain sweep once, when all else is done; whether that is over."""
        if self._due_s == float("inf"):
            self._due_s = self.clock()
        return not self._left and (self.clock() < self._due_s or bool(self._absence()))

    def on_event(self, event: object) -> None:
        """Nothing: only time makes things old."""

    def waitables(self) -> tuple[int, ...]:
        """None."""
        return ()

    def due_in_s(self) -> float | None:
        """Seconds until the next slice or sweep."""
        if self._left:
            return PAUSE_S
        return max(0.0, self._due_s - self.clock()) if self._due_s < float("inf") else None

    def work(self) -> None:
        """Does a slice of the sweep that is under way, or begins the one that is due."""
        now_s = self.clock()
        if not self._left:
            if now_s < self._due_s:
                return
            if self._absence():
                self._due_s = now_s + ABSENT_S
                return
            self._due_s = now_s + INTERVAL_S
            self._left = list(self.sweeps())
        while self._left and self.clock() < now_s + SLICE_S:
            self._step()

    def close(self) -> None:
        """Ends a sweep in the middle; the next daemon begins anew."""
        self._left.clear()
        self._steps = None

    def _step(self) -> None:
        name, sweep = self._left[0]
        self._steps = self._steps if self._steps is not None else sweep.steps()
        try:
            next(self._steps)
            return
        except StopIteration:
            if sweep.deleted:
                logger.info("retention: {}: {}", name, sweep.told())
        except OSError as error:
            logger.warning("retention: {} cannot be gone through: {}", name, error.strerror or error)
        self._steps = None
        del self._left[0]

    def _absence(self) -> str:
        return next((absence for guard in self.guards if (absence := guard.absence())), "")
