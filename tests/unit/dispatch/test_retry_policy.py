"""What follows from a failure for its job."""

from dataclasses import replace

import pytest

from aura_daemon.dispatch import retry_policy
from aura_daemon.dispatch.retry_policy import (
    OUT_OF_RUNGS,
    Decision,
    GiveBack,
    GiveUp,
    Retry,
    StepDown,
    WaitForMemory,
    WaitForModel,
    killed_with_the_daemon,
)
from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind
from aura_daemon.ladder.attempts import Attempt, Start
from aura_daemon.ladder.rungs import Rung


def decide(failure: Failure, *, attempts: int, attempts_allowed: int) -> Decision:
    """The decision after attempts that did not run out of memory."""
    return retry_policy.decide(
        failure, kind=JobKind.GENERATE, tried=(), attempts=attempts, attempts_allowed=attempts_allowed
    )


def failure(kind: FailureKind, mend: str = "") -> Failure:
    return Failure(kind=kind, message="it broke", mend=mend)


@pytest.mark.parametrize("kind", [FailureKind.CRASHED, FailureKind.DEADLINE])
def test_a_dead_worker_is_tried_again_until_the_attempts_are_used_up(kind: FailureKind) -> None:
    assert decide(failure(kind), attempts=2, attempts_allowed=3) == Retry()
    last = decide(failure(kind), attempts=3, attempts_allowed=3)
    assert isinstance(last, GiveUp)
    assert last.failure.message == "it broke (3 attempts)"
    assert "inbox" in last.failure.mend


@pytest.mark.parametrize("kind", [FailureKind.CRASHED, FailureKind.DEADLINE])
def test_a_worker_that_dies_during_an_ordered_stop_costs_no_attempt(kind: FailureKind) -> None:
    decision = retry_policy.decide(
        failure(kind), kind=JobKind.GENERATE, tried=(), attempts=3, attempts_allowed=3, is_stopping=True
    )
    assert decision == GiveBack()


@pytest.mark.parametrize("is_stopping", [True, False])
def test_a_stop_excuses_no_failure_of_the_job_itself(is_stopping: bool) -> None:
    bad = failure(FailureKind.BAD_INPUT)
    decision = retry_policy.decide(
        bad, kind=JobKind.GENERATE, tried=(), attempts=1, attempts_allowed=3, is_stopping=is_stopping
    )
    assert decision == GiveUp(failure=bad)


def test_what_was_interrupted_from_outside_is_given_back_however_often() -> None:
    assert decide(failure(FailureKind.INTERRUPTED), attempts=99, attempts_allowed=3) == GiveBack()


def test_a_mend_that_is_known_is_kept_when_the_attempts_are_used_up() -> None:
    last = decide(failure(FailureKind.CRASHED, "do this"), attempts=1, attempts_allowed=1)
    assert isinstance(last, GiveUp)
    assert last.failure.mend == "do this"


def test_a_missing_model_waits_however_often_it_is_missed() -> None:
    assert decide(failure(FailureKind.MODEL_UNAVAILABLE), attempts=99, attempts_allowed=3) == WaitForModel()


@pytest.mark.parametrize("kind", [FailureKind.BAD_INPUT, FailureKind.UNEXPECTED])
def test_what_would_fail_again_is_given_up_at_once(kind: FailureKind) -> None:
    assert decide(failure(kind), attempts=1, attempts_allowed=3) == GiveUp(failure=failure(kind))


def test_a_cancelled_job_is_not_tried_again() -> None:
    assert decide(CANCELLED, attempts=1, attempts_allowed=3) == GiveUp(failure=CANCELLED)


def full(rung: Rung | None) -> Attempt:
    return Attempt(kind=FailureKind.OUT_OF_MEMORY, reason="it is full", device="cpu", rung=rung)


def out_of_memory(*tried: Attempt, attempts: int) -> Decision:
    return retry_policy.decide(
        failure(FailureKind.OUT_OF_MEMORY), kind=JobKind.GENERATE, tried=tried, attempts=attempts, attempts_allowed=3
    )


