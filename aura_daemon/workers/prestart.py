"""Starts a worker before its first job: while the inbox is read, when memory allows. In: news of files. Out: a process.

A worker takes seconds to import its libraries. A file takes as long to settle, or to be paired, claimed and read.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from loguru import logger

from aura_daemon.system.hardware.host_memory import host_memory
from aura_daemon.workers.pool import WorkerPool

WORKER_BYTES: Final = 600 << 20
"""What a worker takes before it has loaded a model of real size; measured, with torch on a CPU."""

ROOM_BYTES: Final = 1 << 30
"""What is left to other programs: a worker that may find nothing to do must not push anything into swap."""


class Prestart(StrEnum):
    """When a worker is started before a job is there for it."""

    AUTO = "auto"
    """As soon as a file is seen that may ask for one, where there is memory for both and other programs."""
    ALWAYS = "true"
    """With the daemon, and as soon as such a file is seen, whatever the memory."""
    NEVER = "false"
    """With its first job."""


class Prestarter:
    """Starts the workers of one pool ahead."""

    def __init__(
        self,
        when: Prestart,
        pool: WorkerPool,
        *,
        available_bytes: Callable[[], int] = lambda: host_memory().available_bytes,
    ) -> None:
        self._when = when
        self._pool = pool
        self._available_bytes = available_bytes

    def begin(self) -> None:
        """The daemon starts."""
        if self._when is Prestart.ALWAYS:
            self._start()

    def expect_work(self) -> None:
        """A file was seen that may ask for a worker."""
        if self._when is not Prestart.NEVER:
            self._start()

    def _start(self) -> None:
        """Starts the worker that would get the next job, where none runs. One that died without a job stays so."""
        if any(slot.worker.is_running for slot in self._pool.slots):
            return  # a further one starts with its first job
        slot = next((slot for slot in self._pool.slots if not slot.lacks_device), self._pool.slots[0])
        if slot.running or slot.has_died_idle:
            return
        if self._when is Prestart.AUTO and self._available_bytes() < WORKER_BYTES + ROOM_BYTES:
            logger.debug("no worker is started ahead: there is too little memory")
            return
        slot.prestart()
        if slot.worker.is_running:
            logger.debug("the worker is started ahead")
