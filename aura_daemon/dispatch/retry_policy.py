"""Decides what follows from a failure. In: failure, attempts, limits.

Out: retry, give back, step down, wait, or give up.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.ladder.attempts import (
    Attempt,
    RunConditions,
    Start,
    kind_when_killed,
    next_elsewhere,
    next_start,
)

OUT_OF_RUNGS: Final = (
    "Ask for fewer pixels; or end other programs that use memory, and `aura-daemon retry` the job; or let this "
    "machine, its service unit or its container have more memory. "
    "`aura-daemon doctor --plan WIDTHxHEIGHT` tells how much."
)
"""What a user can do about a job that fits on no rung, and the command that shows the numbers."""

TAKE_THE_WORKER: Final = (
    "Have the kernel take the worker alone: no `memory.oom.group` in the control group (`OOMPolicy=continue` in a unit "
    "of systemd), and its place on the ladder is all that a job loses."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """Queue the job again; the attempt counts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GiveBack:
    """Queue the job again as if it had not been tried: the attempt does not count."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepDown:
    """Queue the job again, to run in less memory or on another device; the attempt does not count."""

    start: Start
    device_name: str = ""
    """The model of device on which it starts so, where no rung is left on that of the attempt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitForModel:
    """Queue the job again, do not count the attempt, and leave jobs of its kind alone for a while."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitForMemory:
    """Queue the job again, do not count the attempt, and leave jobs of its demand alone for a while."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GiveUp:
    """The job has failed for good."""

    failure: Failure


Decision: TypeAlias = Retry | GiveBack | StepDown | WaitForModel | WaitForMemory | GiveUp


def decide(
    failure: Failure,
    *,
    kind: JobKind,
    tried: Sequence[Attempt],
    attempts: int,
    attempts_allowed: int,
    device_names: Collection[str] = (),
    may_wait: bool = False,
    is_stopping: bool = False,
) -> Decision:
    """The decision about a failure; `attempts` and `tried` include the attempt that failed.

    `device_names`: models of device that workers have, for what runs out of memory on that of the attempt.
    `is_stopping`: the daemon was told to stop, and whoever told it may have killed the worker too.
    `may_wait`: memory would suffice if other programs released theirs, and the time to wait is not used up.
    """
    match failure.kind:
        case FailureKind.MODEL_UNAVAILABLE:
            return WaitForModel()
        case FailureKind.OUT_OF_MEMORY if tried and tried[-1].rung is not None:
            start = next_start(tried, kind, tried[-1].device_name)
            if start is not None:
                return StepDown(start=start)
            if (elsewhere := next_elsewhere(tried, kind, device_names)) is not None:
                name, start = elsewhere
                return StepDown(start=start, device_name=name)
            return WaitForMemory() if may_wait else GiveUp(failure=_out_of_rungs(failure, tried))
        case FailureKind.OUT_OF_MEMORY:  # before a rung was chosen, so that a lower rung would not help
            return Retry() if attempts < attempts_allowed else GiveUp(failure=_out_of_rungs(failure, tried))
        case FailureKind.INTERRUPTED:
            return GiveBack()
        case FailureKind.CRASHED | FailureKind.DEADLINE:
            if is_stopping:
                return GiveBack()
            if attempts < attempts_allowed:
                return Retry()
            return GiveUp(failure=_quarantined(failure, attempts))
        case FailureKind.BAD_INPUT | FailureKind.UNEXPECTED | FailureKind.CANCELLED:
            return GiveUp(failure=failure)
        case _:  # pragma: no cover
            assert_never(failure.kind)


def killed_with_the_daemon(tried: RunConditions | None) -> Failure:
    """The failure of an attempt whose worker and daemon the kernel killed; it counts, or that could repeat for ever."""
    return Failure(
        kind=kind_when_killed(() if tried is None else (tried,)),
        message="the kernel's out-of-memory killer took the daemon together with its worker",
        mend=TAKE_THE_WORKER,
    )


def _quarantined(failure: Failure, attempts: int) -> Failure:
    """The failure with the number of attempts in its message."""
    return Failure(
        kind=failure.kind,
        message=f"{failure.message} ({attempts} attempts)",
        mend=failure.mend or "Move the file back into the inbox to try once more; the log tells how the worker ended.",
    )


def _out_of_rungs(failure: Failure, tried: Sequence[Attempt]) -> Failure:
    """The failure with the tried rungs in its message, and advice for the last rung."""
    rungs = [rung for name in dict.fromkeys(one.device_name for one in tried) for rung in _rungs_on(name, tried)]
    message = f"{failure.message} (tried: {', '.join(rungs)})" if len(rungs) > 1 else failure.message
    return Failure(kind=failure.kind, message=message, mend=OUT_OF_RUNGS)


def _rungs_on(device_name: str, tried: Sequence[Attempt]) -> list[str]:
    """The rungs that were tried on a model of device, with its name where there are several."""
    rungs = dict.fromkeys(one.rung for one in tried if one.device_name == device_name and one.rung is not None)
    is_one_of_several = len({one.device_name for one in tried if one.rung is not None}) > 1
    return [f"{rung} on {device_name}" if is_one_of_several and device_name else str(rung) for rung in rungs]
