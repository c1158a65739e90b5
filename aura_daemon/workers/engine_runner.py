"""The engines as a runner of the child process. In: batches. Out: reports.

Only the child imports this module, once its environment is set: the import imports torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.services import Services
from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.engines.profiling import LateOutcomes, profiled
from aura_daemon.jobs.results import Failure
from aura_daemon.system.library_versions import versions
from aura_daemon.workers.protocol import NO_DEVICE, Batch, Memory, Ready

if TYPE_CHECKING:
    from aura_daemon.workers.runner import BatchReporter

quiet_libraries()

from aura_daemon.engines.families import families_served_by  # noqa: E402
from aura_daemon.engines.session import Session  # noqa: E402 - the libraries write while they are imported


class EngineRunner:
    """Runs batches on a session of the engines."""

    def __init__(self, settings: EngineSettings, services: Services | None = None) -> None:
        self._session = Session(settings, families=families_served_by(services), services=services)
        self._profiles = Path(settings.profiles) if settings.profiles is not None else None

    def ready(self) -> Ready:
        """The device that was found."""
        devices = self._session.devices
        if isinstance(devices, Failure):
            return Ready(device=NO_DEVICE, device_name=devices.message, dtype="", rung="", versions=versions())
        first = devices.first
        return Ready(
            device=first.device,
            device_name=first.device_name,
            dtype=first.dtype,
            rung=first.rung,
            versions=versions(),
        )

    def run(self, batch: Batch, reporter: BatchReporter) -> None:
        """Runs a batch; where profiles are wanted, one job after the other."""
        if self._profiles is None:
            self._session.run(
                batch.tasks, reporter, start=batch.start, measured=batch.measured, together=batch.together
            )
            return
        for task in batch.tasks:
            late = LateOutcomes(reporter=reporter)
            with profiled(self._profiles, task.job_id):
                self._session.run([task], late, start=batch.start, measured=batch.measured)
            late.send()

    def memory(self) -> Memory:
        """The memory of the device and of this process."""
        figures = self._session.memory()
        return Memory(
            device_used_bytes=figures.used_bytes,
            device_free_bytes=figures.free_bytes,
            resident_bytes=figures.resident_bytes,
        )

    def models(self) -> tuple[tuple[str, str], ...]:
        """Kind of job and name of each loaded model."""
        return tuple(zip(self._session.model_kinds, self._session.models, strict=True))
