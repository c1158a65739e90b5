"""A daemon with its real worker, whose events another process reads: `python -m aura_daemon.cli.bench.watched ROOT`.

Out: a line of JSON an event, with the moment on the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from aura_daemon.bench.watched_daemon import CLAIMED, DELIVERED, FAILED, PLACED, STARTED, STEPPED, WATCHING, Happening
from aura_daemon.config.settings import Settings
from aura_daemon.daemon.assembly import assemble_daemon
from aura_daemon.daemon.supervisor import SignalHandler
from aura_daemon.health.listener import (
    DaemonPhase,
    Event,
    FileHandled,
    JobDelivered,
    JobFailed,
    JobStarted,
    PhaseChanged,
)
from aura_daemon.jobs.lifecycle import SourceState
from aura_daemon.system import logs
from aura_daemon.workers.assembly import assemble_workers
from aura_daemon.workers.protocol import Placed, Progress


class _Teller:
    """Writes what happens to each job, by the name of its file."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def on_event(self, event: Event) -> None:
        match event:
            case PhaseChanged(phase=DaemonPhase.WATCHING):
                _tell(WATCHING, "")
            case FileHandled(source=source) if source.state is SourceState.ADMITTED:
                _tell(CLAIMED, source.path)
            case JobStarted(job=job, source=source):
                self._names[job.id] = source.path
                _tell(STARTED, source.path)
            case Placed(job_ids=job_ids):
                for job_id in job_ids:
                    _tell(PLACED, self._names[job_id])
            case Progress(job_id=job_id, step=1):
                _tell(STEPPED, self._names[job_id])
            case JobDelivered(delivered=delivered):
                _tell(DELIVERED, self._names[delivered.job.id])
            case JobFailed(source=source):
                _tell(FAILED, source.path)
            case _:
                pass


def _tell(what: str, name: str) -> None:
    line = Happening(what=what, name=name, at_s=time.monotonic())
    print(json.dumps({"what": line.what, "name": line.name, "at_s": line.at_s}), flush=True)


def main(root: Path) -> None:
    """Runs the daemon on `inbox`, `outbox` and `state` below `root` until it is told to stop."""
    logs.set_up("ERROR", "text")
    settings = Settings(inbox=root / "inbox", outbox=root / "outbox", state=root / "state")
    pool = assemble_workers(settings, "text", "ERROR")
    with assemble_daemon(settings, pool, listeners=[_Teller()], drain=False) as daemon:
        SignalHandler(daemon)
        daemon.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
