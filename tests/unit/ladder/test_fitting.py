"""The first rung that fits in what is free now."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.ladder.fitting import MemoryNeed, MemoryRoom, NoRoom, RungChoice, choose
from aura_daemon.ladder.rungs import RUNGS, Rung
from tests.support.examples import examples

LADDER = (Rung.RESIDENT, Rung.FP8_STORAGE, Rung.CPU, Rung.CPU_HALF_WEIGHTS)
TAKEN = {Rung.RESIDENT: 100, Rung.FP8_STORAGE: 60, Rung.CPU: 150, Rung.CPU_HALF_WEIGHTS: 90}


def need(rung: Rung, batch: int) -> MemoryNeed:
    """Each further picture takes a tenth; weights for the GPU take 50 of the host."""
    taken = TAKEN[rung] * (9 + batch) // 10
    return MemoryNeed(bytes=taken, host_bytes=0 if RUNGS[rung].on_cpu else 50)


@pytest.mark.parametrize(
    ("room", "batch", "rung", "pictures", "alone"),
    [
        (MemoryRoom(device_bytes=130, host_bytes=50), 4, Rung.RESIDENT, 4, False),
        (MemoryRoom(device_bytes=129, host_bytes=50), 4, Rung.RESIDENT, 2, False),
        (MemoryRoom(device_bytes=100, host_bytes=50), 4, Rung.RESIDENT, 1, False),
        (MemoryRoom(device_bytes=100, host_bytes=50), 3, Rung.RESIDENT, 1, False),
        (MemoryRoom(device_bytes=130, host_bytes=50, device_others_bytes=1), 4, Rung.RESIDENT, 4, True),
        (MemoryRoom(device_bytes=130, host_bytes=50, host_others_bytes=1), 4, Rung.RESIDENT, 4, True),
        (MemoryRoom(device_bytes=110, host_bytes=50, device_others_bytes=10), 1, Rung.RESIDENT, 1, False),
        (MemoryRoom(device_bytes=99, host_bytes=50), 4, Rung.FP8_STORAGE, 4, False),
        (MemoryRoom(device_bytes=99, host_bytes=150), 1, Rung.FP8_STORAGE, 1, False),
        (MemoryRoom(device_bytes=59, host_bytes=150), 1, Rung.CPU, 1, False),
        (MemoryRoom(device_bytes=500, host_bytes=49), 1, None, 1, False),
        (MemoryRoom(device_bytes=0, host_bytes=150), 2, Rung.CPU, 1, False),
        (MemoryRoom(device_bytes=0, host_bytes=150, host_others_bytes=140), 2, Rung.CPU, 1, True),
        (MemoryRoom(device_bytes=0, host_bytes=99), 2, Rung.CPU_HALF_WEIGHTS, 2, False),
    ],
)
def test_others_are_given_up_then_the_batch_is_halved_then_a_rung_is_left(
    room: MemoryRoom, batch: int, rung: Rung | None, pictures: int, alone: bool
) -> None:
    expected = (
        RungChoice(rung=rung, batch=pictures, need=need(rung, pictures), alone=alone)
        if rung is not None
        else NoRoom(rung=Rung.CPU_HALF_WEIGHTS, need=need(Rung.CPU_HALF_WEIGHTS, 1))
    )
    assert choose(LADDER, need, room, batch=batch) == expected


def test_a_ladder_without_rungs_is_a_bug() -> None:
    with pytest.raises(ValueError, match="without rungs"):
        choose((), need, MemoryRoom(device_bytes=1, host_bytes=1), batch=1)


SIZES = st.integers(0, 100)


@given(
    st.lists(st.sampled_from(Rung), min_size=1, unique=True),
    st.builds(MemoryRoom, device_bytes=SIZES, host_bytes=SIZES, device_others_bytes=SIZES, host_others_bytes=SIZES),
    st.functions(like=lambda rung, batch: ..., returns=st.builds(MemoryNeed, bytes=SIZES, host_bytes=SIZES), pure=True),
    st.integers(1, 9),
)
@settings(max_examples=examples(60))
def test_nothing_above_the_choice_would_have_fitted_and_the_choice_does(
    rungs: list[Rung], room: MemoryRoom, need: Callable[[Rung, int], MemoryNeed], batch: int
) -> None:
    found = choose(rungs, need, room, batch=batch)
    left = rungs if isinstance(found, NoRoom) else rungs[: rungs.index(found.rung)]
    assert not any(fits(rung, need(rung, 1), room) for rung in left)
    if isinstance(found, RungChoice):
        assert 1 <= found.batch <= batch
        assert found.need == need(found.rung, found.batch)
        assert fits(found.rung, found.need, room)


def fits(rung: Rung, need: MemoryNeed, room: MemoryRoom) -> bool:
    """Once the others are gone."""
    if RUNGS[rung].on_cpu:
        return need.bytes <= room.host_bytes
    return need.bytes <= room.device_bytes and need.host_bytes <= room.host_bytes
