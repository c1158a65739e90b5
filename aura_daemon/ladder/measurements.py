"""What is learned about memory when a job ends. In: measurements of its model, how the job ran. Out: changed ones.

A recorded peak rises at once but falls by a quarter of the difference, so that one small run among large ones does not
lower the expectation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.ladder.prediction import REFUSED, Extent, Measured
from aura_daemon.ladder.rungs import Rung


def after_success(measured: Sequence[Measured], conditions: RunConditions, *, step_s: float) -> tuple[Measured, ...]:
    """Records the memory that a successful job took, and counts it for all that was refused on this device.

    A refusal of pictures that are no larger, in no less room, is withdrawn.
    """
    mine = next((one for one in measured if _is_of(one, conditions)), _new(conditions))
    peak = mine.peak_bytes
    if conditions.peak_bytes:
        peak = max(conditions.peak_bytes, peak - (peak - conditions.peak_bytes) // 4)
    same_device = [one for one in measured if one is not mine and one.device == conditions.device_name]
    others = [encouraged for one in same_device if (encouraged := _encouraged(one, conditions)) != one]
    return (*others, replace(_encouraged(mine, conditions), peak_bytes=peak, step_s=step_s))


def after_refusal(measured: Sequence[Measured], conditions: RunConditions) -> tuple[Measured, ...]:
    """Records that memory ran out; for all that was refused on this device, good jobs are counted from 0 again."""
    if not (refused := refused_bytes(conditions)):
        return ()
    mine = next((one for one in measured if _is_of(one, conditions)), _new(conditions))
    same_device = [one for one in measured if one is not mine and one.device == conditions.device_name]
    others = [discouraged for one in same_device if (discouraged := _discouraged(one, conditions)) != one]
    refusals = mine.refusals + (mine.good_since > 0)  # every job of a batch reports the same one
    if refused > mine.refused_bytes * REFUSED:
        refusals = 1  # there was more room than ever: earlier refusals say nothing about that
    highest = max(mine.refused_bytes, refused)
    return (*others, replace(_discouraged(mine, conditions), refused_bytes=highest, refusals=refusals))


def refused_bytes(conditions: RunConditions) -> int:
    """The room in which memory ran out; 0 where there was too little room to try.

    Beside other models, those may have taken more than expected: the result still allows a try alone in that room.
    """
    if conditions.expected_bytes > conditions.room_bytes:
        return 0
    return conditions.room_bytes if conditions.alone else int(conditions.room_bytes / REFUSED) + 2


def _encouraged(one: Measured, conditions: RunConditions) -> Measured:
    """A measurement after a successful job."""
    if not one.refused_bytes:
        return one
    same = _is_alike(one, conditions)
    no_larger = one.extent.is_within(conditions.extent)
    if same and no_larger and conditions.room_bytes <= one.refused_bytes:
        return replace(one, refused_bytes=0, refusals=0, good_since=0, size_good_since=0)
    of_size = one.size_good_since + one.extent.is_of_size(conditions.extent)
    if same and no_larger and conditions.room_bytes <= one.refused_bytes * REFUSED:
        # There was slightly more room this time; next time there may be less.
        return replace(one, good_since=0, size_good_since=of_size)
    return replace(one, good_since=one.good_since + 1, size_good_since=of_size)


def _discouraged(one: Measured, conditions: RunConditions) -> Measured:
    """A measurement after a job that ran out of memory."""
    of_size = 0 if one.extent.is_of_size(conditions.extent) else one.size_good_since
    return replace(one, good_since=0, size_good_since=of_size)


def _is_of(one: Measured, conditions: RunConditions) -> bool:
    """Whether a measurement is of jobs of this size that ran in this way."""
    return _is_alike(one, conditions) and one.extent == conditions.extent


def _is_alike(one: Measured, conditions: RunConditions) -> bool:
    """Whether a measurement is of jobs that ran in this way, whatever their size."""
    measured = (one.device, one.dtype, one.rung, one.variant)
    return measured == (conditions.device_name, conditions.dtype, conditions.rung, conditions.variant)


def _new(conditions: RunConditions) -> Measured:
    return Measured(
        device=conditions.device_name,
        dtype=conditions.dtype,
        rung=conditions.rung,
        width=conditions.width,
        height=conditions.height,
        batch=conditions.batch,
        guided=conditions.guided,
        variant=conditions.variant,
    )


def picture_s(measured: Sequence[Measured], rung: Rung, extent: Extent, steps: int) -> float | None:
    """Seconds of denoising for one picture of a batch; None where nothing was measured on this rung.

    The nearest measured size is scaled by the pixels of all rows. Attention grows faster than pixels, so the result is
    about right only near what was measured. `measured`: of one model, device, number format and variant.
    """
    timed = {one.extent.load: one.step_s for one in measured if one.rung is rung and one.step_s and one.extent.load}
    if not timed:
        return None
    nearest = min(timed, key=lambda load: max(load / extent.load, extent.load / load))
    return timed[nearest] / nearest * extent.load / extent.batch * steps
