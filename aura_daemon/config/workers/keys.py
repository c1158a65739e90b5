"""The keys of `workers`: on which devices jobs run, here or on a cluster. Docstrings are descriptions in the schema."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from aura_daemon.config.amounts import Number, NumberOrNull, Whole
from aura_daemon.config.paths import File
from aura_daemon.config.workers.cluster import LOCAL, ClusterSettings

DeviceName = Annotated[int, Field(ge=0, le=255)] | Literal["cpu"]


class WorkersConfig(BaseModel):
    """Who runs the jobs: processes on this machine, or actors on a Ray cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["local", "ray"] = Field("local", description="local or ray")
    devices: Literal["auto"] | tuple[DeviceName, ...] = Field(
        "auto",
        description="auto, or a list of numbers of GPUs, as nvidia-smi counts, and `cpu`; a worker on each (local)",
    )
    address: str = Field(
        LOCAL,
        pattern=r"^(local|[^\s:/]+:\d{1,5})$",
        description="HOST:PORT of the cluster's head, or local: a cluster on this machine, for trying it out (ray)",
    )
    count: Whole = Field(1, ge=1, le=1024, description="a whole number from 1: most workers at once (ray)")
    gpus: Number = Field(1, ge=0, le=16, description="a number of GPUs for each worker, a share too; 0: the CPU (ray)")
    cpus: NumberOrNull = Field(
        None,
        gt=0,
        le=1024,
        description="a number of CPUs that each worker takes of its node, or null: 1 beside a GPU, else all (ray)",
    )
    resources: dict[str, Number] = Field(
        {}, description="what else each worker takes, by the names that the nodes were started with (ray)"
    )
    token_file: File | None = Field(None, description="a file that holds the token of the cluster, or null (ray)")
    lost_after: Number = Field(
        20, ge=5, le=3600, description="a number of seconds from 5: a node that is silent for so long is given up (ray)"
    )

    def cluster(self) -> ClusterSettings:
        """What the driver is told."""
        return ClusterSettings(
            address=self.address,
            count=self.count,
            cpus=float(self.cpus) if self.cpus is not None else None,
            gpus=float(self.gpus),
            resources=tuple((name, float(amount)) for name, amount in self.resources.items()),
            token_file=str(self.token_file) if self.token_file is not None else None,
            beat_lost_s=float(self.lost_after),
        )
