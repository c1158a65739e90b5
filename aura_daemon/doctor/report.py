"""What `doctor` finds out: the machine, what torch makes of it, the models, and a plan. In and out: JSON.

The question crosses to a short-lived child that may import torch, its findings come back; all of it is one document.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from aura_daemon.config.engine import EngineSettings
from aura_daemon.jobs.requests import JobKind
from aura_daemon.ladder.prediction import Measured
from aura_daemon.ladder.rungs import Rung

SURVEY_SCHEMA: Final = "aura-daemon/doctor/1"

CPU_FLAGS: Final = ("amx_bf16", "avx512_bf16", "avx2")
"""What of a processor's abilities counts here: the first two make bfloat16 the fastest format."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# -- the question ------------------------------------------------------------------------------------------------------


class PlanRequest(_Record):
    """What the ladder is to be shown for."""

    model: str
    width: int
    height: int
    batch: int = 1


class ProbeRequest(_Record):
    """What the child is asked."""

    settings: EngineSettings
    wish: PlanRequest | None = None
    measured: tuple[Measured, ...] = ()
    """Of the wish's model."""
    held_bytes: int = 0
    """Of the host's memory, what the running daemon's worker has: a job may use that."""
    held_device_bytes: int = 0


# -- what is found without torch ---------------------------------------------------------------------------------------


class Finding(_Record):
    """Something that should be mended."""

    message: str
    mend: str


class GpuUser(_Record):
    """A process that computes on a card."""

    pid: int
    name: str
    used_bytes: int = Field(description="0 where the driver does not say")


class GpuFound(_Record):
    """A card, as its driver tells."""

    name: str
    uuid: str = Field("", description="GPU-…; empty where the driver does not say")
    total_bytes: int
    free_bytes: int
    driver: str
    users: tuple[GpuUser, ...]


class CpuFound(_Record):
    """The processor."""

    name: str
    cores: int = Field(description="that this program may use")
    flags: tuple[str, ...] = Field(description=f"of {', '.join(CPU_FLAGS)}")


class MemoryFound(_Record):
    """The host's memory, in bytes."""

    total_bytes: int
    available_bytes: int
    limit_bytes: int | None = Field(description="of the control group; null where there is none")


class DiskFound(_Record):
    """Where something is written."""

    what: str = Field(description="inbox, outbox, state or models")
    path: str
    exists: bool
    free_bytes: int
    total_bytes: int
    file_system: str = Field(description="empty where the system does not tell")


class InotifyFound(_Record):
    """Limits of the system's file events, and what is taken of them."""

    max_user_watches: int
    max_user_instances: int
    max_queued_events: int
    needed_watches: int = Field(description="one a folder of the inbox")
    used_watches: int = Field(description="by this user's other programs, as far as they can be looked into")
    used_instances: int


class Machine(_Record):
    """All that can be told without torch."""

    gpus: tuple[GpuFound, ...]
    cpu: CpuFound
    memory: MemoryFound
    disks: tuple[DiskFound, ...]
    inotify: InotifyFound | None = Field(description="null where there is none")
    versions: dict[str, str]


# -- what the child finds ----------------------------------------------------------------------------------------------


class TorchFound(_Record):
    """What torch is, and where the models would run."""

    version: str
    build: str = Field(description="CPU, CUDA 12.8, ROCm 6.4, …")
    device: str = Field(description="where the top of the ladder is: cpu, cuda:0; empty where the settings forbid it")
    device_name: str
    dtype: str = Field(description="that is computed in there")
    dtypes: tuple[str, ...] = Field(description="that the device computes in at full speed")
    capability: str = Field(description="of a CUDA device, as sm_86")
    uuid: str = Field("", description="of a CUDA device, GPU-… as its driver says it: which of several it is")


class ModelPresence(StrEnum):
    """Whether a model lies on this machine."""

    HERE = "here"
    ABSENT = "absent"
    """It would be fetched from the hub."""
    WRONG = "wrong"
    """It cannot be used as it is configured."""


class ModelFound(_Record):
    """A configured model."""

    kind: JobKind
    name: str
    presence: ModelPresence
    folder: str = ""
    weight_bytes: int = Field(0, description="on the disk; of an absent one what is to be fetched; 0: not known")
    message: str = Field("", description="what is wrong with it")
    mend: str = ""


class LadderStep(_Record):
    """A rung of the ladder, for the wish."""

    rung: Rung
    caption: str
    needed_bytes: int = Field(description="predicted peak, of the memory it computes in")
    needed_host_bytes: int = Field(description="of the host's memory besides")
    free_bytes: int = Field(description="of the memory it computes in, what a job may take now")
    fits: int = Field(description="how many of the wished pictures go at once now; 0: none")
    picture_s: float | None = Field(description="from what was measured here; null where nothing was")


class LadderPlan(_Record):
    """The ladder for a wish, and where a job would start."""

    wish: PlanRequest
    assumed: bool = Field(description="the model is not here: the figures are Stable Diffusion 1.4's")
    steps_a_picture: int = Field(description="denoising steps that the times are reckoned with")
    free_host_bytes: int
    ladder: tuple[LadderStep, ...]
    start: Rung | None = Field(description="null where it fits on no rung")
    start_batch: int


class ProbeAnswer(_Record):
    """The child's answer."""

    torch: TorchFound
    hub_cache: str
    hub_is_forbidden: bool = Field(description="HF_HUB_OFFLINE is set: nothing is fetched")
    models: tuple[ModelFound, ...]
    plan: LadderPlan | None
    refusal: Finding | None = Field(description="why the settings cannot be followed here")


# -- the document ------------------------------------------------------------------------------------------------------


class DoctorReport(_Record):
    """What `doctor --json` prints."""

    schema_: Literal["aura-daemon/doctor/1"] = Field(SURVEY_SCHEMA, alias="schema")
    configured_by: str
    device: str = Field(description="as configured")
    daemon_runs: bool
    held_bytes: int = Field(description="of the host's memory, by the running daemon's worker")
    held_device_bytes: int
    machine: Machine
    findings: ProbeAnswer | None = Field(description="null where torch could not be asked")
    problems: tuple[Finding, ...] = ()

    def to_json(self) -> str:
        """The document."""
        return self.model_dump_json(by_alias=True, indent=2)
