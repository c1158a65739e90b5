"""How long a picture takes on a rung, from what was measured on this device. In: measurements, a size. Out: seconds."""

from __future__ import annotations

from collections.abc import Sequence

from aura_daemon.core.budget import Extent, Measured
from aura_daemon.core.ladder import Rung


def picture_s(measured: Sequence[Measured], rung: Rung, extent: Extent, steps: int) -> float | None:
    """Seconds of denoising for one picture of a batch; None where nothing was measured on this rung.

    The size that comes nearest counts, scaled by the pixels of all rows: attention grows faster than they do, so this
    is about right only near what was measured. `measured`: of one model, device and number format.
    """
    timed = {one.extent.load: one.step_s for one in measured if one.rung is rung and one.step_s and one.extent.load}
    if not timed:
        return None
    nearest = min(timed, key=lambda load: max(load / extent.load, extent.load / load))
    return timed[nearest] / nearest * extent.load / extent.batch * steps
