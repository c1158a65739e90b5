"""A health document of a daemon that is well, with changes."""

from __future__ import annotations

from typing import Any

from aura_daemon.formats.file_types import HEALTH_SCHEMA
from aura_daemon.health.document import (
    CurrentJob,
    Health,
    MemoryRecord,
    Status,
    WorkerMemory,
    WorkerRecord,
    WorkerState,
)

MIB = 1 << 20


def worker(name: str, current: CurrentJob | None = None, **changes: Any) -> WorkerRecord:
    """What the daemon would say of a worker on a node of its own; `current`: the job that it runs, and no other."""
    fields: dict[str, Any] = {
        "name": name,
        "node": f"box-{name}",
        "state": WorkerState.RUNNING if current is not None else WorkerState.IDLE,
        "device": "cuda:0",
        "device_name": "NVIDIA H200",
        "dtype": "float16",
        "rung": "resident",
        "models": ["sd-1.4"],
        "jobs": [current.id] if current is not None else [],
        "current": current,
        "memory": WorkerMemory(worker_bytes=MIB, device_used_bytes=2 * MIB, device_free_bytes=3 * MIB),
    }
    return WorkerRecord(**{**fields, **changes})


def health_document(**changes: Any) -> Health:
    """What the daemon would say; `changes`: fields by name."""
    fields: dict[str, Any] = {
        "schema": HEALTH_SCHEMA,
        "status": Status.OK,
        "since": "2026-01-01T00:00:00+00:00",
        "heartbeat": "2026-01-01T00:01:00+00:00",
        "pid": 1,
        "version": "0",
        "inbox": "/in",
        "outbox": "/out",
        "sources": "archive",
        "jobs": {"queued": 2, "running": 1, "delivering": 0, "done": 7, "failed": 3},
        "queue_depth": 3,
        "unsettled_files": 4,
        "oldest_waiting": "cat.yaml",
        "oldest_waiting_s": 12.5,
        "conflict_copies": ["a (conflict).yaml"],
        "left_alone": {"no job": 5, "ignored": 1},
        "current": None,
        "holdups": [],
        "device": "cpu",
        "device_name": "a CPU",
        "dtype": "float32",
        "rung": "cpu",
        "models": ["aura-mini"],
        "memory": MemoryRecord(
            daemon_bytes=40 * MIB,
            worker_bytes=None,
            device_used_bytes=None,
            device_free_bytes=2 * MIB,
            machine_available_bytes=1000 * MIB,
        ),
        "last_error": None,
        "job_p50_s": None,
        "job_p95_s": None,
        "archive_bytes": 9,
        "polls_because": "",
        "event_losses": 0,
        "versions": {},
    }
    return Health(**{**fields, **changes})
