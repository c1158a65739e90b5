"""How many jobs are run together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aura_daemon.dispatch.batching import (
    CAPTIONS,
    HANDED_BYTES,
    MOST,
    PAYS,
    SHORT_STEP_S,
    is_full,
    most_together,
)
from aura_daemon.jobs.requests import JobKind
from aura_daemon.ladder.prediction import Measured
from aura_daemon.ladder.rungs import Rung


def row(batch: int, step_s: float, **changes: object) -> Measured:
    made = Measured(
        device="a GPU", dtype="float16", rung=Rung.RESIDENT, width=512, height=512, batch=batch, step_s=step_s
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("measured", "most"),
    [
        ([], MOST),
        ([row(1, 1.0)], MOST),
        ([row(4, 4.0)], MOST),
        ([row(1, 1.0), row(4, 4 * PAYS)], MOST),
        ([row(1, 1.0), row(4, 4 * PAYS + 0.01)], 2),
        ([row(1, 1.0), row(4, 4.0), row(2, 1.5)], 2),
        ([row(1, 1.0), row(4, 4.0), row(2, 2.0)], 1),
        ([row(1, 1.0), row(3, 3.0)], 1),
        ([row(1, 1.0), row(4, 4.0, device="another GPU")], MOST),
        ([row(1, 1.0, device="another GPU"), row(4, 4.0)], MOST),
        ([row(1, 1.0, height=912), row(4, 4.0)], MOST),
        ([row(1, 1.0, guided=False), row(4, 4.0)], MOST),
        ([row(1, 1.0, variant="compiled"), row(4, 4.0)], MOST),
        ([row(1, 1.0, rung=Rung.FP8_STORAGE), row(4, 4.0)], MOST),
        ([row(1, 0.0), row(4, 4.0)], MOST),
        ([row(1, 1.0), row(4, 0.0, refused_bytes=5)], MOST),
    ],
)
def test_a_batch_is_halved_where_a_picture_in_it_took_no_less_time_than_alone(
    measured: list[Measured], most: int
) -> None:
    assert most_together(JobKind.GENERATE, configured=None, on_gpu=True, measured=measured, device="a GPU") == most


def test_a_cpu_draws_one_at_a_time_and_what_is_configured_counts() -> None:
    assert most_together(JobKind.GENERATE, configured=None, on_gpu=False, measured=[], device="a CPU") == 1
    assert most_together(JobKind.GENERATE, configured=8, on_gpu=False, measured=[], device="a CPU") == 8
    assert (
        most_together(JobKind.GENERATE, configured=8, on_gpu=True, measured=[row(1, 1.0), row(4, 4.0)], device="a GPU")
        == 8
    )


@pytest.mark.parametrize(
    ("measured", "size", "most"),
    [
        ([row(1, SHORT_STEP_S)], (None, None), MOST),
        ([row(1, SHORT_STEP_S + 0.01)], (None, None), 1),
        ([row(1, 0.0)], (None, None), 1),
        ([row(4, 0.01)], (None, None), 1),
        ([row(1, 0.01, device="another CPU")], (None, None), 1),
        ([row(1, 0.01), row(4, 0.05)], (None, None), 2),
        ([row(1, 0.01), row(4, 0.02)], (None, None), MOST),
        ([row(1, 0.01), row(1, 9.0, width=2048)], (512, 512), MOST),
        ([row(1, 0.01), row(1, 9.0, width=2048)], (2048, 512), 1),
        ([row(1, 0.01), row(1, 9.0, width=2048)], (None, None), 1),
        ([row(1, 0.01)], (512, 576), 1),
    ],
)
def test_a_cpu_draws_together_what_it_drew_alone_in_short_steps(
    measured: list[Measured], size: tuple[int | None, int | None], most: int
) -> None:
    width, height = size
    assert most == most_together(
        JobKind.GENERATE,
        configured=None,
        on_gpu=False,
        measured=measured,
        device="a GPU",
        width=width,
        height=height,
    )


@pytest.mark.parametrize("on_gpu", [False, True])
def test_captions_go_together_on_every_device_unless_configured_otherwise(*, on_gpu: bool) -> None:
    assert most_together(JobKind.CAPTION, configured=None, on_gpu=on_gpu, measured=[], device="any") == CAPTIONS
    assert most_together(JobKind.CAPTION, configured=1, on_gpu=on_gpu, measured=[], device="any") == 1


def test_a_worker_gets_pictures_up_to_a_number_of_bytes_and_one_that_exceeds_it() -> None:
    assert not is_full([])
    assert not is_full([HANDED_BYTES - 1])
    assert is_full([HANDED_BYTES - 1, 1])
    assert is_full([HANDED_BYTES * 5])
