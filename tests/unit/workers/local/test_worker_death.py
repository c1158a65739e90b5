"""Whose fault the death of a worker process was."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.ladder.rungs import Rung
from aura_daemon.workers.local.worker_death import (
    BROKEN_INSTALLATION,
    KILLED_EARLY,
    MACHINE_SIGNALS,
    MOST_EARLY_KILLS,
    NO_MEMORY_TO_START,
    RESTARTED,
    WorkerDeath,
    after_suspension,
)

ON_CPU = RunConditions(
    device="cpu", device_name="", dtype="float32", rung=Rung.CPU, width=64, height=64, batch=1, alone=True
)
ON_GPU = replace(ON_CPU, device="cuda:0", rung=Rung.RESIDENT)

KILLED = WorkerDeath(ending="was killed by signal 9 (SIGKILL)", killed_by=signal.SIGKILL)
TERMINATED = WorkerDeath(ending="was killed by signal 15 (SIGTERM)", killed_by=signal.SIGTERM)
SEGMENT = WorkerDeath(ending="was killed by signal 11 (SIGSEGV)", killed_by=signal.SIGSEGV)
EXITED = WorkerDeath(ending="ended by itself with exit code 1")


@pytest.mark.parametrize(
    ("death", "kind", "mend"),
    [
        (KILLED, FailureKind.CRASHED, RESTARTED),
        (TERMINATED, FailureKind.CRASHED, RESTARTED),
        (SEGMENT, FailureKind.CRASHED, RESTARTED),
        (EXITED, FailureKind.CRASHED, RESTARTED),
        (replace(KILLED, was_ready=False), FailureKind.INTERRUPTED, RESTARTED),
        (replace(TERMINATED, was_ready=False), FailureKind.INTERRUPTED, RESTARTED),
        (
            replace(TERMINATED, was_ready=False, early_kills=MOST_EARLY_KILLS),
            FailureKind.MODEL_UNAVAILABLE,
            KILLED_EARLY,
        ),
        (replace(SEGMENT, was_ready=False), FailureKind.MODEL_UNAVAILABLE, BROKEN_INSTALLATION),
        (replace(EXITED, was_ready=False), FailureKind.MODEL_UNAVAILABLE, BROKEN_INSTALLATION),
        (replace(KILLED, was_oom_killed=True, was_ready=False), FailureKind.MODEL_UNAVAILABLE, NO_MEMORY_TO_START),
        (replace(KILLED, was_oom_killed=True, placed=(ON_CPU,)), FailureKind.OUT_OF_MEMORY, RESTARTED),
        (replace(KILLED, was_oom_killed=True, placed=(ON_GPU,)), FailureKind.CRASHED, RESTARTED),
        (replace(KILLED, was_oom_killed=True), FailureKind.CRASHED, RESTARTED),
        (replace(SEGMENT, killed_by=signal.SIGILL), FailureKind.MODEL_UNAVAILABLE, MACHINE_SIGNALS["SIGILL"]),
        (replace(SEGMENT, killed_by=signal.SIGSYS), FailureKind.MODEL_UNAVAILABLE, MACHINE_SIGNALS["SIGSYS"]),
        (replace(SEGMENT, killed_by=signal.SIGBUS), FailureKind.MODEL_UNAVAILABLE, MACHINE_SIGNALS["SIGBUS"]),
    ],
)
def test_the_way_a_worker_ended_decides_what_failed(death: WorkerDeath, kind: FailureKind, mend: str) -> None:
    failure = death.failure()
    assert (failure.kind, failure.mend) == (kind, mend)
    assert ("out-of-memory killer" in failure.message) or (death.ending in failure.message)


def test_a_kill_by_the_kernel_for_want_of_memory_is_no_kill_from_outside() -> None:
    assert KILLED.was_killed_from_outside
    assert not replace(KILLED, was_oom_killed=True).was_killed_from_outside
    assert not SEGMENT.was_killed_from_outside
    assert not EXITED.was_killed_from_outside


@pytest.mark.parametrize("kind", [FailureKind.CRASHED, FailureKind.DEADLINE])
def test_what_did_not_survive_a_suspension_was_interrupted(kind: FailureKind) -> None:
    failure = after_suspension(Failure(kind=kind, message="the GPU failed", mend="mend it"))
    assert failure == Failure(
        kind=FailureKind.INTERRUPTED, message="the GPU failed (this machine was suspended meanwhile)", mend="mend it"
    )


def test_a_suspension_excuses_nothing_else() -> None:
    assert after_suspension(CANCELLED) == CANCELLED
