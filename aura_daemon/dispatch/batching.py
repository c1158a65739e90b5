"""How many jobs of one batch key run together. In: configuration and measurements. Out: the largest useful batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from aura_daemon.jobs.requests import JobKind
from aura_daemon.ladder.prediction import Measured

MOST: Final = 4
"""Default batch size, in pictures, where batches pay: 8 were hardly faster on an H200 (see BENCHMARKS)."""

SHORT_STEP_S: Final = 0.05
"""So short a step of a CPU is calls of operators more than sums, and pictures share calls (see BENCHMARKS)."""

CAPTIONS: Final = 8
"""Default batch size of captions: 16 took as long a caption, on a CPU (see BENCHMARKS), and twice the memory."""

CAPTION_BATCHES: Final = 4
"""That a worker gets at once: it reads the pictures of the next meanwhile; for those of the first the model waits."""

HANDED_BYTES: Final = 128 << 20
"""Of pictures that a worker gets at once, in memory of both processes; one more picture may exceed it."""

PAYS: Final = 0.95
"""A batch is worthwhile where a picture in it takes at most this share of the time that it takes alone."""


def most_together(
    kind: JobKind,
    *,
    configured: int | None,
    on_gpu: bool,
    measured: Sequence[Measured],
    device: str,
    width: int | None = None,
    height: int | None = None,
) -> int:
    """The largest batch: as configured, else what is worthwhile; on a CPU one picture, unless its steps are short.

    `measured`: measurements of one model. A batch size that saved no time per picture is not used again. `width` and
    `height`: None for the model's own, or as the ratio of the sides makes them.
    """
    if configured is not None:
        return configured
    if kind is JobKind.CAPTION:
        return CAPTIONS
    singles = [one for one in measured if one.device == device and one.batch == 1 and one.step_s]
    if not on_gpu:
        like = [one for one in singles if width in (None, one.width) and height in (None, one.height)]
        if not like or max(one.step_s for one in like) > SHORT_STEP_S:
            return 1
    alone = {_size(one): one.step_s for one in singles}
    unpaid = [
        one.batch
        for one in measured
        if one.device == device and one.batch > 1 and one.step_s
        and one.step_s / one.batch > alone.get(_size(one), float("inf")) * PAYS
    ]  # fmt: skip
    return max(1, min([MOST, *(batch // 2 for batch in unpaid)]))


def is_full(image_bytes: Iterable[int]) -> bool:
    """Whether a worker gets no more pictures than these at once."""
    return sum(image_bytes) >= HANDED_BYTES


def _size(one: Measured) -> tuple[object, ...]:
    return one.rung, one.width, one.height, one.guided, one.variant
