"""The first rung that fits in what is free now. In: rungs, what each takes, room. Out: a rung and a batch, or no room.

Before a rung is left, other models are given up and the batch is halved: both cost less than a step down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aura_daemon.ladder.rungs import RUNGS, Rung


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryRoom:
    """Bytes that this process may take in all, with what it has already."""

    device_bytes: int
    """Of the GPU; 0 without one."""
    host_bytes: int
    device_others_bytes: int = 0
    """Of that, what models take that this job does not need."""
    host_others_bytes: int = 0

    def for_rung(self, rung: Rung, *, alone: bool = False) -> int:
        """Of the memory that a rung computes in, beside the other models or once they are gone."""
        if RUNGS[rung].on_cpu:
            return self.host_bytes - (0 if alone else self.host_others_bytes)
        return self.device_bytes - (0 if alone else self.device_others_bytes)


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryNeed:
    """Bytes that a rung takes: of the memory it computes in, and on the GPU's rungs of the host's besides."""

    bytes: int
    host_bytes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class RungChoice:
    """A rung on which a batch of so many pictures fits."""

    rung: Rung
    batch: int
    need: MemoryNeed
    alone: bool
    """Only once the other models are given up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoRoom:
    """It fits on none."""

    rung: Rung
    """The last one."""
    need: MemoryNeed
    """On that one, of a single picture."""


def choose(
    rungs: Sequence[Rung], need: Callable[[Rung, int], MemoryNeed], room: MemoryRoom, *, batch: int
) -> RungChoice | NoRoom:
    """The first that fits; `need` says what a rung takes with a batch. Raises ValueError for no rungs at all."""
    if not rungs:
        raise ValueError("a ladder without rungs")
    for rung in rungs:
        pictures = batch
        while pictures:
            wanted = need(rung, pictures)
            for alone in (False, True):
                if fits(rung, wanted, room, alone=alone):
                    return RungChoice(rung=rung, batch=pictures, need=wanted, alone=alone)
            pictures //= 2
    return NoRoom(rung=rungs[-1], need=need(rungs[-1], 1))


def fits(rung: Rung, need: MemoryNeed, room: MemoryRoom, *, alone: bool) -> bool:
    """Whether there is room, beside the other models or once they are gone."""
    if need.bytes > room.for_rung(rung, alone=alone):
        return False
    return RUNGS[rung].on_cpu or need.host_bytes <= room.host_bytes - (0 if alone else room.host_others_bytes)
