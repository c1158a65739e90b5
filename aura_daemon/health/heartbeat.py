"""The health document in the state folder, and whether the daemon that wrote it still runs. In: the folder, a document.

Whoever asks (`status`, `why`) reads here, without what writing takes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from aura_daemon.health.document import Health, Status
from aura_daemon.system.files import regular_files
from aura_daemon.system.processes.running import exists

STALE_S: Final = 30.0
"""A heartbeat older than this means that the daemon has ended or hangs."""

FILE_NAME: Final = "health.json"


def read(state: Path) -> Health | None:
    """The document in the state folder; None where it is missing or unreadable."""
    try:
        return Health.model_validate_json(regular_files.read(state / FILE_NAME).content)
    except (OSError, ValidationError):
        return None


def age_s(document: Health) -> float:
    """Seconds since the document was written, measured by the wall clock."""
    return (datetime.now(UTC) - datetime.fromisoformat(document.heartbeat)).total_seconds()


def is_alive(document: Health) -> bool:
    """Whether the daemon that wrote the document still runs, judged by heartbeat and process table."""
    return document.status is not Status.STOPPED and age_s(document) < STALE_S and exists(document.pid)


def is_silent(document: Health) -> bool:
    """Whether the process that wrote the document is there and writes no more: it hangs, or its number is another's."""
    return document.status is not Status.STOPPED and age_s(document) >= STALE_S and exists(document.pid)
