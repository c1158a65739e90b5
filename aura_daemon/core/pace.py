"""How long a picture takes on a rung, from what was measured on this device. In: measurements, a size. Out: seconds."""

from __future__ import annotations

from collections.abc import Sequence

from aura_daemon.core.budget import Extent, Measured
from aura_daemon.core.ladder import Rung


def picture_s(measured: Sequence[Measured], rung: Rung, extent: Extent, steps: int) -> float | None:
    """Seconds of denoising for one picture of a batch; None where nothing was measured on this rung.

    The size that comes nearest counts, scaled by pixels: attention grows faster than they do, so this is about right
    only near what was measured. `measured`: of one model, device and number format.
    """
    timed = [one for one in measured if one.rung is rung and one.step_s and one.load]
    if not timed:
        return None
    load = extent.pixels * extent.batch
    nearest = min(timed, key=lambda one: max(one.load / load, load / one.load))
    return nearest.step_s / nearest.load * extent.pixels * steps
