"""Pictures of the next batch are read in a thread while the model works on this one. In: tasks. Out: what was read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from aura_daemon.jobs.tasks import Task


class ReadAhead:
    """One thread, at most one batch ahead. Nobody else may read pictures between `begin` and `taken`: Pillow's limits
    are global variables."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead")  # starts when it is needed
        self._reading: dict[str, Future[Any]] = {}

    def begin(self, tasks: Sequence[Task], read: Callable[[Task], Any]) -> None:
        """Starts to read the pictures of these tasks; what was read before is given up."""
        self.stop()
        self._reading = {task.job_id: self._thread.submit(read, task) for task in tasks}

    def taken(self) -> Mapping[str, Future[Any]]:
        """By job, what was read or the exception that this picture raised; waits for the last one."""
        reading, self._reading = self._reading, {}
        wait(reading.values())
        return reading

    def stop(self) -> None:
        """Waits for the picture that is being read, and gives up all."""
        for future in self._reading.values():
            future.cancel()
        self.taken()
