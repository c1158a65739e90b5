"""What is told to the driver of a Ray cluster. In: figures. Out: figures."""

from __future__ import annotations

from dataclasses import dataclass

LOCAL: str = "local"
"""The address of a cluster that is started on this machine, and ends with the daemon."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterSettings:
    """Where the cluster is, and what each of its actors takes there."""

    address: str = LOCAL
    """`local`, or `HOST:PORT` of the head."""
    count: int = 1
    """Most actors."""
    cpus: float | None = None
    """None: one for a worker with a GPU, else all of a node."""
    gpus: float = 0.0
    resources: tuple[tuple[str, float], ...] = ()
    """What else the nodes offer, by name: `gpu_mem_gb`, 8."""
    token_file: str | None = None
    """Holds the token that the cluster asks for."""
    beat_lost_s: float = 20.0
    """An actor that has said nothing for so long, not even that it is alive, is given up."""
