"""How many threads of the CPU compute: one for small work, else torch's choice or the configured number.

Threads meet at the end of every operation, and one that waits must be woken (`OMP_WAIT_POLICY`, see
`workers.child_main`). Where the operations are small, that takes longer than they do: see "Levers" in BENCHMARKS.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from aura_daemon.engines.placement.devices import Placement
from aura_daemon.jobs.results import EAGER
from aura_daemon.ladder.prediction import Extent, Footprint

SMALL_WORK: Final = 1e8
"""Parameters times rows, rows larger than the model's own size counting for more: up to here one thread is faster.

Measured on two cores with the embedded model: at 192x192 one thread took 0.9 of the time of two, at 256x256 1.0 to 1.3.
"""


def is_small_work(placement: Placement, footprint: Footprint, extent: Extent) -> bool:
    """Whether one thread of the CPU computes this as fast as several.

    Never of engines other than PyTorch: they have threads of their own.
    """
    rows = extent.batch * (2 if extent.guided else 1) if extent.pixels else extent.captions
    larger = max(1.0, extent.pixels / footprint.native_px**2)
    is_eager = placement.on_cpu and placement.variant == EAGER
    return is_eager and footprint.parameters * rows * larger <= SMALL_WORK


@contextmanager
def one_thread(wanted: bool) -> Iterator[None]:
    """One thread computes in the block, where that is wanted."""
    before = torch.get_num_threads()
    if wanted:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if wanted:
            torch.set_num_threads(before)
