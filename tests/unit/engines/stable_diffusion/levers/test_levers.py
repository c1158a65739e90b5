"""What is computed of a pass, by its speed: a table of numbers, no model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.engines.stable_diffusion.levers.levers import (
    LEVERS,
    SHALLOW,
    Levers,
    mean_cost,
    pass_plan,
    whole_evaluations,
)
from aura_daemon.jobs.speed import Speed

FALLING = [14.6, 9.0, 5.5, 5.42, 3.0, 1.0, 0.28, 0.1]
"""Noise levels."""

LEVER = st.builds(
    Levers,
    whole_share=st.floats(0.01, 1.0),
    least_whole=st.integers(0, 40),
    density=st.floats(0.5, 3.0),
)


@given(levers=LEVER, count=st.integers(1, 300))
def test_the_first_evaluation_is_whole_and_no_fewer_are_than_the_levers_say(levers: Levers, count: int) -> None:
    whole = whole_evaluations(levers, count)
    assert 0 in whole
    assert whole <= set(range(count))
    assert min(count, levers.least_whole) <= len(whole)
    assert len(whole) >= count * levers.whole_share - 1e-9


@given(count=st.integers(2, 300), wanted=st.integers(1, 40))
def test_even_whole_evaluations_stand_equally_far_apart_but_for_one(count: int, wanted: int) -> None:
    whole = sorted(whole_evaluations(Levers(whole_share=0.01, least_whole=wanted), count))
    gaps = [after - before for before, after in zip(whole, [*whole[1:], count], strict=True)]
    assert max(gaps) - min(gaps) <= 1


@given(count=st.integers(1, 300))
def test_a_faster_speed_computes_no_more(count: int) -> None:
    wholes = [len(whole_evaluations(LEVERS[speed], count)) for speed in (Speed.EXACT, Speed.BALANCED, Speed.FAST)]
    assert wholes == sorted(wholes, reverse=True)


def test_denser_early_leaves_the_longest_gap_to_the_end() -> None:
    whole = sorted(whole_evaluations(Levers(whole_share=0.4, density=1.4), 25))
    assert whole[:3] == [0, 1, 2]
    gaps = [after - before for before, after in zip(whole, [*whole[1:], 25], strict=True)]
    assert gaps == sorted(gaps)


@pytest.mark.parametrize("count", [1, 4, 25, 50])
def test_exact_leaves_nothing_out(count: int) -> None:
    plan = pass_plan(LEVERS[Speed.EXACT], [1.0] * count, guided=True, caches=True)
    assert plan.costs == (1.0,) * count
    assert not plan.words
    assert not LEVERS[Speed.EXACT].keeps_features(count)
    assert not LEVERS[Speed.EXACT].limits_guidance


def test_where_features_cannot_be_kept_every_evaluation_is_whole() -> None:
    plan = pass_plan(Levers(whole_share=0.25), FALLING, guided=True, caches=False)
    assert plan.whole == frozenset(range(8))


def test_guidance_is_in_its_interval_and_the_evaluation_where_it_sets_in_is_whole() -> None:
    levers = Levers(whole_share=0.25, guided=(0.28, 5.42))
    plan = pass_plan(levers, FALLING, guided=True, caches=True)
    assert levers.limits_guidance
    assert plan.guided == {3, 4, 5}
    assert plan.whole == {0, 3, 4}
    assert plan.costs == (0.5, SHALLOW / 2, SHALLOW / 2, 1.0, 1.0, SHALLOW, SHALLOW / 2, SHALLOW / 2)
    assert plan.words == (
        "features of the UNet carried on in 5 of 8 evaluations",
        "guidance left out in 5 of 8 evaluations",
    )


def test_the_mean_cost_is_that_of_the_plan() -> None:
    levers = Levers(whole_share=0.25)
    assert mean_cost(levers, 8) * 8 == pytest.approx(sum(pass_plan(levers, FALLING, guided=True, caches=True).costs))


def test_a_request_without_guidance_loses_none() -> None:
    plan = pass_plan(Levers(guided=(0.28, 5.42)), FALLING, guided=False, caches=True)
    assert plan.costs == (1.0,) * 8
    assert not plan.words
