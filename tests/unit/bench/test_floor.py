"""The floor of a step: work over ceilings."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from aura_daemon.bench.floor import CARDS, Ceiling, Counted, Work, floor_s, picture_s, predicted_s

WORK = Work(flops=1_000, weights=10, activations=40)
FULL = Ceiling(dtype="float32", flops_per_s=100.0, bytes_per_s=1_000.0, number_bytes=4)
HALF = Ceiling(dtype="bfloat16", flops_per_s=400.0, bytes_per_s=1_000.0, number_bytes=2)
COUNTED = Counted(
    width=512, height=512, step=WORK, decode=Work(flops=500, weights=0, activations=0), ceilings=(FULL, HALF)
)


@pytest.mark.parametrize(("bytes_per_s", "seconds"), [(1_000.0, 10.0), (10.0, 20.0)])
def test_multiplications_or_bytes_whichever_takes_longer(bytes_per_s: float, seconds: float) -> None:
    assert floor_s(WORK, Ceiling(dtype="x", flops_per_s=100.0, bytes_per_s=bytes_per_s, number_bytes=4)) == seconds


def test_a_picture_is_its_steps_and_a_decode() -> None:
    assert picture_s(COUNTED, FULL, steps=3) == 35.0


def test_ceilings_are_found_by_number_format() -> None:
    assert COUNTED.ceiling("float32") == FULL
    assert COUNTED.ceiling("float16") is None
    assert COUNTED.best == HALF


def test_it_comes_back_from_its_dict() -> None:
    assert Counted.from_dict(asdict(COUNTED)) == COUNTED


def test_a_prediction_is_slower_than_the_floor_and_a_faster_card_sooner_done() -> None:
    step = Work(flops=1_600_000_000_000, weights=860_000_000, activations=890_000_000)
    least_s, fast_s, slow_s = predicted_s(step, CARDS[0])
    assert least_s < fast_s < slow_s
    assert predicted_s(step, CARDS[1]) > (least_s, fast_s, slow_s)
