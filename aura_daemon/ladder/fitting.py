"""Chooses the first rung that fits in free memory. In: rungs, the need of each, room. Out: rung and batch, or no room.

Before a lower rung is chosen, other models are unloaded and the batch is halved: both cost less time than a lower rung.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aura_daemon.ladder.rungs import RUNGS, Rung


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryRoom:
    """Bytes that this process may hold in all, with what it already holds."""

    device_bytes: int
    """Memory of the GPU; 0 without one."""
    host_bytes: int
    device_others_bytes: int = 0
    """The part of `device_bytes` that is held by models which this job does not need."""
    host_others_bytes: int = 0
    """The same part of `host_bytes`."""

    def for_rung(self, rung: Rung, *, alone: bool = False) -> int:
        """Room in the memory that a rung computes in; `alone`: once the other models are unloaded."""
        if RUNGS[rung].on_cpu:
            return self.host_bytes - (0 if alone else self.host_others_bytes)
        return self.device_bytes - (0 if alone else self.device_others_bytes)


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryNeed:
    """Bytes that a rung takes: in the memory it computes in and, for rungs of the GPU, in host memory too."""

    bytes: int
    host_bytes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class RungChoice:
    """A rung, and the size of a batch that fits on it."""

    rung: Rung
    batch: int
    need: MemoryNeed
    alone: bool
    """Whether it fits only once the other models are unloaded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoRoom:
    """No rung has room."""

    rung: Rung
    """The last rung."""
    need: MemoryNeed
    """The need of a single picture on that rung."""


def choose(
    rungs: Sequence[Rung], need: Callable[[Rung, int], MemoryNeed], room: MemoryRoom, *, batch: int
) -> RungChoice | NoRoom:
    """The first rung that fits; `need` gives the need of a rung with a batch. Raises ValueError for an empty ladder."""
    if not rungs:
        raise ValueError("a ladder without rungs")
    for rung in rungs:
        pictures = batch
        while pictures:
            needed = need(rung, pictures)
            for alone in (False, True):
                if fits(rung, needed, room, alone=alone):
                    return RungChoice(rung=rung, batch=pictures, need=needed, alone=alone)
            pictures //= 2
    return NoRoom(rung=rungs[-1], need=need(rungs[-1], 1))


def fits(rung: Rung, need: MemoryNeed, room: MemoryRoom, *, alone: bool) -> bool:
    """Whether a need fits into the room; `alone`: once the other models are unloaded."""
    if need.bytes > room.for_rung(rung, alone=alone):
        return False
    return RUNGS[rung].on_cpu or need.host_bytes <= room.host_bytes - (0 if alone else room.host_others_bytes)
