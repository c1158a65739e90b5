"""Where the next attempt begins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.results import FailureKind
from aura_daemon.ladder.attempts import (
    TOP,
    Attempt,
    RunConditions,
    Start,
    StartedAttempt,
    attempt_of,
    kind_when_killed,
    next_elsewhere,
    next_start,
    with_attempt,
)
from aura_daemon.ladder.rungs import Rung

CRASHED = Attempt(kind=FailureKind.CRASHED, reason="it fell", device="cuda:0", rung=Rung.RESIDENT)
KILLED_EARLY = Attempt(kind=FailureKind.OUT_OF_MEMORY, reason="it is full")


def full(rung: Rung, batch: int = 1, *, alone: bool = True, device: str = "cuda:0") -> Attempt:
    return Attempt(
        kind=FailureKind.OUT_OF_MEMORY, reason="it is full", device=device, rung=rung, batch=batch, alone=alone
    )


@pytest.mark.parametrize(
    ("attempts", "start"),
    [
        ([], TOP),
        ([CRASHED], Start(most=1)),  # a job that takes its worker with it takes no other
        ([KILLED_EARLY], TOP),
        ([full(Rung.RESIDENT, 4, alone=False)], Start(rung=Rung.RESIDENT, most=4, alone=True)),
        ([full(Rung.RESIDENT, 4)], Start(rung=Rung.RESIDENT, most=2, alone=True)),
        ([full(Rung.RESIDENT, 3)], Start(rung=Rung.RESIDENT, most=1, alone=True)),
        ([full(Rung.RESIDENT)], Start(rung=Rung.TILED_DECODE, most=1, alone=True)),
        ([full(Rung.RESIDENT), CRASHED], Start(rung=Rung.TILED_DECODE, most=1, alone=True)),
        ([full(Rung.RESIDENT), KILLED_EARLY], Start(rung=Rung.TILED_DECODE, most=1, alone=True)),
        ([full(Rung.SEQUENTIAL_OFFLOAD)], Start(rung=Rung.CPU, most=1, alone=True)),
        ([full(Rung.CPU, device="cpu")], Start(rung=Rung.CPU_TILED_DECODE, most=1, alone=True)),
        ([full(Rung.SPLIT_GUIDANCE, device="mps")], Start(rung=Rung.CPU, most=1, alone=True)),
        ([full(Rung.MODEL_OFFLOAD, device="xpu:0")], Start(rung=Rung.SEQUENTIAL_OFFLOAD, most=1, alone=True)),
        (
            [full(Rung.CPU_HALF_WEIGHTS, device="cpu")],
            Start(rung=Rung.CPU_MAPPED_WEIGHTS, most=1, alone=True),
        ),
        ([full(Rung.CPU_MAPPED_WEIGHTS, device="cpu")], None),
        ([replace(KILLED_EARLY, waited=True)], TOP),
        # It ran out on the last rung, and waited for memory: there it begins.
        (
            [full(Rung.CPU_HALF_WEIGHTS, device="cpu"), replace(full(Rung.CPU_MAPPED_WEIGHTS), waited=True)],
            Start(rung=Rung.CPU_MAPPED_WEIGHTS, most=1, alone=True),
        ),
        # A job that was asked to be tried again by hand, after the last rung:
        (
            [full(Rung.CPU_MAPPED_WEIGHTS, device="cpu"), full(Rung.RESIDENT, alone=False)],
            Start(rung=Rung.RESIDENT, most=1, alone=True),
        ),
        # A worker that does not do as it is told is asked once:
        ([full(Rung.RESIDENT, alone=False)] * 2, Start(rung=Rung.TILED_DECODE, most=1, alone=True)),
    ],
)
def test_memory_that_ran_out_is_followed_by_less_alone_then_half_the_batch_then_a_rung_lower(
    attempts: list[Attempt], start: Start | None
) -> None:
    assert next_start(attempts, JobKind.GENERATE) == start


def test_a_caption_has_fewer_rungs() -> None:
    assert next_start([full(Rung.RESIDENT)], JobKind.CAPTION) == Start(rung=Rung.CPU, most=1, alone=True)
    lower = next_start([full(Rung.CPU, device="cpu")], JobKind.CAPTION)
    assert lower == Start(rung=Rung.CPU_HALF_WEIGHTS, most=1, alone=True)


SMALL, LARGE = "a card of 4 GB", "a card of 24 GB"


@pytest.mark.parametrize(
    ("attempts", "device_name", "start"),
    [
        ([replace(full(Rung.RESIDENT), device_name=SMALL)], LARGE, TOP),
        (
            [replace(full(Rung.RESIDENT), device_name=SMALL)],
            SMALL,
            Start(rung=Rung.TILED_DECODE, most=1, alone=True),
        ),
        (
            [replace(full(Rung.SPLIT_GUIDANCE), device_name=SMALL), replace(full(Rung.RESIDENT), device_name=LARGE)],
            SMALL,
            Start(rung=Rung.FP8_STORAGE, most=1, alone=True),
        ),
        # What is not known, of a worker or of an attempt of an earlier version, counts:
        (
            [replace(full(Rung.RESIDENT), device_name=SMALL)],
            "",
            Start(rung=Rung.TILED_DECODE, most=1, alone=True),
        ),
        ([full(Rung.RESIDENT)], LARGE, Start(rung=Rung.TILED_DECODE, most=1, alone=True)),
        # A job that takes its worker with it may do so anywhere:
        ([replace(CRASHED, device_name=SMALL)], LARGE, Start(most=1)),
        ([replace(full(Rung.CPU_MAPPED_WEIGHTS), device_name=SMALL)], SMALL, None),
    ],
)
def test_an_attempt_counts_on_the_model_of_device_that_it_was_made_on(
    attempts: list[Attempt], device_name: str, start: Start | None
) -> None:
    assert next_start(attempts, JobKind.GENERATE, device_name) == start


def test_elsewhere_is_the_first_model_of_device_on_which_a_rung_is_left() -> None:
    out = [replace(full(Rung.CPU_MAPPED_WEIGHTS), device_name=SMALL)]
    assert next_elsewhere(out, JobKind.GENERATE, [SMALL, LARGE]) == (LARGE, TOP)
    assert next_elsewhere(out, JobKind.GENERATE, [SMALL]) is None
    assert next_elsewhere(out, JobKind.GENERATE, []) is None


TRIED = RunConditions(
    device="cuda:0",
    device_name="a GPU",
    dtype="float16",
    rung=Rung.FP8_STORAGE,
    width=512,
    height=512,
    batch=2,
    alone=False,
    peak_bytes=7,
)


def test_of_an_attempt_is_kept_how_it_ran() -> None:
    kept = attempt_of(TRIED, kind=FailureKind.DEADLINE, reason="it hung", seconds=1.5)
    assert kept == Attempt(
        kind=FailureKind.DEADLINE,
        reason="it hung",
        device="cuda:0",
        rung=Rung.FP8_STORAGE,
        batch=2,
        alone=False,
        peak_bytes=7,
        seconds=1.5,
    )
    named = attempt_of(TRIED, kind=FailureKind.DEADLINE, reason="it hung", seconds=1.5, device_name="its card")
    assert named == replace(kept, device_name="its card")
    early = attempt_of(None, kind=FailureKind.DEADLINE, reason="it hung", seconds=1.5)
    assert early == replace(kept, device="", rung=None, batch=1, alone=True, peak_bytes=0)


def test_of_attempts_that_were_not_made_the_last_one_is_kept_and_of_all_others_each() -> None:
    made, first, second = (
        full(Rung.CPU),
        replace(KILLED_EARLY, waited=True),
        replace(KILLED_EARLY, waited=True, seconds=9),
    )
    kept: tuple[Attempt, ...] = ()
    for attempt in (KILLED_EARLY, first, made, second, None, replace(made, waited=True)):
        kept = with_attempt(kept, attempt)
    assert kept == (KILLED_EARLY, made, second, replace(made, waited=True))


@pytest.mark.parametrize(
    ("now", "was_killed"),
    [
        (StartedAttempt(boot="this", kills=8), True),
        (StartedAttempt(boot="this", kills=7), False),
        (StartedAttempt(boot="the next", kills=8), False),
        (None, False),
    ],
    ids=["one more", "none since", "another count", "no count"],
)
def test_the_count_of_one_start_of_the_machine_says_whether_the_kernel_has_killed_somebody(
    now: StartedAttempt | None, was_killed: bool
) -> None:
    assert StartedAttempt(boot="this", kills=7).was_killed(now) is was_killed


def test_a_kill_for_want_of_the_hosts_memory_is_no_reason_for_another_rung_of_a_gpu() -> None:
    on_cpu = replace(TRIED, device="cpu", rung=Rung.CPU)
    assert kind_when_killed([on_cpu]) is kind_when_killed([]) is FailureKind.OUT_OF_MEMORY
    assert kind_when_killed([on_cpu, TRIED]) is FailureKind.CRASHED
