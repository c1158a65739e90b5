"""How long a worker may be silent."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.workers.silence import LEAST_S, SLACK, Silence, silence_s


@pytest.mark.parametrize(
    ("step_s", "configured_s", "expected_s"),
    [
        (None, 1800.0, 1800.0),
        (0.1, 1800.0, LEAST_S),
        (10.0, 1800.0, 10.0 * SLACK),
        (100.0, 1800.0, 1800.0),
        (0.1, 5.0, 5.0),
    ],
)
def test_the_pace_of_the_steps_says_how_long_within_what_is_configured(
    step_s: float | None, configured_s: float, expected_s: float
) -> None:
    assert silence_s(step_s=step_s, configured_s=configured_s) == expected_s


@given(st.none() | st.floats(0, 10_000), st.floats(0.1, 10_000))
@settings(max_examples=50)
def test_it_is_never_longer_than_configured(step_s: float | None, configured_s: float) -> None:
    assert 0 < silence_s(step_s=step_s, configured_s=configured_s) <= configured_s


def silent_for(silence: Silence, clock: list[float], seconds: int) -> float | None:
    """The allowed silence that is exceeded after so many seconds, looked at once a second."""
    for _ in range(seconds):
        clock[0] += 1
        silence.look()
    return silence.exceeded_s()


def test_after_a_placement_the_pace_is_unknown_as_a_benchmark_goes_from_small_pictures_to_large_ones() -> None:
    clock = [0.0]
    silence = Silence(1800.0, lambda: clock[0])
    silence.begin()
    for _ in range(3):
        silent_for(silence, clock, 1)
        silence.heard()
        silence.stepped()
    assert silent_for(silence, clock, int(LEAST_S) + 1) == LEAST_S
    silence.heard()
    silence.placed()
    assert silent_for(silence, clock, 1800) is None
    assert silent_for(silence, clock, 1) == 1800
