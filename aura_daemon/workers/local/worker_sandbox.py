"""The sandbox of a worker or of conversions: a plan, and a folder that lives as long as the process. In: settings.

The folder lies in the state folder, of which the worker sees nothing else. It is removed when the process has ended, in
whatever way; one that a killed daemon left is removed at the next start of a worker.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.settings import Settings
from aura_daemon.config.workers.shut_in import ShutIn
from aura_daemon.system.sandbox.confining import support
from aura_daemon.system.sandbox.plan import SandboxMode, SandboxPlan
from aura_daemon.workers.local.reach import Reach, Surroundings, reach_of

POINTED_THERE: Final = (
    *("TMPDIR", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "TORCH_HOME", "TRITON_HOME", "CUDA_CACHE_PATH"),
    *("HF_MODULES_CACHE", "HF_ASSETS_CACHE", "MIOPEN_USER_DB_PATH", "MIOPEN_CUSTOM_CACHE_DIR", "AMD_COMGR_CACHE_DIR"),
)
"""Variables of libraries that name a folder to write in. HOME stays, as `~` in the names of models means it."""

MEMORY_TIMES: Final = 4
LEAST_DATA_BYTES: Final = 64 << 30
"""What a worker may have mapped of its own (RLIMIT_DATA): so many times the machine's memory, or its control group's.

A model's files are mapped whole, for each thread a stack, and by CUDA much that is never used: only what no model comes
near is refused. RLIMIT_AS counts what is merely set aside, too, and lets no CUDA start.
"""

NOT_KNOWN_YET: Final = "nodes of a cluster: each says what it lacks when a worker starts there"


class WorkerSandbox:
    """Makes a folder and a plan for each process of a worker."""

    def __init__(
        self,
        settings: EngineSettings,
        shut_in: ShutIn,
        *,
        name: str = "",
        reaches: Callable[[Surroundings], Reach] = reach_of,
        total_bytes: Callable[[], int] | None = None,
    ) -> None:
        """`name`: of the worker. `reaches`: what it needs. `total_bytes`: the machine's memory; else asked."""
        self._settings = settings
        self._shut_in = shut_in
        self._reaches = reaches
        self._total_bytes = total_bytes or _total_bytes
        self._base = Path(shut_in.folder)
        self._prefix = f"{os.getpid()}-{name.replace(' ', '') or 'only'}-"
        self._folder: Path | None = None

    def begin(self, environment: Mapping[str, str]) -> SandboxPlan:
        """The plan of a process that is about to start with these variables; raises OSError."""
        self.end()
        self._base.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()
        self._folder = Path(tempfile.mkdtemp(prefix=self._prefix, dir=self._base))
        reach = self._reaches(Surroundings(settings=self._settings, environment=environment))
        for folder in (*reach.writes, *reach.filled):
            with suppress(OSError):  # what is not there stays closed, and the worker says so
                os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - a text
        return SandboxPlan(
            mode=self._shut_in.mode,
            folder=str(self._folder),
            reads=reach.reads,
            writes=reach.writes,
            sets_attributes=reach.sets_attributes,
            closed=self._shut_in.closed,
            programs=reach.programs,
            data_bytes=max(LEAST_DATA_BYTES, MEMORY_TIMES * self._total_bytes()),
        )

    @property
    def variables(self) -> dict[str, str]:
        """What the process is started with."""
        return dict.fromkeys(POINTED_THERE, str(self._folder)) if self._folder is not None else {}

    def end(self) -> None:
        """Removes the folder of a process that has ended."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _sweep(self) -> None:
        """Removes what a daemon left that was killed: no other one uses this state folder."""
        for place in self._base.iterdir():
            if not place.name.startswith(f"{os.getpid()}-") or place.name.startswith(self._prefix):
                shutil.rmtree(place, ignore_errors=True)


def _total_bytes() -> int:
    from aura_daemon.system.hardware.host_memory import host_memory  # commands that start no worker need no loguru

    return host_memory().total_bytes


def what_is_open(settings: Settings) -> tuple[str, ...]:
    """What workers may do beside reading their models, a clause each; looks at the disk."""
    if settings.sandbox is SandboxMode.OFF:
        return ()
    return reach_of(Surroundings(settings=settings.engine(), environment=os.environ)).told


def what_is_lacking(settings: Settings) -> tuple[str, ...]:
    """What there is not for shutting workers in, a clause each, as far as this machine can tell."""
    if settings.sandbox is SandboxMode.OFF:
        return ()
    return (NOT_KNOWN_YET,) if settings.workers.kind == "ray" else support().missing
