"""What columns hold, and the way there and back."""

from __future__ import annotations

import pytest

from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.journal.records import (
    begun_of,
    begun_text,
    failure_of,
    failure_text,
    in_64_bits,
    stem_key,
    tried_of,
    tried_text,
)
from aura_daemon.ladder.attempts import Attempt, RunConditions, StartedAttempt
from aura_daemon.ladder.rungs import Rung


def test_a_failure_goes_in_and_comes_out_the_same() -> None:
    failure = Failure(kind=FailureKind.BAD_INPUT, message="it is \udcff blue", mend="paint it red\n")
    assert failure_of(failure_text(failure)) == failure
    assert failure_of(failure_text(None)) is None


def test_attempts_go_in_and_come_out_the_same() -> None:
    attempts = (
        Attempt(kind=FailureKind.CRASHED, reason="it is \udcff gone\n"),
        *(
            Attempt(kind=FailureKind.OUT_OF_MEMORY, reason="", device="cuda:0", rung=rung, batch=2, alone=False,
                    peak_bytes=1 << 40, seconds=0.25)
            for rung in Rung
        ),
    )  # fmt: skip
    assert tried_of(tried_text(attempts)) == attempts
    assert tried_of(tried_text(())) == tried_of("[]") == ()


@pytest.mark.parametrize("rung", [None, *Rung])
def test_an_attempt_under_way_goes_in_and_comes_out_the_same(rung: Rung | None) -> None:
    tried = RunConditions(
        device="cpu", device_name="", dtype="float32", rung=rung, width=8, height=8, batch=1, alone=True,
                  room_bytes=1 << 40) if rung is not None else None  # fmt: skip
    begun = StartedAttempt(boot="0-1", kills=3, tried=tried)
    assert begun_of(begun_text(begun)) == begun
    assert begun_of(begun_text(None)) is None


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 10**19])
def test_any_number_fits_a_column_and_stays_equal_to_itself(number: int) -> None:
    assert -(2**63) <= in_64_bits(number) < 2**63
    assert in_64_bits(in_64_bits(number)) == in_64_bits(number)


def test_a_key_of_any_name_is_text() -> None:
    assert stem_key("caf\udce9").encode()
    assert stem_key("Cat") == stem_key("cat") != stem_key("dog")
