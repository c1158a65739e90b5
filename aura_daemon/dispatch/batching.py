"""How many jobs of one batch key run together. In: configuration and measurements. Out: the largest useful batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aura_daemon.ladder.prediction import Measured

MOST: Final = 4
"""Default batch size on a GPU, in pictures: 8 were hardly faster on an H200 (see BENCHMARKS)."""

PAYS: Final = 0.95
"""A batch is worthwhile where a picture in it takes at most this share of the time that it takes alone."""


def most_together(*, configured: int | None, on_gpu: bool, measured: Sequence[Measured], device: str) -> int:
    """The largest batch: as configured, else one on a CPU (more is no faster there), else as many as are worthwhile.

    `measured`: measurements of one model. A batch size that saved no time per picture is not used again.
    """
    if configured is not None:
        return configured
    if not on_gpu:
        return 1
    alone = {_size(one): one.step_s for one in measured if one.device == device and one.batch == 1 and one.step_s}
    unpaid = [
        one.batch
        for one in measured
        if one.device == device and one.batch > 1 and one.step_s
        and one.step_s / one.batch > alone.get(_size(one), float("inf")) * PAYS
    ]  # fmt: skip
    return max(1, min([MOST, *(batch // 2 for batch in unpaid)]))


def _size(one: Measured) -> tuple[object, ...]:
    return one.rung, one.width, one.height, one.guided, one.variant
