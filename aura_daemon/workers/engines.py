"""The engines as the child serves them. In: tasks. Out: their outcomes, and their news as messages.

Imported by the child alone, once its environment is set: importing this imports torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aura_daemon.core.job import Failure, Outcome
from aura_daemon.core.settings import EngineSettings
from aura_daemon.engines.libraries import quiet_libraries, versions
from aura_daemon.workers.protocol import Loading, Memory, Progress, Ready, Task

if TYPE_CHECKING:
    from aura_daemon.workers.child import Say

quiet_libraries()

from aura_daemon.engines.session import Session  # noqa: E402 - the libraries talk while they are imported


class EngineRunner:
    """A session of the engines that speaks the protocol."""

    def __init__(self, settings: EngineSettings) -> None:
        self._session = Session(settings)

    def ready(self) -> Ready:
        """The device as it was found."""
        placement = self._session.placement
        if isinstance(placement, Failure):
            return Ready(device="none", device_name=placement.message, dtype="", rung="", versions=versions())
        return Ready(
            device=placement.device,
            device_name=placement.device_name,
            dtype=placement.dtype,
            rung=placement.rung,
            versions=versions(),
        )

    def run(self, task: Task, say: Say) -> Outcome:
        """One task on the session."""
        return self._session.run(
            task.request, task.image, task.image_name, _Told(task.job_id, say), mask=task.mask, cells=task.cells
        )

    def memory(self) -> Memory:
        """The device's memory and this process's."""
        figures = self._session.memory()
        return Memory(
            device_used_bytes=figures.used_bytes,
            device_free_bytes=figures.free_bytes,
            resident_bytes=figures.resident_bytes,
        )

    def models(self) -> tuple[str, ...]:
        """Names of the loaded models."""
        return self._session.models


class _Told:
    """An engine's report as messages about one job."""

    def __init__(self, job_id: str, say: Say) -> None:
        self._job_id = job_id
        self._say = say

    def loading(self, model: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        self._say(Loading(model=model, done_bytes=done_bytes, total_bytes=total_bytes))

    def stepped(self, step: int, steps: int, preview: bytes = b"") -> None:
        self._say(Progress(job_id=self._job_id, step=step, steps=steps, preview=preview))
