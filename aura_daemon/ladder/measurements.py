"""What the end of a job teaches about memory. In: what was measured of its model, how it ran. Out: what changed of it.

A peak rises at once and falls by a quarter of the difference, so that one small run among large ones is no promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.ladder.prediction import REFUSED, Extent, Measured
from aura_daemon.ladder.rungs import Rung


def after_success(measured: Sequence[Measured], tried: RunConditions, *, step_s: float) -> tuple[Measured, ...]:
    """What it took, where that is known; one more good job for whatever was refused on this device.

    What was refused to pictures that are no larger, in no less room, is refused no more.
    """
    mine = next((one for one in measured if _is_of(one, tried)), _new(tried))
    peak = mine.peak_bytes
    if tried.peak_bytes:
        peak = max(tried.peak_bytes, peak - (peak - tried.peak_bytes) // 4)
    others = [
        encouraged
        for one in measured
        if one is not mine and one.device == tried.device_name and (encouraged := _encouraged(one, tried)) != one
    ]
    return (*others, replace(_encouraged(mine, tried), peak_bytes=peak, step_s=step_s))


def after_refusal(measured: Sequence[Measured], tried: RunConditions) -> tuple[Measured, ...]:
    """Memory ran out: good jobs are counted anew, for whatever was refused on this device."""
    refused = refused_bytes(tried)
    if not refused:
        return ()
    mine = next((one for one in measured if _is_of(one, tried)), _new(tried))
    here = [one for one in measured if one is not mine and one.device == tried.device_name]
    others = [discouraged for one in here if (discouraged := _discouraged(one, tried)) != one]
    refusals = mine.refusals + (mine.good_since > 0)  # all of a batch are told of the same one
    if refused > mine.refused_bytes * REFUSED:
        refusals = 1  # in more room than ever: that says nothing of how often
    return (
        *others,
        replace(_discouraged(mine, tried), refused_bytes=max(mine.refused_bytes, refused), refusals=refusals),
    )


def refused_bytes(tried: RunConditions) -> int:
    """Room in which memory ran out; 0 where there was not room enough to try.

    Beside other models it may be those that took more than they said, so being alone is not ruled out with it.
    """
    if tried.expected_bytes > tried.room_bytes:
        return 0
    return tried.room_bytes if tried.alone else int(tried.room_bytes / REFUSED) + 2


def _encouraged(one: Measured, tried: RunConditions) -> Measured:
    """After a job that went well."""
    if not one.refused_bytes:
        return one
    same = _is_alike(one, tried)
    no_larger = one.extent.is_within(tried.extent)
    if same and no_larger and tried.room_bytes <= one.refused_bytes:
        return replace(one, refused_bytes=0, refusals=0, good_since=0, size_good_since=0)
    of_size = one.size_good_since + one.extent.is_of_size(tried.extent)
    if same and no_larger and tried.room_bytes <= one.refused_bytes * REFUSED:
        # There was a little more room this time: the next time there may not be.
        return replace(one, good_since=0, size_good_since=of_size)
    return replace(one, good_since=one.good_since + 1, size_good_since=of_size)


def _discouraged(one: Measured, tried: RunConditions) -> Measured:
    """After a job that ran out of memory."""
    of_size = 0 if one.extent.is_of_size(tried.extent) else one.size_good_since
    return replace(one, good_since=0, size_good_since=of_size)


def _is_of(one: Measured, tried: RunConditions) -> bool:
    """Whether a measurement is of jobs of this size that ran in this way."""
    return _is_alike(one, tried) and one.extent == tried.extent


def _is_alike(one: Measured, tried: RunConditions) -> bool:
    """Whether a measurement is of jobs that ran in this way, whatever their size."""
    measured = (one.device, one.dtype, one.rung, one.variant)
    return measured == (tried.device_name, tried.dtype, tried.rung, tried.variant)


def _new(tried: RunConditions) -> Measured:
    return Measured(
        device=tried.device_name,
        dtype=tried.dtype,
        rung=tried.rung,
        width=tried.width,
        height=tried.height,
        batch=tried.batch,
        guided=tried.guided,
        variant=tried.variant,
    )


def picture_s(measured: Sequence[Measured], rung: Rung, extent: Extent, steps: int) -> float | None:
    """Seconds of denoising for one picture of a batch; None where nothing was measured on this rung.

    The size that comes nearest counts, scaled by the pixels of all rows: attention grows faster than they do, so this
    is about right only near what was measured. `measured`: of one model, device, number format and variant.
    """
    timed = {one.extent.load: one.step_s for one in measured if one.rung is rung and one.step_s and one.extent.load}
    if not timed:
        return None
    nearest = min(timed, key=lambda load: max(load / extent.load, extent.load / load))
    return timed[nearest] / nearest * extent.load / extent.batch * steps
