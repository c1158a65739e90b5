"""Which jobs are drawn together. In: requests, what was measured. Out: can they, and how many pay?

Jobs go together that differ in prompt, seed and what their file is like, and in nothing that the UNet sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from aura_daemon.jobs.requests import GenerateRequest, Request
from aura_daemon.ladder.prediction import Measured

MOST: Final = 4
"""Pictures at once on a GPU, where nobody has said otherwise: 8 were hardly faster on an H200 (see BENCHMARKS)."""

PAYS: Final = 0.95
"""Of the time that a picture takes alone, what it may take at most in a batch that is worth it."""


def together(request: Request) -> GenerateRequest | None:
    """What jobs must have in common to be drawn together; None for one that is drawn alone.

    A starting image, a mask or a second pass would have to be as large as the others', so those run alone.
    """
    if not isinstance(request, GenerateRequest) or request.image is not None or request.hires is not None:
        return None
    return replace(
        request,
        prompt="",
        negative_prompt="",
        seed=None,
        format=None,
        quality=None,
        metadata=None,
        preview=0,
        output=None,
        tags=(),
        notes="",
        embedded=None,
    )


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