def test_memory_that_ran_out_on_a_rung_leads_a_rung_lower_however_many_attempts_there_were() -> None:
    decision = out_of_memory(full(Rung.CPU), full(Rung.CPU_TILED_DECODE), attempts=99)
    assert decision == StepDown(start=Start(rung=Rung.CPU_SPLIT_GUIDANCE, most=1, alone=True))


def test_out_of_memory_on_the_last_rung_gives_up_with_the_rungs_and_what_to_do() -> None:
    decision = out_of_memory(full(Rung.CPU), full(Rung.CPU), full(Rung.CPU_MAPPED_WEIGHTS), attempts=1)
    assert decision == GiveUp(
        failure=Failure(
            kind=FailureKind.OUT_OF_MEMORY, message="it broke (tried: cpu, cpu_mapped_weights)", mend=OUT_OF_RUNGS
        )
    )


@pytest.mark.parametrize(
    ("rung", "decision"),
    [
        (Rung.CPU_MAPPED_WEIGHTS, WaitForMemory()),
        (Rung.CPU_HALF_WEIGHTS, StepDown(start=Start(rung=Rung.CPU_MAPPED_WEIGHTS, most=1, alone=True))),
        (None, Retry()),
    ],
)
def test_memory_is_waited_for_once_no_rung_is_left(rung: Rung | None, decision: Decision) -> None:
    said = retry_policy.decide(
        failure(FailureKind.OUT_OF_MEMORY),
        kind=JobKind.GENERATE,
        tried=[full(rung)],
        attempts=1,
        attempts_allowed=3,
        may_wait=True,
    )
    assert said == decision


@pytest.mark.parametrize("tried", [(), (full(None),), (full(Rung.CPU_MAPPED_WEIGHTS), full(None))])
def test_out_of_memory_before_a_rung_was_chosen_is_tried_again_until_the_attempts_are_used_up(
    tried: tuple[Attempt, ...],
) -> None:
    assert out_of_memory(*tried, attempts=2) == Retry()
    last = out_of_memory(*tried, attempts=3)
    assert isinstance(last, GiveUp)
    assert last.failure.mend == OUT_OF_RUNGS
    assert last.failure.message in ("it broke", "it broke (tried: cpu_mapped_weights)")


SMALL, LARGE = "a card of 4 GB", "a card of 24 GB"


def on(device_name: str, rung: Rung) -> Attempt:
    return replace(full(rung), device_name=device_name)


@pytest.mark.parametrize("may_wait", [True, False])
def test_a_job_with_no_rung_left_goes_to_another_model_of_device_before_it_waits_or_fails(may_wait: bool) -> None:
    def decided(*tried: Attempt) -> Decision:
        return retry_policy.decide(
            failure(FailureKind.OUT_OF_MEMORY),
            kind=JobKind.GENERATE,
            tried=tried,
            attempts=1,
            attempts_allowed=3,
            device_names=(SMALL, LARGE),
            may_wait=may_wait,
        )

    last = on(SMALL, Rung.CPU_MAPPED_WEIGHTS)
    assert decided(on(LARGE, Rung.RESIDENT), on(SMALL, Rung.CPU)) == StepDown(
        start=Start(rung=Rung.CPU_TILED_DECODE, most=1, alone=True)
    )
    assert decided(last) == StepDown(start=Start(), device_name=LARGE)
    lower = Start(rung=Rung.CPU, most=1, alone=True)
    assert decided(on(LARGE, Rung.SEQUENTIAL_OFFLOAD), last) == StepDown(start=lower, device_name=LARGE)
    end = decided(on(LARGE, Rung.CPU_MAPPED_WEIGHTS), last)
    if may_wait:
        assert end == WaitForMemory()
    else:
        assert isinstance(end, GiveUp)
        assert end.failure.message == (
            f"it broke (tried: cpu_mapped_weights on {LARGE}, cpu_mapped_weights on {SMALL})"
        )


def test_an_attempt_that_took_the_daemon_with_it_ran_out_of_memory() -> None:
    failed = killed_with_the_daemon(None)
    assert failed.kind is FailureKind.OUT_OF_MEMORY
    assert "memory.oom.group" in failed.mend
