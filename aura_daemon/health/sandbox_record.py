"""How far workers are shut in, for the health document. In: settings, slots of the pool. Out: a record."""

from __future__ import annotations

from collections.abc import Sequence

from aura_daemon.config.settings import Settings
from aura_daemon.health.document import SandboxRecord, SandboxState
from aura_daemon.system.sandbox.plan import SandboxMode
from aura_daemon.workers.local.worker_sandbox import what_is_lacking
from aura_daemon.workers.pool import Slot


def sandbox_record(settings: Settings, is_open: Sequence[str], slots: Sequence[Slot]) -> SandboxRecord:
    """The record; a worker that runs knows best what it lacks."""
    told = (slot.ready.sandbox_lacks for slot in slots if slot.ready is not None)
    lacks = list(dict.fromkeys((*what_is_lacking(settings), *(one for lacking in told for one in lacking))))
    if settings.sandbox is SandboxMode.OFF or settings.workers.kind == "ray":
        state = SandboxState.OFF
    else:
        state = SandboxState.PARTIAL if lacks else SandboxState.WHOLE
    return SandboxRecord(mode=settings.sandbox, state=state, lacks=lacks, open=list(is_open))
