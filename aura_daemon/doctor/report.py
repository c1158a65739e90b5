"""The report of `doctor`: the machine, what torch finds on it, the models, and a plan. In and out: JSON.

A request goes to a short-lived child that may import torch, and its answer comes back as a part of the report.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from aura_daemon.config.engine import EngineSettings
from aura_daemon.jobs.requests import JobKind
from aura_daemon.ladder.prediction import Measured
from aura_daemon.ladder.rungs import Rung

REPORT_SCHEMA: Final = "aura-daemon/doctor/1"

CPU_FLAGS: Final = ("amx_bf16", "avx512_bf16", "avx2")
"""Abilities of a processor that matter here: with the first two, bfloat16 is the fastest number format."""


class _ReportModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlanRequest(_ReportModel):
    """The pictures that a ladder is planned for."""

    model: str
    width: int
    height: int
    batch: int = 1


class ProbeRequest(_ReportModel):
    """What the child is to find out."""

    settings: EngineSettings
    wish: PlanRequest | None = None
    measured: tuple[Measured, ...] = ()
    """With the model of `wish`."""
    held_bytes: int = 0
    """Host memory of the running daemon's worker: a job may use it."""
    held_device_bytes: int = 0
    """The same of the GPU's memory."""


class Finding(_ReportModel):
    """Something that should be mended."""

    message: str
    mend: str


class GpuUser(_ReportModel):
    """A process that uses a GPU."""

    pid: int
    name: str
    used_bytes: int = Field(description="0 where the driver does not say")


class GpuFound(_ReportModel):
    """A GPU, as its driver describes it."""

    name: str
    uuid: str = Field("", description="GPU-…; empty where the driver does not say")
    total_bytes: int
    free_bytes: int
    driver: str
    users: tuple[GpuUser, ...]


class CpuFound(_ReportModel):
    """The processor."""

    name: str
    cores: int = Field(description="that this program may use")
    flags: tuple[str, ...] = Field(description=f"of {', '.join(CPU_FLAGS)}")


class MemoryFound(_ReportModel):
    """The host's memory, in bytes."""

    total_bytes: int
    available_bytes: int
    limit_bytes: int | None = Field(description="the control group's limit; null where there is none")


class DiskFound(_ReportModel):
    """The disk of a folder in which the daemon writes."""

    what: str = Field(description="inbox, outbox, state or models")
    path: str
    exists: bool
    free_bytes: int
    total_bytes: int
    file_system: str = Field(description="empty where the system does not say")


class InotifyFound(_ReportModel):
    """Limits of the system's file events, and how much of them is used."""

    max_user_watches: int
    max_user_instances: int
    max_queued_events: int
    needed_watches: int = Field(description="one for each folder of the inbox")
    used_watches: int = Field(description="by this user's other programs, as far as /proc shows them")
    used_instances: int


class Machine(_ReportModel):
    """What can be found out without torch."""

    gpus: tuple[GpuFound, ...]
    cpu: CpuFound
    memory: MemoryFound
    disks: tuple[DiskFound, ...]
    inotify: InotifyFound | None = Field(description="null where the system has no inotify")
    wsl2: bool = Field(False, description="this Linux runs inside Windows")
    versions: dict[str, str]


class TorchFound(_ReportModel):
    """The installed torch, and where the models would run."""

    version: str
    build: str = Field(description="CPU, CUDA 12.8, ROCm 6.4, …")
    device: str = Field(description="where the top of the ladder is: cpu, cuda:0; empty where the settings forbid it")
    device_name: str
    dtype: str = Field(description="in which the models compute there")
    dtypes: tuple[str, ...] = Field(description="in which the device computes at full speed")
    capability: str = Field(description="of a CUDA device, as sm_86")
    uuid: str = Field("", description="of a CUDA device, GPU-… as its driver names it: tells which of several it is")


class ModelPresence(StrEnum):
    """Whether a model is on this machine."""

    HERE = "here"
    ABSENT = "absent"
    """The model would be fetched from the hub."""
    WRONG = "wrong"
    """The model cannot be used as it is configured."""


class ModelFound(_ReportModel):
    """A configured model."""

    kind: JobKind
    name: str
    presence: ModelPresence
    folder: str = ""
    weight_bytes: int = Field(0, description="on the disk; of an absent model: to be fetched; 0: not known")
    message: str = Field("", description="what is wrong with it")
    mend: str = ""
    engine: str = Field("", description="what computes it on the CPU, and why; empty for what has no choice")


class LadderStep(_ReportModel):
    """A rung of the ladder, for the planned pictures."""

    rung: Rung
    caption: str
    needed_bytes: int = Field(description="predicted peak of the memory in which the rung computes")
    needed_host_bytes: int = Field(description="of host memory besides")
    free_bytes: int = Field(description="of the memory in which the rung computes: what a job may take now")
    fits: int = Field(description="how many of the planned pictures can be computed at once now")
    picture_s: float | None = Field(description="by measurements on this machine; null without any")


class LadderPlan(_ReportModel):
    """The ladder for the planned pictures, and where a job would start."""

    wish: PlanRequest
    assumed: bool = Field(description="the model is not here: the figures are those of Stable Diffusion 1.4")
    steps_a_picture: int = Field(description="denoising steps on which the times are based")
    free_host_bytes: int
    ladder: tuple[LadderStep, ...]
    start: Rung | None = Field(description="null where the pictures fit on no rung")
    start_batch: int


class ProbeAnswer(_ReportModel):
    """The child's answer."""

    torch: TorchFound
    hub_cache: str
    hub_is_forbidden: bool = Field(description="HF_HUB_OFFLINE is set: no model is fetched")
    models: tuple[ModelFound, ...]
    plan: LadderPlan | None
    refusal: Finding | None = Field(description="why the settings cannot be followed here")


class SandboxFound(_ReportModel):
    """How far workers are shut in here."""

    mode: str = Field(description="as configured: auto, strict or off")
    landlock: int = Field(description="version of the kernel's interface for files; 0: none")
    seccomp: bool = Field(description="the kernel filters system calls")
    lacks: tuple[str, ...] = Field(description="what this system does not have for it")
    why: str = Field(description="why it does not; empty where nothing is missing")
    open: tuple[str, ...] = Field(description="what workers may do beside reading their models, and why")


class DoctorReport(_ReportModel):
    """The document that `doctor --json` prints."""

    schema_: Literal["aura-daemon/doctor/1"] = Field(REPORT_SCHEMA, alias="schema")
    configured_by: str
    device: str = Field(description="as configured")
    daemon_runs: bool
    daemon_silent_s: float | None = Field(None, description="how long its process, though there, has written nothing")
    held_bytes: int = Field(description="host memory of the running daemon's worker")
    held_device_bytes: int
    machine: Machine
    sandbox: SandboxFound | None = Field(None, description="null: an earlier release")
    findings: ProbeAnswer | None = Field(description="null where torch could not be asked")
    problems: tuple[Finding, ...] = ()

    def to_json(self) -> str:
        """The document, as text."""
        return self.model_dump_json(by_alias=True, indent=2)
