"""The engines as the child serves them. In: batches. Out: their outcomes, and their news as messages.

Imported by the child alone, once its environment is set: importing this imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.jobs.results import CANCELLED, Failure
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.system.library_versions import versions
from aura_daemon.workers.protocol import Batch, Loading, Memory, Placed, Progress, Ready

if TYPE_CHECKING:
    from aura_daemon.workers.runner import BatchReporter

quiet_libraries()

from aura_daemon.engines.interface import TaskResult, Work  # noqa: E402
from aura_daemon.engines.session import Session  # noqa: E402 - the libraries talk while they are imported


class EngineRunner:
    """A session of the engines that speaks the protocol."""

    def __init__(self, settings: EngineSettings) -> None:
        self._session = Session(settings)

    def ready(self) -> Ready:
        """The device as it was found."""
        devices = self._session.devices
        if isinstance(devices, Failure):
            return Ready(device="none", device_name=devices.message, dtype="", rung="", versions=versions())
        first = devices.first
        return Ready(
            device=first.device,
            device_name=first.device_name,
            dtype=first.dtype,
            rung=first.rung,
            versions=versions(),
        )

    def run(self, batch: Batch, talk: BatchReporter) -> None:
        """A batch on the session."""
        told = _Told(talk)
        works = [
            Work(
                request=task.request,
                report=told.about(task.job_id),
                image=task.image,
                image_name=task.image_name,
                mask=task.mask,
                cells=task.cells,
            )
            for task in batch.tasks
            if not told.about(task.job_id).is_cancelled
        ]
        self._session.run_all(works, told, start=batch.start, measured=batch.measured)

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


class _About:
    """An engine's report as messages about one job. One that is cancelled has its last word at once."""

    def __init__(self, job_id: str, talk: BatchReporter) -> None:
        self.job_id = job_id
        self._talk = talk
        self.is_over = False

    @property
    def is_cancelled(self) -> bool:
        if not self.is_over and self._talk.is_cancelled(self.job_id):
            self.is_over = True
            self._talk.finish(self.job_id, CANCELLED)
        return self.is_over

    def loading(self, model: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        self._talk.say(Loading(model=model, done_bytes=done_bytes, total_bytes=total_bytes))

    def stepped(self, step: int, steps: int, preview: bytes = b"") -> None:
        self._talk.say(Progress(job_id=self.job_id, step=step, steps=steps, preview=preview))


class _Told:
    """How a batch goes, as messages."""

    def __init__(self, talk: BatchReporter) -> None:
        self._talk = talk
        self._reports: dict[str, _About] = {}

    def about(self, job_id: str) -> _About:
        """The report of one job."""
        return self._reports.setdefault(job_id, _About(job_id, self._talk))

    def placed(self, works: Sequence[Work], tried: RunConditions) -> None:
        self._talk.say(Placed(job_ids=tuple(_id_of(work) for work in works), tried=tried))

    def ended(self, ended: TaskResult) -> None:
        report = self.about(_id_of(ended.work))
        if not report.is_over:
            report.is_over = True
            self._talk.finish(report.job_id, ended.outcome, tried=ended.tried, step_s=ended.step_s)


def _id_of(work: Work) -> str:
    assert isinstance(work.report, _About)
    return work.report.job_id
