"""One line on how the daemon is, for `systemctl status`. In: the health document. Out: the line."""

from __future__ import annotations

from typing import Final, assert_never

from aura_daemon import file_names
from aura_daemon.formats.readable import shortened
from aura_daemon.health.document import CurrentJob, Health, Status

LONGEST: Final = 200
"""Characters; the rest is cut."""


def status_line(document: Health) -> str:
    """What the daemon does now, how much waits, and what is held up."""
    parts = [_now(document)]
    waiting = document.queue_depth - document.running
    if waiting > 0:
        parts.append(f"{waiting} waiting")
    parts += [f"held up: {holdup.what} ({holdup.reason})" for holdup in document.holdups[:1]]
    if len(document.holdups) > 1:
        parts.append(f"{len(document.holdups) - 1} more held up")
    line = "; ".join(parts)
    # A reason may hold anything, and a line break would begin a new order.
    return shortened(file_names.escaped(line), LONGEST)


def _now(document: Health) -> str:
    match document.status:
        case Status.STARTING | Status.STOPPING | Status.STOPPED:
            return document.status.value
        case Status.PAUSED:
            return "paused: inbox or outbox is away"
        case Status.OK | Status.DEGRADED:
            return _job(document.current, document.running - 1) if document.current is not None else "idle"
        case _:
            assert_never(document.status)


def _job(job: CurrentJob, more: int) -> str:
    others = f" and {more} more" if more > 0 else ""
    eta = f", {job.eta_s:.0f} s to go" if job.eta_s is not None else ""
    return f"{job.kind} {job.source}{others}: {job.progress}{eta}"
