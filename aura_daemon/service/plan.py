"""What a service is to be: whose, with which folders, devices and network. In: nothing. Out: a plan as data."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

WRITTEN_BY: Final = "Written by `aura-daemon service install`"
"""Stands in every file that `install` writes, and in no other."""

NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,30}")
"""What a service may be called: a name of folders and of units."""

_SHARED: Final = frozenset({"/var/lib", "/var/cache", "/var/tmp", "/usr/local", "/usr/share", "/run/user"})
_HOMES: Final = ("/home", "/Users")


class Scope(StrEnum):
    """Whose service."""

    SYSTEM = "system"
    """The machine's: it runs from boot on, as a user of its own."""
    USER = "user"
    """A person's: it runs while they are logged in, or always where they linger."""


class Network(StrEnum):
    """What the service may reach."""

    NONE = "none"
    LOOPBACK = "loopback"
    """This machine alone, which reads health and metrics."""
    FULL = "full"
    """Hubs too, from which models are fetched, or whoever reads health and metrics from elsewhere."""


class Cluster(StrEnum):
    """Where a Ray cluster is that runs the jobs."""

    NONE = "none"
    OWN = "own"
    """It starts and ends with the daemon."""
    JOINED = "joined"
    """A node of it runs beside the service, which must see the node's processes and sockets."""


class GpuKind(StrEnum):
    """Whose devices the service may use."""

    NVIDIA = "nvidia"
    ROCM = "rocm"
    """AMD's; Intel's lie in the same folder."""
    WSL = "wsl"
    """Windows' GPU, within WSL2."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServicePlan:
    """Everything that a unit or a plist says."""

    name: str
    scope: Scope
    command: tuple[str, ...]
    """Runs the daemon, with all its arguments."""
    description: str
    inbox: str
    outbox: str
    state: str | None
    """As configured; None: where the service manager, or XDG, has it."""
    read: tuple[str, ...] = ()
    """Other places that must be readable: the program, the configuration, models."""
    written: tuple[str, ...] = ()
    """Other folders that are written to: of the metrics' textfile, of the HTTP server's socket."""
    models: str | None = None
    """The folder for models from the hub; None: the service's cache folder, or the user's own."""
    network: Network = Network.NONE
    cluster: Cluster = Cluster.NONE
    gpus: tuple[GpuKind, ...] = ()
    user: str = ""
    """The account that it runs as; empty in the scope of a user."""
    group: str = ""
    further_groups: tuple[str, ...] = ()
    """Of the devices."""
    stop_timeout_s: float = 30.0
    home: str | None = None
    """The home folder of its user."""

    @property
    def fetches(self) -> bool:
        """Whether models may be fetched."""
        return self.network is Network.FULL


def writable(inbox: str, outbox: str) -> tuple[str, ...]:
    """The folders that the service writes to: the one above both, or where that is everybody's, the two.

    Each path that a service manager opens is a mount of its own, and no file can be renamed from one mount to another.
    """
    above = common_parent((inbox, outbox))
    return (above,) if above is not None else (inbox, outbox)


def common_parent(folders: Sequence[str]) -> str | None:
    """The nearest folder above all of them; None where it is `/`, `/srv`, a home folder, or shared by everyone."""
    shared = posixpath.commonpath([posixpath.dirname(folder) for folder in folders])
    depth = len(shared.strip("/").split("/"))
    is_home = posixpath.dirname(shared) in _HOMES
    return None if depth < 2 or is_home or shared in _SHARED else shared


def lies_in_homes(plan: ServicePlan) -> bool:
    """Whether anything that the service needs lies where people's files lie."""
    needed = (
        plan.inbox,
        plan.outbox,
        *plan.read,
        *plan.written,
        *(place for place in (plan.state, plan.models) if place),
    )
    return any(place.startswith(("/home/", "/root/", "/run/user/")) for place in needed)
