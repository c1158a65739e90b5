"""Which worker is left out because its device, or its machine, is broken. In: outcomes, by worker. Out: hold-ups.

Only where there are several: what fails on the only worker that is left holds up its model, as with one. A worker that
is left out is started anew after a time that doubles with every failure, and what it had goes elsewhere uncounted. A
node that lacks a model is left out for that model alone, as long as another node may have it.

A node that is lost takes no attempt from the jobs that it ran; but one that ran on the last two that were lost has
maybe taken them down: from then on each costs it an attempt, as each worker does that a job takes with it.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Final

from loguru import logger

from aura_daemon.health.holdups import LACKING, LEFT_OUT, Holdups
from aura_daemon.health.worker_records import worker_name
from aura_daemon.jobs.results import Failure, FailureKind, Outcome, Produced
from aura_daemon.journal.records import Job
from aura_daemon.workers.pool import Slot, WorkerPool
from aura_daemon.workers.protocol import NO_DEVICE, Finished, Ready

MOST_ENDED: Final = 3
"""Jobs in a row with which a worker ended, or hung, while others succeeded, after which it is left out."""

MOST_LOST: Final = 1000
"""Jobs that are remembered because they ran on a node that was lost; beyond that all are forgotten."""

_AGAIN: Final = "{}; so was the node of its attempt before, so that this one counts"

_ELSEWHERE: Final = "The jobs that need it go to other nodes; the node is asked again by itself."

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
        self._lost_nodes: set[str] = set()
        """Ids of jobs whose last attempt ended with its node."""
        self._lacking: dict[str, str] = {}
        """Name of a hold-up of what jobs need -> the node that lacks it."""

    def is_left_out(self, slot: Slot, now: float) -> bool:
        """Whether a worker gets no job now."""
        return self._holdups.is_held(self._names[slot], now)

    def takes_jobs(self, slot: Slot, now: float) -> bool:
        """Whether a worker takes jobs, now or soon: it is not left out, and has a place or may find one."""
        return not self.is_left_out(slot, now) and slot.may_find_place(now, self._patience_s)

    def device_names(self) -> Collection[str]:
        """The models of device of all workers that take jobs, one not yet known included; none of a single worker."""
        if len(self._pool.slots) == 1:
            return ()
        now = time.monotonic()
        slots = [slot for slot in self._pool.slots if self.takes_jobs(slot, now) and not slot.lacks_device]
        return tuple(dict.fromkeys(slot.attempts_on for slot in slots))

    def has_ended_with(self, slot: Slot, job_id: str) -> bool:
        """Whether a worker ended, or hung, with a job since it last succeeded."""
        return job_id in self._in_a_row[slot].job_ids

    def lacks(self, slot: Slot, needs: str, now: float) -> bool:
        """Whether a worker stands on a node that lately lacked what jobs need (`journal.records.Job.needs`)."""
        return bool(slot.worker.node) and self._holdups.is_held(LACKING.format(needs, slot.worker.node), now)

    def forget_nodes(self) -> None:
        """Removes the hold-ups of nodes on which no worker stands any more."""
        nodes = {slot.worker.node for slot in self._pool.slots}
        for name, node in list(self._lacking.items()):
            if node not in nodes:
                del self._lacking[name]
                self._holdups.clear(name)

    def judged(self, slot: Slot, job: Job, model: str, finished: Finished) -> Outcome:
        """The outcome of a job; of a worker that is left out for it, a failure that does not count for the job."""
        in_a_row, outcome = self._in_a_row[slot], finished.outcome
        if isinstance(outcome, Failure) and finished.lost_node:
            return self._judged_loss(job.id, outcome)
        if isinstance(outcome, Produced) or outcome.kind is not FailureKind.INTERRUPTED:
            self._lost_nodes.discard(job.id)
        if isinstance(outcome, Produced):
            self._succeeded(slot)
            self._clear_lack(LACKING.format(job.needs, slot.worker.node))
            return outcome
        if outcome.kind in (FailureKind.CRASHED, FailureKind.DEADLINE):
            in_a_row.job_ids.add(job.id)
            is_its_own = len(in_a_row.job_ids) >= MOST_ENDED and in_a_row.others_succeed
        elif outcome.kind is FailureKind.MODEL_UNAVAILABLE:
            if not slot.lacks_device and self._is_elsewhere(slot, job.needs, outcome):
                return replace(outcome, kind=FailureKind.INTERRUPTED)
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

    def _judged_loss(self, job_id: str, failure: Failure) -> Failure:
        """The failure of a job that ended with its node; it counts where that of the attempt before did so too."""
        if job_id in self._lost_nodes:
            return replace(failure, kind=FailureKind.CRASHED, message=_AGAIN.format(failure.message), mend="")
        if len(self._lost_nodes) >= MOST_LOST:
            self._lost_nodes.clear()
        self._lost_nodes.add(job_id)
        return failure

    def _is_elsewhere(self, slot: Slot, needs: str, failure: Failure) -> bool:
        """Holds up what jobs need on the node of a worker alone, where another node may have it; else False."""
        now, node = time.monotonic(), slot.worker.node
        may_have_it = [
            other
            for other in self._pool.slots
            if other.worker.takes_batches
            and other.worker.node not in ("", node)
            and not self.is_left_out(other, now)
            and not self.lacks(other, needs, now)
        ]
        if not node or not may_have_it:
            return False
        name = LACKING.format(needs, node)
        if not self._holdups.is_held(name, now):  # all jobs of a batch say it
            self._lacking[name] = node
            mend = " ".join(filter(None, (failure.mend, _ELSEWHERE)))
            wait_s = self._holdups.fail(name, reason=f"{failure.message} on {node}", mend=mend, now=now)
            logger.warning("{} is not tried for {:g} s: {}", name, wait_s, failure.message)
        return True

    def _clear_lack(self, name: str) -> None:
        if self._lacking.pop(name, None) is not None and self._holdups.clear(name):
            logger.info("{} works again", name)

    def _is_loaded_elsewhere(self, slot: Slot, model: str) -> bool:
        return any(model in other.models for other in self._pool.slots if other is not slot)
