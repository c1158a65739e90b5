"""What was tried for a job, and where the next attempt begins. In: attempts so far. Out: rung and batch, or the end.

Every attempt that ran out of memory is followed by one in less: alone on the device, then half the batch, then a rung
lower. Nothing is remembered beside the attempts themselves, so a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.results import EAGER, FailureKind
from aura_daemon.ladder.prediction import Extent
from aura_daemon.ladder.rungs import Backend, Rung, below, ladder


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConditions:
    """How a worker runs a job, or ran it."""

    device: str
    """`cpu`, `cuda:0`."""
    device_name: str
    dtype: str
    rung: Rung
    width: int
    """Pixels, of the last pass; 0 for a caption."""
    height: int
    batch: int
    alone: bool
    """No other model was loaded there."""
    guided: bool = True
    variant: str = EAGER
    expected_bytes: int = 0
    room_bytes: int = 0
    """What this process could take then, with what it had."""
    total_bytes: int = 0
    """What all programs can take together; 0: not known."""
    peak_bytes: int = 0
    """0 until it is known."""

    @property
    def extent(self) -> Extent:
        """How much is drawn at once."""
        return Extent(width=self.width, height=self.height, batch=self.batch, guided=self.guided)


@dataclass(frozen=True, kw_only=True, slots=True)
class StartedAttempt:
    """An attempt under way, as it is found by the next daemon where this one was killed in the middle of it."""

    boot: str
    """Which start of the machine it was: the count begins anew with every one."""
    kills: int
    """Processes that the kernel had killed for want of memory."""
    tried: RunConditions | None = None
    """None until a rung was chosen."""

    def was_killed(self, now: StartedAttempt | None) -> bool:
        """Whether the kernel has killed somebody for want of memory since. Only asked where the daemon is gone too."""
        return now is not None and now.boot == self.boot and now.kills > self.kills


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One that failed, as journal and sidecar keep it."""

    kind: FailureKind
    reason: str
    device: str = ""
    """Empty where the worker ended before it was known."""
    rung: Rung | None = None
    batch: int = 1
    alone: bool = True
    peak_bytes: int = 0
    """0: not known."""
    seconds: float = 0.0
    waited: bool = False
    """After it the job waited for memory: it says nothing of where to begin."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """Where an attempt begins; the worker may go lower where there is less room."""

    rung: Rung | None = None
    """None: at the top."""
    most: int | None = None
    """Pictures at once; None: as many as pay."""
    alone: bool = False
    """Other models are given up first, though there seems to be room beside them."""


TOP: Final = Start()


def next_start(attempts: Sequence[Attempt], kind: JobKind) -> Start | None:
    """After all that has failed so far; None where no rung is left.

    An attempt that ended before a rung was chosen says nothing about rungs; nor does one after which memory was waited
    for.
    """
    full = [
        one for one in attempts if one.kind is FailureKind.OUT_OF_MEMORY and one.rung is not None and not one.waited
    ]
    if not full:
        return TOP
    last = full[-1]
    assert last.rung is not None
    if not last.alone and not _was_asked_to_be_alone(full):
        return Start(rung=last.rung, most=last.batch, alone=True)
    if last.batch > 1:
        return Start(rung=last.rung, most=last.batch // 2, alone=True)
    lower = below(last.rung, ladder(_backend(last.device), kind))
    return Start(rung=lower, most=1, alone=True) if lower is not None else None


def attempt_of(tried: RunConditions | None, *, kind: FailureKind, reason: str, seconds: float) -> Attempt:
    """What is kept of an attempt that failed."""
    if tried is None:
        return Attempt(kind=kind, reason=reason, seconds=seconds)
    return Attempt(
        kind=kind,
        reason=reason,
        device=tried.device,
        rung=tried.rung,
        batch=tried.batch,
        alone=tried.alone,
        peak_bytes=tried.peak_bytes,
        seconds=seconds,
    )


def with_attempt(attempts: Sequence[Attempt], attempt: Attempt | None) -> tuple[Attempt, ...]:
    """One more: of those that were not made, because memory was waited for, the last one only."""
    if attempt is None:
        return tuple(attempts)
    if attempt.waited and attempt.rung is None:
        attempts = [one for one in attempts if not one.waited or one.rung is not None]
    return (*attempts, attempt)


def kind_when_killed(tried: Iterable[RunConditions]) -> FailureKind:
    """What a kill by the kernel for want of memory was: the host's is short, and no other rung of a GPU takes less."""
    return FailureKind.OUT_OF_MEMORY if all(one.device == "cpu" for one in tried) else FailureKind.CRASHED


def _was_asked_to_be_alone(full: Sequence[Attempt]) -> bool:
    """Whether the last attempt repeated the one before it."""
    return len(full) > 1 and (full[-1].rung, full[-1].batch) == (full[-2].rung, full[-2].batch)


def _backend(device: str) -> Backend:
    """`cuda:0` is CUDA."""
    return Backend(device.partition(":")[0])
