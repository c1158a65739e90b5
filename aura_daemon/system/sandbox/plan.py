"""What a process that shuts itself in keeps. Plain data, which crosses to the process before it has opened anything."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SandboxMode(StrEnum):
    """How far workers are shut in."""

    AUTO = "auto"
    """As far as the kernel can; what is missing is told."""
    STRICT = "strict"
    """Wholly, or no job runs."""
    OFF = "off"


@dataclass(frozen=True, kw_only=True, slots=True)
class SandboxPlan:
    """What a process may do beside reading its interpreter, its libraries and what describes the machine.

    Paths are absolute, and may be missing: what is not there now stays closed.
    """

    mode: SandboxMode
    folder: str = ""
    """Its own, for everything that it writes; empty: none."""
    reads: tuple[str, ...] = ()
    """Files, and folders with all that they hold."""
    writes: tuple[str, ...] = ()
    """Folders of others in which it may read and write, too."""
    sets_attributes: bool = True
    """Whether it may change modes, owners and times, where it writes in folders of others at all: the kernel then
    allows it for every file of its user."""
    closed: tuple[str, ...] = ()
    """Folders that stay so where the interpreter looks for packages in one above them, as in a checkout."""
    network: bool = False
    """Whether it may connect to other machines, and ask for their names."""
    programs: tuple[str, ...] = ()
    """Files and folders of programs that it may start, each as shut in as itself; none: it starts no process."""
    data_bytes: int | None = None
    """The most memory of its own (RLIMIT_DATA); None: no limit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SandboxSupport:
    """What this kernel has for shutting a process in."""

    landlock: int = 0
    """The version of its interface; 0: none."""
    seccomp: bool = False
    """Whether it filters system calls, and the numbers of this processor's are known here."""
    why_not: str = ""
    """Why one of them is missing, in words; empty where both are there."""

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not held off, in words."""
        files = () if self.landlock else ("Landlock: files of others can be read and written",)
        calls = () if self.seccomp else ("seccomp: the network and other programs can be reached",)
        return (*files, *calls)
