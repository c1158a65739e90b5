"""Writes the health document into the state folder and the outbox; `heartbeat` reads it back.

The state folder gets the document at every change and every 10 s. The outbox is often synced to other machines: the
document there changes when the status changes, and otherwise once per `health_interval`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from loguru import logger

from aura_daemon.health.document import Health, Status
from aura_daemon.health.heartbeat import FILE_NAME
from aura_daemon.system import durable_files, private_state
from aura_daemon.system.clock import utc_now

HEARTBEAT_INTERVAL_S: Final = 10.0
"""Longest time between two writes into the state folder while the daemon runs."""

CHANGE_INTERVAL_S: Final = 0.5
"""Shortest time between two writes; faster changes (steps of a fast model) are written together."""


class HealthWriter:
    """Decides when and where the document is written, and writes it. A disk error does not stop the daemon."""

    def __init__(
        self,
        state: Path,
        write_page: Callable[[str, bytes], None],
        *,
        outbox_interval_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`write_page`: writes a file with a name and content into the outbox."""
        self._file = state / FILE_NAME
        self._temp_folder = state / "tmp"
        self._write_page = write_page
        self._outbox_interval_s = outbox_interval_s
        self._monotonic = monotonic
        self._state_written_s: float | None = None
        self._outbox_written_s: float | None = None
        self._outbox_status: Status | None = None
        self._status: Status | None = None
        self._since = ""

    def due_in_s(self, *, changed: bool) -> float:
        """Seconds until the next write; `changed`: the document's content has changed since the last one."""
        if self._state_written_s is None:
            return 0.0
        wait_s = CHANGE_INTERVAL_S if changed else HEARTBEAT_INTERVAL_S
        return max(0.0, self._state_written_s + wait_s - self._monotonic())

    def since(self, status: Status) -> str:
        """When this status began, UTC, ISO 8601."""
        if status is not self._status:
            self._status, self._since = status, utc_now()
        return self._since

    def write(self, document: Health) -> None:
        """Writes the document into the state folder, and into the outbox where it is due there."""
        now_s = self._monotonic()
        self._state_written_s = now_s
        content = document.to_json()
        try:
            # No fsync: after a power cut no daemon runs, and a heartbeat every 10 s must not wear out a disk.
            private_state.make(self._temp_folder)
            temp = self._temp_folder / FILE_NAME
            with durable_files.opened_for_writing(temp, is_private=True) as file:
                file.write(content)
            temp.replace(self._file)
        except OSError as error:
            logger.warning("the health document cannot be written: {}", error)
        is_old = self._outbox_written_s is None or now_s - self._outbox_written_s >= self._outbox_interval_s
        if document.status is self._outbox_status and not is_old:
            return
        try:
            self._write_page(FILE_NAME, content)
        except OSError as error:
            logger.warning("the health document cannot be written into the outbox: {}", error)
        self._outbox_written_s, self._outbox_status = now_s, document.status
