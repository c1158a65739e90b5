"""How long a picture takes, from what was measured."""

from __future__ import annotations

import pytest

from aura_daemon.ladder.measurements import picture_s
from aura_daemon.ladder.prediction import Extent, Measured
from aura_daemon.ladder.rungs import Rung


def measured(width: int, height: int, step_s: float, *, batch: int = 1, rung: Rung = Rung.CPU) -> Measured:
    return Measured(
        device="x", dtype="float32", rung=rung, width=width, height=height, batch=batch, peak_bytes=1, step_s=step_s
    )


def test_what_was_measured_takes_what_it_took() -> None:
    assert picture_s([measured(512, 512, 2.0)], Rung.CPU, Extent(width=512, height=512), 25) == pytest.approx(50)


def test_another_size_is_scaled_by_pixels_from_the_nearest() -> None:
    known = [measured(512, 512, 2.0), measured(64, 64, 9.0), measured(2048, 2048, 99.0)]
    assert picture_s(known, Rung.CPU, Extent(width=1024, height=512), 10) == pytest.approx(40)


def test_a_batch_is_shared_by_its_pictures() -> None:
    known = [measured(512, 512, 4.0, batch=4)]
    assert picture_s(known, Rung.CPU, Extent(width=512, height=512, batch=4), 10) == pytest.approx(10)


def test_without_guidance_a_picture_takes_half_as_long() -> None:
    unguided = Extent(width=512, height=512, guided=False)
    assert picture_s([measured(512, 512, 2.0)], Rung.CPU, unguided, 10) == pytest.approx(10)


@pytest.mark.parametrize(
    "known", [[], [measured(512, 512, 0.0)], [measured(512, 512, 2.0, rung=Rung.RESIDENT)], [measured(0, 0, 1.0)]]
)
def test_nothing_is_said_of_what_was_never_measured(known: list[Measured]) -> None:
    assert picture_s(known, Rung.CPU, Extent(width=512, height=512), 25) is None
