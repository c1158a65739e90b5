"""How many jobs of one batch key are run together. In: configuration, what was measured. Out: how many pay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aura_daemon.ladder.prediction import Measured

MOST: Final = 4
"""Pictures at once on a GPU, where nobody has said otherwise: 8 were hardly faster on an H200 (see BENCHMARKS)."""

PAYS: Final = 0.95
"""Of the time that a picture takes alone, what it may take at most in a batch that is worth it."""


def most_together(*, configured: int | None, on_gpu: bool, measured: Sequence[Measured], device: str) -> int:
    """How many are drawn at once: what is configured, else one on a CPU (it does not pay there), else what pays.

    `measured`: of one model. A batch is not tried again where a picture in it took no less time than one alone.
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


def _size(one: Measured) -> tuple[str, int, int, bool]:
    return one.rung, one.width, one.height, one.guided
