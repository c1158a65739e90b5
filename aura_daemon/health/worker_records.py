"""The workers in the health document. In: slots of the pool. Out: a record of each, and why none takes jobs."""

from __future__ import annotations

from collections.abc import Sequence

from aura_daemon.health.document import CurrentJob, Holdup, WorkerMemory, WorkerRecord, WorkerState
from aura_daemon.health.holdups import WORKERS
from aura_daemon.workers.pool import Slot


def worker_name(slots: Sequence[Slot], slot: Slot) -> str:
    """Its name; that of one among several is its number where it has none."""
    return slot.name or (str(slots.index(slot) + 1) if len(slots) > 1 else "")


def worker_record(name: str, slot: Slot, current: CurrentJob | None) -> WorkerRecord:
    """Where a worker is and what it does. `current`: the first job that it runs."""
    worker, conditions, memory = slot.worker, slot.conditions or slot.ready, slot.memory
    if slot.ready is not None and conditions is not None and conditions.device_name != slot.ready.device_name:
        conditions = slot.ready  # it has another place since its last job
    state = _state(slot)
    if state is WorkerState.WAITING:
        return WorkerRecord(name=name, state=state, trouble=worker.trouble)
    return WorkerRecord(
        name=name,
        node=worker.node,
        state=state,
        trouble="" if worker.takes_batches else worker.trouble,
        device=conditions.device if conditions else None,
        device_name=conditions.device_name if conditions else None,
        dtype=conditions.dtype if conditions else None,
        rung=conditions.rung if conditions else None,
        models=list(dict.fromkeys(filter(None, (*slot.models, slot.new_model)))),
        jobs=list(slot.running),
        current=current,
        memory=WorkerMemory(
            worker_bytes=worker.resident_bytes,
            device_used_bytes=memory.device_used_bytes if memory else None,
            device_free_bytes=memory.device_free_bytes if memory else None,
        ),
    )


def no_worker(slots: Sequence[Slot], queued: int, since: str) -> Holdup | None:
    """The hold-up of queued jobs while no worker takes any, and one knows why; else None. `queued`: how many."""
    if not queued or any(slot.worker.takes_batches for slot in slots):
        return None
    troubles = list(dict.fromkeys(slot.worker.trouble for slot in slots if slot.worker.trouble))
    if not troubles:
        return None  # they have just begun to look for a place
    jobs = "1 job waits" if queued == 1 else f"{queued} jobs wait"
    mend = f"{jobs} for a worker: nothing is lost, and they begin as soon as one has a place."
    return Holdup(what=WORKERS, reason="; ".join(troubles), mend=mend, since=since, retry_in_s=0.0)


def _state(slot: Slot) -> WorkerState:
    if slot.running:
        return WorkerState.RUNNING
    if slot.seeks_place:
        return WorkerState.WAITING
    return WorkerState.IDLE if slot.worker.is_running else WorkerState.OFF
