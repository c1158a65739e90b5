"""What was tried for a job, and where its next attempt starts. In: attempts so far. Out: rung and batch, or the end.

After an attempt that ran out of memory the next one takes less: first alone on the device, then with half the batch,
then a rung lower. An attempt counts on the model of device that it was made on: a larger card begins at the top. The
attempts are all that is remembered, so a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.results import EAGER, FailureKind
from aura_daemon.ladder.prediction import Extent
from aura_daemon.ladder.rungs import Backend, Rung, below, ladder


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConditions:
    """The conditions under which a worker runs a job, or ran it."""

    device: str
    """As torch names it: `cpu`, `cuda:0`."""
    device_name: str
    dtype: str
    rung: Rung
    width: int
    """As of an `Extent`: pixels of the last pass, or captions of each image where several are written."""
    height: int
    batch: int
    alone: bool
    """Whether no other model was loaded on the device."""
    guided: bool = True
    variant: str = EAGER
    expected_bytes: int = 0
    room_bytes: int = 0
    """Memory that this process could hold then, with what it already held."""
    total_bytes: int = 0
    """Memory that all programs can hold together; 0: not known."""
    peak_bytes: int = 0
    """Highest memory; 0 until it is known."""

    @property
    def extent(self) -> Extent:
        """How much is drawn at once."""
        return Extent(width=self.width, height=self.height, batch=self.batch, guided=self.guided)


@dataclass(frozen=True, kw_only=True, slots=True)
class StartedAttempt:
    """An attempt under way, recorded for the next daemon in case this one is killed during it."""

    boot: str
    """Identifies the start of the machine: the kernel counts from 0 after each."""
    kills: int
    """Processes that the kernel had killed until then because memory ran out."""
    tried: RunConditions | None = None
    """None until a rung was chosen."""
    device_name: str = ""
    """As of an `Attempt`."""

    def was_killed(self, now: StartedAttempt | None) -> bool:
        """Whether the kernel killed a process since because memory ran out; asked only where the daemon ended too."""
        return now is not None and now.boot == self.boot and now.kills > self.kills


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """A failed attempt, as journal and sidecar keep it."""

    kind: FailureKind
    reason: str
    device: str = ""
    """Empty where the worker ended before the device was known."""
    device_name: str = ""
    """The model of the worker's device, of its card where it has one, whatever a rung computed on; empty: not known."""
    rung: Rung | None = None
    batch: int = 1
    alone: bool = True
    peak_bytes: int = 0
    """Highest memory; 0: not known."""
    seconds: float = 0.0
    waited: bool = False
    """Whether the job waited for memory afterwards: then this attempt does not decide where the next one starts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """Where an attempt starts; the worker goes lower where there is less room."""

    rung: Rung | None = None
    """None: the first rung of the ladder."""
    most: int | None = None
    """Most pictures in a batch; None: as many as make it faster."""
    alone: bool = False
    """Whether other models are unloaded first, even where there seems to be room beside them."""


TOP: Final = Start()


def next_start(attempts: Sequence[Attempt], kind: JobKind, device_name: str = "") -> Start | None:
    """Where the attempt after all failed ones starts on a model of device; None where no rung is left there.

    Attempts that ended before a rung was chosen, or after which the job waited for memory, do not count, nor those on
    other models of device. Where the model, or that of an attempt, is not known (empty), the attempt counts. A job that
    took its worker with it, maybe, goes by itself from then on: it takes no other with it.
    """
    start = _next_rung([one for one in attempts if not device_name or one.device_name in ("", device_name)], kind)
    is_suspect = any(one.kind in (FailureKind.CRASHED, FailureKind.DEADLINE) for one in attempts)
    return replace(start, most=1) if start is not None and is_suspect else start


def _next_rung(attempts: Sequence[Attempt], kind: JobKind) -> Start | None:
    full = [
        one for one in attempts if one.kind is FailureKind.OUT_OF_MEMORY and one.rung is not None and not one.waited
    ]
    if not full:
        return TOP
    last = full[-1]
    assert last.rung is not None
    # A repetition was started alone on the device, whatever its record says.
    is_repetition = len(full) > 1 and (last.rung, last.batch) == (full[-2].rung, full[-2].batch)
    if not last.alone and not is_repetition:
        return Start(rung=last.rung, most=last.batch, alone=True)
    if last.batch > 1:
        return Start(rung=last.rung, most=last.batch // 2, alone=True)
    lower = below(last.rung, ladder(Backend(last.device.partition(":")[0]), kind))  # `cuda:0` is CUDA
    return Start(rung=lower, most=1, alone=True) if lower is not None else None


def next_elsewhere(
    attempts: Sequence[Attempt], kind: JobKind, device_names: Collection[str]
) -> tuple[str, Start] | None:
    """The first of several models of device on which a rung is left, and where it starts; None where none is."""
    starts = ((name, next_start(attempts, kind, name)) for name in device_names)
    return next(((name, start) for name, start in starts if start is not None), None)


def attempt_of(
    conditions: RunConditions | None, *, kind: FailureKind, reason: str, seconds: float, device_name: str = ""
) -> Attempt:
    """The record of a failed attempt; `conditions` are None where the worker ended before a rung was chosen."""
    if conditions is None:
        return Attempt(kind=kind, reason=reason, device_name=device_name, seconds=seconds)
    return Attempt(
        kind=kind,
        reason=reason,
        device=conditions.device,
        device_name=device_name,
        rung=conditions.rung,
        batch=conditions.batch,
        alone=conditions.alone,
        peak_bytes=conditions.peak_bytes,
        seconds=seconds,
    )


def with_attempt(attempts: Sequence[Attempt], attempt: Attempt | None) -> tuple[Attempt, ...]:
    """The attempts with one more; of those never made, because the job waited for memory, only the last is kept."""
    if attempt is None:
        return tuple(attempts)
    if attempt.waited and attempt.rung is None:
        attempts = [one for one in attempts if not one.waited or one.rung is not None]
    return (*attempts, attempt)


def kind_when_killed(conditions: Iterable[RunConditions]) -> FailureKind:
    """The failure when the kernel killed a worker for lack of host memory; on a GPU a crash: no rung takes less."""
    return FailureKind.OUT_OF_MEMORY if all(one.device == "cpu" for one in conditions) else FailureKind.CRASHED
