"""A health document, its fields as a test wants them."""

from __future__ import annotations

from typing import Any

from aura_daemon.health.document import Health, MemoryRecord, Status


def health_document(**fields: Any) -> Health:
    """The document of a daemon that is idle, with `fields` changed."""
    memory = MemoryRecord(
        daemon_bytes=1, worker_bytes=None, device_used_bytes=None, device_free_bytes=None, machine_available_bytes=1
    )
    idle: dict[str, Any] = {
        "schema": "aura-daemon/health/1",
        "status": Status.OK,
        "since": "",
        "heartbeat": "",
        "pid": 1,
        "version": "0",
        "inbox": "in",
        "outbox": "out",
        "sources": "archive",
        "jobs": {},
        "queue_depth": 0,
        "unsettled_files": 0,
        "oldest_waiting": None,
        "oldest_waiting_s": None,
        "conflict_copies": [],
        "left_alone": {},
        "current": None,
        "holdups": [],
        "device": None,
        "device_name": None,
        "dtype": None,
        "rung": None,
        "models": [],
        "memory": memory,
        "last_error": None,
        "job_p50_s": None,
        "job_p95_s": None,
        "archive_bytes": 0,
        "polls_because": "",
        "event_losses": 0,
        "versions": {},
    }
    return Health(**idle | fields)
