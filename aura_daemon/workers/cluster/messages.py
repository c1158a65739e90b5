"""The typed messages between the daemon and the driver, the child process that speaks to the Ray cluster.

Down: `Connect` once, then `ToSlot`. Up: `FromSlot`, `Connected` or `Refused`. A slot is a worker of the daemon, an
actor of Ray. `attempt` counts what the daemon has asked a slot for: what comes with an older one is late and is
dropped, because an actor that Ray has given up may go on with its job and still have something to say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.cluster import ClusterSettings
from aura_daemon.config.workers.shut_in import ShutIn
from aura_daemon.jobs.results import Failure
from aura_daemon.workers.protocol import Batch, Cancel, Up


@dataclass(frozen=True, kw_only=True, slots=True)
class Connect:
    """First message down: the cluster, and what its actors are."""

    cluster: ClusterSettings
    engine: EngineSettings
    shut_in: ShutIn
    log_level: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Begin:
    """Start the actor, where none runs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """End the actor, whatever it does; a place that it waits for is not wanted any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ToSlot:
    """Something for one slot."""

    slot: int
    attempt: int
    message: Batch | Cancel | Begin | End


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """The actor runs, and has said what it found."""

    node: str
    """The node's name or address."""
    pid: int
    """On that node."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """No node has room for the actor yet; said again and again, as long as that is so."""

    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ActorEnded:
    """The actor is gone, with what it ran."""

    failure: Failure
    was_oom_killed: bool = False
    """Whether the kernel of its node took it, as memory ran out there."""
    lost_node: bool = False
    """Whether its node has gone with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FromSlot:
    """Something from one slot."""

    slot: int
    attempt: int
    message: Up | Settled | Waiting | ActorEnded = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Connected:
    """The driver has found the cluster."""

    nodes: int
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """The cluster cannot be used, and the driver ends."""

    why: str
    mend: str


ToDriver: TypeAlias = Connect | ToSlot
FromDriver: TypeAlias = FromSlot | Connected | Refused
