"""What is learned about memory when a job ends. In: measurements of its model, how the job ran. Out: changed ones.

A recorded peak rises at once but falls by a quarter of the difference, so that one small run among large ones does not
lower the expectation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.ladder.prediction import REFUSED, Extent, Measured
from aura_daemon.ladder.rungs import RUNGS, Rung, at_or_below

TOO_SLOW: Final = 10.0
"""Factor on the usual time of a step: what a GPU computes in the host's memory takes longer than that."""

COMPARABLE: Final = 4.0
"""Most times as large, or as small, as another size that tells its usual time: attention grows faster than pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SlowSteps:
    """Steps of a job on a GPU that took far longer than usual."""

    rung: Rung
    step_s: float
    usual_s: float
    has_spilled: bool
    """The likely cause: the job took memory of the host, because the GPU's was used up."""

    @property
    def warning(self) -> str:
        """What happened, why, and what to do about it, on one line."""
        times = f"a step took {self.step_s:.2g} s instead of {self.usual_s:.2g} s on rung {self.rung}"
        if self.has_spilled:
            return (
                f"{times}: the GPU's memory was used up, and in WSL2 the driver gives memory of the host instead: "
                "jobs of this size go a rung lower for now; end other programs on the GPU, or lower memory_fraction"
            )
        return f"{times}: another program uses the GPU, or heat or a battery holds it back"


def slow_steps(
    measured: Sequence[Measured], conditions: RunConditions, *, step_s: float, may_spill: bool
) -> SlowSteps | None:
    """Whether the steps of a job on a GPU took `TOO_SLOW` times the usual; None also where nothing tells the usual.

    The usual is the shortest that was measured near its size on its rung, or on a lower one, where nothing is faster.
    `may_spill`: the driver gives memory of the host where the GPU's is used up; the job took more than half of the
    room there was, or memory was not the cause.
    """
    load = conditions.extent.load
    if not step_s or not load or RUNGS[conditions.rung].on_cpu:
        return None
    rungs = {rung for rung in at_or_below(conditions.rung, tuple(RUNGS)) if not RUNGS[rung].on_cpu}
    usual = [
        one.step_s * load / one.extent.load
        for one in measured
        if (one.device, one.dtype, one.variant) == (conditions.device_name, conditions.dtype, conditions.variant)
        and one.rung in rungs
        and one.step_s
        and load / COMPARABLE <= one.extent.load <= load * COMPARABLE
    ]
    if not usual or step_s < TOO_SLOW * min(usual):
        return None
    has_spilled = may_spill and 2 * conditions.peak_bytes > conditions.room_bytes
    return SlowSteps(rung=conditions.rung, step_s=step_s, usual_s=min(usual), has_spilled=has_spilled)


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


def picture_s(measured: Sequence[Measured], rung: Rung, extent: Extent, steps: float) -> float | None:
    """Seconds of denoising for one picture of a batch; None where nothing was measured on this rung.

    `steps`: those that leave nothing out, and shares of those that do. The nearest measured size is scaled by the
    pixels of all rows. Attention grows faster than pixels, so the result is about right only near what was measured.
    `measured`: of one model, device, number format and variant.
    """
    timed = {one.extent.load: one.step_s for one in measured if one.rung is rung and one.step_s and one.extent.load}
    if not timed:
        return None
    nearest = min(timed, key=lambda load: max(load / extent.load, extent.load / load))
    return timed[nearest] / nearest * extent.load / extent.batch * steps
