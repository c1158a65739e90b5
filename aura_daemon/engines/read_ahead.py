"""Pictures are read before the model needs them: those of the next batch in a thread while it works on this one.

In: an attempt at tasks. Out: its tasks with their pictures; those whose pictures cannot be read have ended.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any, TypeAlias

from loguru import logger

from aura_daemon.engines.attempt import EngineAttempt
from aura_daemon.engines.fault_teller import FaultTeller
from aura_daemon.engines.interface import DecodedTask, Family
from aura_daemon.engines.placement.loaded_models import Engine
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.jobs.tasks import Task

AnyFamily: TypeAlias = Family[Any, Any]


class PictureReader:
    """Reads the pictures of tasks, with one thread at most one batch ahead.

    Nobody else may read pictures between `begin` and `decoded`: Pillow's limits are global variables.
    """

    def __init__(self, faults: FaultTeller, give_up_models: Callable[[], None]) -> None:
        """`give_up_models`: called where there was no memory to read in: the next attempt has what they took."""
        self._faults = faults
        self._give_up_models = give_up_models
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead")  # starts when it is needed
        self._reading: dict[str, Future[Any]] = {}

    def decoded(self, attempt: EngineAttempt, family: AnyFamily) -> list[DecodedTask[Any]]:
        """The tasks whose files can be decoded, ahead or now; the others end here."""
        ahead = self._taken()

        def picture_of(task: Task) -> Any:
            return ahead[task.job_id].result() if task.job_id in ahead else family.decode(task)

        tasks = [DecodedTask(task=task, picture=None) for task in attempt.tasks]
        return self._read(attempt, tasks, lambda one: picture_of(one.task))

    def prepared(
        self, attempt: EngineAttempt, family: AnyFamily, engine: Engine, decoded: Sequence[DecodedTask[Any]]
    ) -> list[DecodedTask[Any]]:
        """The tasks with what the engine takes of their pictures; those that cannot be prepared end here."""
        return self._read(attempt, decoded, lambda one: family.prepare(engine, one.picture))

    def begin(self, tasks: Sequence[Task], family: AnyFamily, engine: Engine) -> None:
        """Starts to read and to prepare the pictures of these tasks; what was read before is given up."""
        self.stop()

        def read(task: Task) -> Any:
            picture = family.decode(task)
            return picture if isinstance(picture, Failure) else family.prepare(engine, picture)

        self._reading = {task.job_id: self._thread.submit(read, task) for task in tasks}

    def stop(self) -> None:
        """Waits for the picture that is being read, and gives up all."""
        for future in self._reading.values():
            future.cancel()
        self._taken()

    def _taken(self) -> Mapping[str, Future[Any]]:
        """By job, what was read or the exception that this picture raised; waits for the last one."""
        reading, self._reading = self._reading, {}
        wait(reading.values())
        return reading

    def _read(
        self, attempt: EngineAttempt, tasks: Sequence[DecodedTask[Any]], read: Callable[[DecodedTask[Any]], Any]
    ) -> list[DecodedTask[Any]]:
        """The tasks with what `read` makes of them; those of which it makes nothing end here."""
        decoded: list[DecodedTask[Any]] = []
        for one in tasks:
            try:
                picture = read(one)
            except Exception as error:  # noqa: BLE001 - one picture is no reason to end the others
                picture = self._faults.told(error, attempt)
                logger.error("{}", traceback.format_exc())
            if isinstance(picture, Failure):
                if picture.kind is FailureKind.OUT_OF_MEMORY:
                    self._give_up_models()
                attempt.end(one.task, picture)
            else:
                decoded.append(replace(one, picture=picture))
        return decoded
