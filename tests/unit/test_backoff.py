"""Something that fails again and again is left alone for longer and longer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.backoff import Backoff, backoff_s


@given(st.integers(1, 10_000), st.floats(0.1, 100), st.floats(100, 10_000))
@settings(max_examples=30)
def test_backoff_doubles_and_is_bounded(failures: int, first_s: float, most_s: float) -> None:
    wait_s = backoff_s(failures, first_s=first_s, most_s=most_s)
    assert first_s <= wait_s <= most_s
    if wait_s < most_s:
        assert wait_s == first_s * 2 ** (failures - 1)


def test_backoff_before_a_failure_is_a_bug() -> None:
    with pytest.raises(ValueError, match="first failure"):
        backoff_s(0, first_s=1, most_s=2)


def test_every_failure_in_a_row_doubles_the_wait_and_a_success_ends_it() -> None:
    backoff = Backoff(first_s=2.0, most_s=5.0)
    assert (backoff.until_s, backoff.is_due(1e9)) == (None, False)
    assert [backoff.failed(now) for now in (0.0, 10.0, 20.0)] == [2.0, 4.0, 5.0]
    assert (backoff.failures, backoff.until_s) == (3, 25.0)
    assert (backoff.is_due(24.9), backoff.is_due(25.0)) == (False, True)
    backoff.succeeded()
    assert (backoff.until_s, backoff.is_due(1e9)) == (None, False)
    assert backoff.failed(0.0) == 2.0


def test_a_wait_can_be_cut_short() -> None:
    backoff = Backoff(first_s=2.0, most_s=5.0)
    assert backoff.failed(0.0, at_most_s=0.5) == backoff.until_s == 0.5
