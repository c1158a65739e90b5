"""What a failure means for its job. In: failure, attempts, limits. Out: retry, wait for the model, or give up.

Until the ladder is built there is one rung, so out of memory gives up, with the figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from aura_daemon.core.job import Failure, FailureKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """Queue the job again; the attempt counts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitForModel:
    """Queue the job again, do not count the attempt, and leave jobs of its kind alone for a while."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GiveUp:
    """The job has failed for good."""

    failure: Failure


Decision: TypeAlias = Retry | WaitForModel | GiveUp


def decide(failure: Failure, *, attempts: int, attempts_allowed: int) -> Decision:
    """The one thing to do about a failure; `attempts` includes the one that failed."""
    match failure.kind:
        case FailureKind.MODEL_UNAVAILABLE:
            return WaitForModel()
        case FailureKind.CRASHED | FailureKind.DEADLINE:
            if attempts < attempts_allowed:
                return Retry()
            return GiveUp(failure=_quarantined(failure, attempts))
        case FailureKind.BAD_INPUT | FailureKind.OUT_OF_MEMORY | FailureKind.UNEXPECTED | FailureKind.CANCELLED:
            return GiveUp(failure=failure)
        case _:  # pragma: no cover
            assert_never(failure.kind)


def backoff_s(failures_in_a_row: int, *, first_s: float, most_s: float) -> float:
    """Seconds to leave something alone after it failed for the n-th time in a row: doubling, bounded."""
    if failures_in_a_row < 1:
        raise ValueError("there is nothing to wait for before the first failure")
    doublings = min(failures_in_a_row - 1, 62)
    return float(min(first_s * 2**doublings, most_s))


def _quarantined(failure: Failure, attempts: int) -> Failure:
    """The failure, saying how often it happened."""
    return Failure(
        kind=failure.kind,
        message=f"{failure.message} ({attempts} attempts)",
        mend=failure.mend or "Move the file back into the inbox to try once more; the log tells how the worker ended.",
    )
