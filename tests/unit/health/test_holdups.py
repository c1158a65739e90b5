"""Hold-ups: waits grow from failure to failure, until the thing works again."""

from __future__ import annotations

import pytest

from aura_daemon.config.settings import Settings
from aura_daemon.health.holdups import Holdups, memory_for


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
    assert holdups.since_s("generate") == 3.0
    (later,) = holdups.records(20.0)
    assert (later.what, later.since) == ("generate", first.since)


def test_jobs_without_memory_are_held_by_their_demand_and_told_last(holdups: Holdups) -> None:
    fail(holdups, 0.0, memory_for("caption"))
    fail(holdups, 0.0)
    assert (holdups.held_demands(9.9), holdups.held_demands(10.0)) == (["caption"], [])
    assert [record.what for record in holdups.records(0.0)] == ["generate", "memory for caption"]


def test_waits_can_be_of_another_length(holdups: Holdups) -> None:
    waits = [
        holdups.fail("memory", reason="none", mend="wait", now=0.0, longest_first_s=1.0, longest_s=3.0)
        for _ in range(4)
    ]
    assert waits == [1.0, 2.0, 3.0, 3.0]


def test_a_wait_can_be_bounded(holdups: Holdups) -> None:
    said = {"reason": "no memory", "mend": "end something"}
    assert holdups.fail("generate", now=0.0, at_most_s=3.0, **said) == 3.0
    assert holdups.fail("generate", now=3.0, at_most_s=99.0, **said) == 20.0


def test_as_configured_a_missing_model_is_tried_again_after_half_a_minute_a_minute_up_to_an_hour() -> None:
    settings = Settings()
    holdups = Holdups(first_s=settings.retry_first, most_s=settings.retry_at_most)
    waits = [holdups.fail("generate", reason="gone", mend="", now=0.0) for _ in range(9)]
    assert (waits[:3], waits[-1]) == ([30, 60, 120], 3600)
