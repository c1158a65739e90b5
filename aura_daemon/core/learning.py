"""What the end of a job teaches about memory. In: what was measured of its model, how it ran. Out: what changed of it.

A peak rises at once and falls by a quarter of the difference, so that one small run among large ones is no promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aura_daemon.core.attempts import Tried
from aura_daemon.core.budget import REFUSED, Measured


def after_success(measured: Sequence[Measured], tried: Tried, *, step_s: float) -> tuple[Measured, ...]:
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


def after_refusal(measured: Sequence[Measured], tried: Tried) -> tuple[Measured, ...]:
    """Memory ran out: good jobs are counted anew, for whatever was refused on this device."""
    refused = refused_bytes(tried)
    if not refused:
        return ()
    mine = next((one for one in measured if _is_of(one, tried)), _new(tried))
    others = [one for one in measured if one is not mine and one.device == tried.device_name and one.good_since]
    return (
        *(replace(one, good_since=0) for one in others),
        replace(mine, refused_bytes=max(mine.refused_bytes, refused), good_since=0),
    )


def refused_bytes(tried: Tried) -> int:
    """Room in which memory ran out; 0 where there was not room enough to try.

    Beside other models it may be those that took more than they said, so being alone is not ruled out with it.
    """
    if tried.expected_bytes > tried.room_bytes:
        return 0
    return tried.room_bytes if tried.alone else int(tried.room_bytes / REFUSED) + 2


def _encouraged(one: Measured, tried: Tried) -> Measured:
    """After a job that went well."""
    same = (one.device, one.dtype, one.rung) == (tried.device_name, tried.dtype, tried.rung)
    no_larger = one.load <= tried.width * tried.height * tried.batch
    if same and no_larger and tried.room_bytes <= one.refused_bytes:
        return replace(one, refused_bytes=0, good_since=0)
    if same and no_larger and tried.room_bytes <= one.refused_bytes * REFUSED:
        return replace(one, good_since=0)  # there was a little more room this time: the next time there may not be
    return replace(one, good_since=one.good_since + 1) if one.refused_bytes else one


def _is_of(one: Measured, tried: Tried) -> bool:
    return (one.device, one.dtype, one.rung, one.width, one.height, one.batch) == (
        tried.device_name, tried.dtype, tried.rung, tried.width, tried.height, tried.batch
    )  # fmt: skip


def _new(tried: Tried) -> Measured:
    return Measured(
        device=tried.device_name,
        dtype=tried.dtype,
        rung=tried.rung,
        width=tried.width,
        height=tried.height,
        batch=tried.batch,
    )
