"""Which worker is left out because its device, or its machine, is broken. In: outcomes, by worker. Out: hold-ups.

Only where there are several: what fails on the only worker that is left holds up its model, as with one. A worker that
is left out is started anew after a time that doubles with every failure, and what it had goes elsewhere uncounted.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Final

from loguru import logger

from aura_daemon.health.holdups import LEFT_OUT, Holdups
from aura_daemon.health.worker_records import worker_name
from aura_daemon.jobs.results import FailureKind, Outcome, Produced
from aura_daemon.workers.pool import Slot, WorkerPool
from aura_daemon.workers.protocol import NO_DEVICE, Ready

MOST_ENDED: Final = 3
"""Jobs in a row with which a worker ended, or hung, while others succeeded, after which it is left out."""

_MEND: Final = "The others go on, and its jobs go to them; it is started anew by itself. See the log and the driver."


@dataclass(kw_only=True, slots=True)
class _InARow:
    """The failures of a worker since its last success."""

    job_ids: set[str] = field(default_factory=set)
    """Of the jobs with which it ended, or hung."""
    others_succeed: bool = False
    """Whether another worker succeeded meanwhile."""


class WorkerFaults:
    """The faults of the workers of one pool."""

    def __init__(self, pool: WorkerPool, holdups: Holdups, *, patience_s: float) -> None:
        """`patience_s`: how long a worker may look for a place before nothing waits for it."""
        self._pool = pool
        self._holdups = holdups
        self._patience_s = patience_s
        self._in_a_row = {slot: _InARow() for slot in pool.slots}
        self._names = {slot: LEFT_OUT.format(worker_name(pool.slots, slot)) for slot in pool.slots}
        """Of their hold-ups."""

    def is_left_out(self, slot: Slot, now: float) -> bool:
        """Whether a worker gets no job now."""
        return self._holdups.is_held(self._names[slot], now)

    def takes_jobs(self, slot: Slot, now: float) -> bool:
        """Whether a worker takes jobs, now or soon: it is not left out, and has a place or may find one."""
        return not self.is_left_out(slot, now) and slot.may_find_place(now, self._patience_s)

    def device_names(self) -> Collection[str]:
        """The models of device of all workers that take jobs, as far as they are known; none of a single worker."""
        if len(self._pool.slots) == 1:
            return ()
        now = time.monotonic()
        names = dict.fromkeys(slot.device_name for slot in self._pool.slots if self.takes_jobs(slot, now))
        return [name for name in names if name]

    def has_ended_with(self, slot: Slot, job_id: str) -> bool:
        """Whether a worker ended, or hung, with a job since it last succeeded."""
        return job_id in self._in_a_row[slot].job_ids

    def judged(self, slot: Slot, job_id: str, model: str, outcome: Outcome) -> Outcome:
        """The outcome of a job; of a worker that is left out for it, a failure that does not count for the job."""
        in_a_row = self._in_a_row[slot]
        if isinstance(outcome, Produced):
            self._succeeded(slot)
            return outcome
        if outcome.kind in (FailureKind.CRASHED, FailureKind.DEADLINE):
            in_a_row.job_ids.add(job_id)
            is_its_own = len(in_a_row.job_ids) >= MOST_ENDED and in_a_row.others_succeed
        elif outcome.kind is FailureKind.MODEL_UNAVAILABLE:
            is_its_own = slot.lacks_device or not slot.worker.is_running or self._is_loaded_elsewhere(slot, model)
        else:
            return outcome
        if not is_its_own or not self._leave_out(slot, outcome.message, outcome.mend):
            return outcome
        return replace(outcome, kind=FailureKind.INTERRUPTED)

    def look(self, slot: Slot, message: Ready) -> None:
        """Leaves out a worker that has started and found no device."""
        if message.device == NO_DEVICE:
            self._leave_out(slot, message.device_name, "")

    def _leave_out(self, slot: Slot, reason: str, mend: str) -> bool:
        """Leaves a worker out, unless no other is left; all jobs of a batch count once."""
        now, name = time.monotonic(), self._names[slot]
        if self.is_left_out(slot, now):
            return True
        if not any(self.takes_jobs(other, now) for other in self._pool.slots if other is not slot):
            return False
        place = f" on {slot.worker.node}" if slot.worker.node else ""
        mends = " ".join(filter(None, (mend, _MEND)))
        wait_s = self._holdups.fail(name, reason=f"{reason}{place}", mend=mends, now=now)
        logger.warning("{}{} is left out for {:g} s: {}", name, place, wait_s, reason)
        return True

    def _succeeded(self, slot: Slot) -> None:
        for other, in_a_row in self._in_a_row.items():
            if other is slot:
                self._in_a_row[other] = _InARow()
            elif in_a_row.job_ids:
                in_a_row.others_succeed = True
        if self._holdups.clear(self._names[slot]):
            logger.info("{} works again", self._names[slot])

    def _is_loaded_elsewhere(self, slot: Slot, model: str) -> bool:
        return any(model in other.models for other in self._pool.slots if other is not slot)
