"""How far the processes are shut in that open strangers' pictures. In: figures. Out: figures, which cross to nodes."""

from __future__ import annotations

from dataclasses import dataclass

from aura_daemon.system.sandbox.plan import SandboxMode


@dataclass(frozen=True, kw_only=True, slots=True)
class ShutIn:
    """How far, where they write, and what stays closed."""

    mode: SandboxMode
    folder: str
    """Where each process has a folder of its own."""
    closed: tuple[str, ...]
    """The daemon's folders."""
