"""The examination of a machine. In: a configuration. Out: a report, never printed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aura_daemon.config.folder_checks import folders_of, misplaced
from aura_daemon.config.loading import LoadedConfig
from aura_daemon.config.settings import Settings
from aura_daemon.doctor import machine
from aura_daemon.doctor.diagnosis import complaints
from aura_daemon.doctor.probe import ProbeFailed, TorchProbe
from aura_daemon.doctor.report import REPORT_SCHEMA, DoctorReport, Finding, PlanRequest, ProbeRequest, SandboxFound
from aura_daemon.errors import JournalRefused
from aura_daemon.jobs.speed import Speed, loaded_as
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.ladder.prediction import Measured
from aura_daemon.system.sandbox.confining import support
from aura_daemon.workers.local.worker_sandbox import what_is_lacking, what_is_open

MODELS: Final = "models"
"""Name of the disk on which the hub's cache lies."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Examination:
    """A report, and texts that belong into no report."""

    report: DoctorReport
    log: tuple[str, ...]
    """What could not be read, and what a probe that failed has logged."""


class Doctor:
    """Examines the machine that it runs on. Nothing is made, loaded or fetched."""

    def __init__(self, probe: TorchProbe) -> None:
        self._probe = probe

    def examine(
        self,
        loaded: LoadedConfig,
        plan: PlanRequest | None,
        *,
        daemon_pid: int | None,
        daemon_silent_s: float | None = None,
    ) -> Examination:
        """`daemon_pid`: of the running daemon; None where none runs. `daemon_silent_s`: see `DoctorReport`."""
        settings = loaded.settings
        folders = folders_of(settings)
        found = machine.machine(settings.inbox, folders, daemon_pid=daemon_pid)
        worker = machine.worker_of(daemon_pid) if daemon_pid is not None else None
        measured, log = _measured(folders["state"], plan, settings.generate.speed)
        request = ProbeRequest(
            settings=settings.engine(),
            wish=plan,
            measured=tuple(measured),
            held_bytes=worker.own_bytes if worker is not None else 0,
            held_device_bytes=machine.device_bytes(found.gpus, worker.pid) if worker is not None else 0,
        )
        problems = [Finding(message=str(problem), mend="mend the configuration") for problem in misplaced(loaded)]
        answer = self._probe.ask(request)
        if isinstance(answer, ProbeFailed):
            problems.append(answer.complaint)
            log.append(answer.log)
        else:
            cache = machine.disk(MODELS, Path(answer.hub_cache))
            found = found.model_copy(update={"disks": (*found.disks, *((cache,) if cache is not None else ()))})
        report = DoctorReport(
            schema=REPORT_SCHEMA,
            configured_by=loaded.origin,
            device=settings.device,
            daemon_runs=daemon_pid is not None,
            daemon_silent_s=daemon_silent_s,
            held_bytes=request.held_bytes,
            held_device_bytes=request.held_device_bytes,
            machine=found,
            sandbox=_sandbox(settings),
            findings=None if isinstance(answer, ProbeFailed) else answer,
        )
        report = report.model_copy(update={"problems": (*problems, *complaints(report))})
        return Examination(report=report, log=tuple(log))


def _sandbox(settings: Settings) -> SandboxFound:
    there = support()
    lacks = what_is_lacking(settings)
    return SandboxFound(
        mode=settings.sandbox,
        landlock=there.landlock,
        seccomp=there.seccomp,
        lacks=lacks,
        why=there.why_not if lacks == there.missing else "",
        open=what_is_open(settings),
    )


def _measured(state: Path, plan: PlanRequest | None, speed: Speed) -> tuple[list[Measured], list[str]]:
    """What the journal has measured of the plan's model, nothing where nothing has run; and why it cannot be read."""
    if plan is None or not (state / FILE_NAME).exists():
        return [], []
    try:
        journal = Journal(state / FILE_NAME, read_only=True)
    except JournalRefused as error:
        return [], [f"what was measured cannot be read: {error.strerror}"]
    with closing(journal):
        return journal.measured(loaded_as(plan.model, speed)), []
