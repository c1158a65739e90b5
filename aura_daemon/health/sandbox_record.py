"""How far workers are shut in, for the health document. In: settings, slots of the pool. Out: a record."""

from __future__ import annotations

from collections.abc import Sequence

from aura_daemon.config.settings import Settings
from aura_daemon.health.document import SandboxRecord, SandboxState
from aura_daemon.system.sandbox.plan import SandboxMode
from aura_daemon.workers.local.worker_sandbox import what_is_lacking
from aura_daemon.workers.pool import Slot


def sandbox_record(settings: Settings, is_open: Sequence[str], slots: Sequence[Slot]) -> SandboxRecord:
    """The record; a worker that runs, or has run, knows best what it lacks."""
    found = [slot for slot in slots if slot.device is not None]
    known = what_is_lacking(settings) if settings.workers.kind == "local" or not found else ()
    told = (_on(slot.worker.node, one) for slot in found if slot.device for one in slot.device.sandbox_lacks)
    lacks = list(dict.fromkeys((*known, *told)))
    if settings.sandbox is SandboxMode.OFF:
        state = SandboxState.OFF
    else:
        state = SandboxState.PARTIAL if lacks else SandboxState.WHOLE
    return SandboxRecord(mode=settings.sandbox, state=state, lacks=lacks, open=list(is_open))


def _on(node: str, lacking: str) -> str:
    return f"{node}: {lacking}" if node else lacking
