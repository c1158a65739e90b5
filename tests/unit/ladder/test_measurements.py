"""What the end of a job teaches about memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.ladder.measurements import after_refusal, after_success, refused_bytes, slow_steps
from aura_daemon.ladder.prediction import REFUSED, Measured
from aura_daemon.ladder.rungs import Rung
from tests.support.examples import examples


def tried(**changes: object) -> RunConditions:
    row = RunConditions(
        device="cuda:0",
        device_name="a GPU",
        dtype="float16",
        rung=Rung.RESIDENT,
        width=512,
        height=512,
        batch=1,
        alone=True,
        expected_bytes=900,
        room_bytes=1000,
        peak_bytes=800,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def row(**changes: object) -> Measured:
    made = Measured(device="a GPU", dtype="float16", rung=Rung.RESIDENT, width=512, height=512, batch=1)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_the_first_good_job_of_a_size_is_remembered() -> None:
    assert after_success([], tried(), step_s=0.5) == (row(peak_bytes=800, step_s=0.5),)


def test_pictures_with_guidance_and_without_are_remembered_apart() -> None:
    unguided = row(guided=False, peak_bytes=500, step_s=0.25)
    assert after_success([unguided], tried(), step_s=0.5) == (row(peak_bytes=800, step_s=0.5),)
    assert after_success([], tried(guided=False, peak_bytes=500), step_s=0.25) == (unguided,)


def test_variants_are_remembered_apart() -> None:
    compiled = row(variant="compiled", peak_bytes=500, step_s=0.25)
    assert after_success([compiled], tried(), step_s=0.5) == (row(peak_bytes=800, step_s=0.5),)
    assert after_success([], tried(variant="compiled", peak_bytes=500), step_s=0.25) == (compiled,)
    assert after_refusal([compiled], tried()) == (row(refused_bytes=1000, refusals=1),)
    assert after_refusal([compiled], tried(variant="compiled")) == (replace(compiled, refused_bytes=1000, refusals=1),)


@pytest.mark.parametrize(("before", "after"), [(0, 800), (400, 800), (800, 800), (1200, 1100), (802, 802)])
def test_a_peak_rises_at_once_and_falls_by_a_quarter(before: int, after: int) -> None:
    (kept,) = after_success([row(peak_bytes=before, step_s=9.0)], tried(), step_s=0.5)
    assert (kept.peak_bytes, kept.step_s) == (after, 0.5)


@pytest.mark.parametrize(
    ("refusal", "lifted"),
    [
        ({}, True),
        ({"height": 256}, True),
        ({"height": 520}, False),
        ({"batch": 2}, False),
        ({"guided": False}, True),
        ({"guided": False, "width": 1024}, False),
        ({"rung": Rung.TILED_DECODE}, False),
        ({"dtype": "float32"}, False),
        ({"variant": "compiled"}, False),
    ],
    ids=str,
)
def test_a_good_job_lifts_what_was_refused_to_no_larger_pictures_on_its_rung(
    refusal: dict[str, object], lifted: bool
) -> None:
    refused = row(refused_bytes=1000, refusals=2, good_since=3, size_good_since=1, **refusal)
    changed = after_success([refused], tried(), step_s=0.5)
    (now,) = [one for one in changed if _kind_of_run(one) == _kind_of_run(refused)]
    of_size = refused.extent.is_of_size(row().extent)
    count = (now.refused_bytes, now.refusals, now.good_since, now.size_good_since)
    assert count == ((0, 0, 0, 0) if lifted else (1000, 2, 4, 1 + of_size))


def test_a_good_job_in_hardly_more_room_has_all_counted_anew_but_those_of_its_size() -> None:
    refused = row(refused_bytes=980, refusals=2, good_since=7, size_good_since=3)
    (now,) = after_success([refused], tried(), step_s=0.5)
    assert (now.refused_bytes, now.refusals, now.good_since, now.size_good_since) == (980, 2, 0, 4)


def test_a_good_job_in_more_room_says_nothing_against_a_refusal_in_less() -> None:
    (now,) = after_success([row(refused_bytes=900)], tried(room_bytes=int(900 * REFUSED) + 1), step_s=0.5)
    assert (now.refused_bytes, now.good_since, now.peak_bytes) == (900, 1, 800)


def test_other_devices_learn_nothing() -> None:
    other = row(device="another GPU", refused_bytes=1000, good_since=3)
    assert other not in after_success([other], tried(), step_s=0.5)
    assert len(after_success([other], tried(), step_s=0.5)) == len(after_refusal([other], tried())) == 1


def test_a_refusal_is_remembered_with_its_room_and_all_good_jobs_are_counted_anew() -> None:
    others = [
        row(rung=Rung.TILED_DECODE, refused_bytes=7, refusals=3, good_since=9, size_good_since=9),
        row(height=256, refused_bytes=7, refusals=3, good_since=9, size_good_since=9),
        row(height=256, rung=Rung.TILED_DECODE, refused_bytes=7, refusals=3, size_good_since=9),
    ]
    before = [row(refused_bytes=1200, refusals=2, good_since=9, size_good_since=4), *others]
    assert set(after_refusal(before, tried())) == {
        row(refused_bytes=1200, refusals=3),
        row(rung=Rung.TILED_DECODE, refused_bytes=7, refusals=3),
        row(height=256, refused_bytes=7, refusals=3, size_good_since=9),
    }
    assert after_refusal([], tried()) == (row(refused_bytes=1000, refusals=1),)
    assert after_refusal([row(peak_bytes=5, step_s=1.0)], tried()) == (
        row(peak_bytes=5, step_s=1.0, refused_bytes=1000, refusals=1),
    )


def test_all_of_a_batch_count_as_one_refusal() -> None:
    first = after_refusal([row(refused_bytes=1000, refusals=1, good_since=60)], tried())
    assert first == (row(refused_bytes=1000, refusals=2),)
    assert after_refusal(first, tried()) == first


@pytest.mark.parametrize(("room", "refusals"), [(999, 5), (1050, 5), (1051, 1)])
def test_refusals_are_counted_anew_in_more_room(room: int, refusals: int) -> None:
    (now,) = after_refusal([row(refused_bytes=1000, refusals=4, good_since=1)], tried(room_bytes=room))
    assert (now.refusals, now.refused_bytes) == (refusals, max(1000, room))


def test_where_there_was_not_room_enough_nothing_was_refused() -> None:
    assert after_refusal([row(refused_bytes=5, good_since=3)], tried(expected_bytes=1001)) == ()


@given(st.integers(1, 1 << 40))
@settings(max_examples=examples(50))
def test_memory_that_ran_out_beside_others_is_ruled_out_beside_them_and_no_more(room: int) -> None:
    refused = int(refused_bytes(tried(alone=False, expected_bytes=0, room_bytes=room)) * REFUSED)
    assert room < refused <= room + 3


def test_a_peak_that_nobody_knows_changes_none_and_only_what_changed_is_told() -> None:
    first = after_success((), tried(peak_bytes=800), step_s=1.0)
    (row,) = after_success(first, tried(peak_bytes=0), step_s=0.5)
    assert (row.peak_bytes, row.step_s) == (800, 0.5)
    (larger,) = after_success(first, tried(width=1024, peak_bytes=900), step_s=1.0)
    assert larger.width == 1024


def _kind_of_run(one: Measured) -> tuple[object, ...]:
    return one.rung, one.dtype, one.variant, one.extent


def slow(measured: list[Measured], conditions: RunConditions, step_s: float, *, may_spill: bool = True) -> bool | None:
    """Whether steps were too slow because memory has spilled; None: they were not too slow."""
    found = slow_steps(measured, conditions, step_s=step_s, may_spill=may_spill)
    return found.has_spilled if found is not None else None


@pytest.mark.parametrize(
    ("measured", "changes", "step_s", "found"),
    [
        ([row(step_s=0.5)], {}, 4.9, None),
        ([row(step_s=0.5)], {}, 5.0, True),
        ([row(step_s=0.5)], {"peak_bytes": 500}, 5.0, False),  # half of the room was free
        ([], {}, 5.0, None),
        ([row()], {}, 5.0, None),  # only refused so far
        ([row(step_s=0.5)], {}, 0.0, None),  # of a caption, or of a single step
        ([row(step_s=0.5)], {"width": 0, "height": 0}, 5.0, None),
        ([row(step_s=0.5, device="another GPU")], {}, 5.0, None),
        ([row(step_s=0.5, dtype="bfloat16")], {}, 5.0, None),
        ([row(step_s=0.5, variant="compiled")], {}, 5.0, None),
        ([row(step_s=0.5, width=256, height=256)], {}, 19.9, None),  # its steps are taken for four times as long
        ([row(step_s=0.5, width=256, height=256)], {}, 20.0, True),
        ([row(step_s=0.5, width=256, height=248)], {}, 99.0, None),  # too small to tell
        ([row(step_s=0.5, width=1024, height=1032)], {}, 99.0, None),  # too large
        ([row(step_s=0.5, rung=Rung.MODEL_OFFLOAD)], {}, 5.0, True),  # no lower rung is faster
        ([row(step_s=0.1)], {"rung": Rung.MODEL_OFFLOAD}, 5.0, None),  # a higher one may be
        ([row(step_s=0.1, rung=Rung.CPU)], {}, 5.0, None),  # measured on the CPU of that name
        ([row(step_s=0.1, rung=Rung.CPU)], {"rung": Rung.CPU}, 5.0, None),  # a CPU has other reasons
    ],
)
def test_steps_are_too_slow_from_ten_times_the_usual(
    measured: list[Measured], changes: dict[str, object], step_s: float, found: bool | None
) -> None:
    assert slow(measured, tried(**changes), step_s) is found


def test_where_the_driver_refuses_instead_slow_steps_have_another_cause() -> None:
    measured = [row(step_s=0.5)]
    assert slow(measured, tried(), 5.0, may_spill=False) is False
    spilled, other = (slow_steps(measured, tried(), step_s=6.0, may_spill=may) for may in (True, False))
    assert spilled is not None
    assert other is not None
    assert "a step took 6 s instead of 0.5 s on rung resident: the GPU's memory was used up" in spilled.warning
    assert "memory_fraction" in spilled.warning
    assert "another program uses the GPU" in other.warning
