"""What is held up is left alone for longer and longer, until it works."""

from __future__ import annotations

import pytest

from aura_daemon.health.holdups import Holdups


@pytest.fixture
def holdups() -> Holdups:
    return Holdups(first_s=10.0, most_s=30.0)


def fail(holdups: Holdups, now: float, what: str = "generate") -> float:
    return holdups.fail(what, reason="no model", mend="fetch it", now=now)


def test_waits_double_up_to_a_bound_and_start_again_after_a_success(holdups: Holdups) -> None:
    assert [fail(holdups, 0.0) for _ in range(4)] == [10.0, 20.0, 30.0, 30.0]
    assert holdups.clear("generate")
    assert fail(holdups, 0.0) == 10.0


def test_one_thing_held_up_holds_up_no_other(holdups: Holdups) -> None:
    fail(holdups, 0.0)
    fail(holdups, 5.0, "outbox")
    assert holdups.is_held("generate", 9.9)
    assert not holdups.is_held("generate", 10.0)
    assert holdups.is_held("outbox", 10.0)
    assert not holdups.is_held("caption", 0.0)
    assert holdups.next_s(0.0) == 10.0
    assert holdups.next_s(10.0) == 15.0
    assert holdups.next_s(15.0) is None


def test_it_has_failed_until_it_works_also_while_it_is_tried(holdups: Holdups) -> None:
    assert not holdups
    fail(holdups, 0.0)
    assert holdups.has_failed("generate")
    assert holdups
    (record,) = holdups.records(4.0)
    assert (record.what, record.reason, record.mend, record.retry_in_s) == ("generate", "no model", "fetch it", 6.0)
    assert holdups.records(99.0)[0].retry_in_s == 0.0
    assert holdups.clear("generate")
    assert not holdups.clear("generate")
    assert not holdups


def test_it_tells_since_when_and_what_is_held(holdups: Holdups) -> None:
    assert holdups.since_s("generate") is None
    fail(holdups, 3.0)
    (first,) = holdups.records(3.0)
    fail(holdups, 20.0)
    assert (holdups.since_s("generate"), holdups.held(39.9), holdups.held(40.0)) == (3.0, ["generate"], [])
    (later,) = holdups.records(20.0, named="memory for {}")
    assert (later.what, later.since) == ("memory for generate", first.since)


def test_a_wait_can_be_bounded(holdups: Holdups) -> None:
    said = {"reason": "no memory", "mend": "end something"}
    assert holdups.fail("generate", now=0.0, at_most_s=3.0, **said) == 3.0
    assert holdups.fail("generate", now=3.0, at_most_s=99.0, **said) == 20.0
