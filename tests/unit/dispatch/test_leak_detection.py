"""Whether a worker's memory grows from job to job."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.dispatch.leak_detection import LEAST_GROWTH_BYTES, grows
from aura_daemon.workers.pool import MEMORY_SAMPLES
from tests.support.examples import examples

MIB = 1 << 20


@pytest.mark.parametrize(
    ("resident_mib", "expected"),
    [
        ([], False),
        ([1000 + 50 * job for job in range(MEMORY_SAMPLES - 1)], False),
        ([1000 + 50 * job for job in range(MEMORY_SAMPLES)], True),
        ([9000, *(1000 + 50 * job for job in range(MEMORY_SAMPLES))], True),
        ([1000 + 20 * job for job in range(MEMORY_SAMPLES)], False),
        ([1000] * MEMORY_SAMPLES, False),
        ([1000] * 12 + [4000] * 12, False),
        ([1000 + 50 * job if job % 6 else 1000 for job in range(MEMORY_SAMPLES)], False),
        ([4000 if job % 2 else 1000 + 50 * job for job in range(MEMORY_SAMPLES)], True),
    ],
    ids=[
        "nothing",
        "too few",
        "a leak",
        "a leak after a peak",
        "a small one",
        "rest",
        "one step up",
        "peaks that are given back",
        "a leak below peaks",
    ],
)
def test_a_worker_grows_that_leaves_more_behind_again_and_again(resident_mib: list[int], expected: bool) -> None:
    assert grows([figure * MIB for figure in resident_mib]) is expected


@given(st.lists(st.integers(0, LEAST_GROWTH_BYTES - 1), min_size=MEMORY_SAMPLES, max_size=2 * MEMORY_SAMPLES))
@settings(max_examples=examples(50))
def test_what_comes_and_goes_within_half_a_gibibyte_is_no_growth(resident_bytes: list[int]) -> None:
    assert not grows(resident_bytes)
