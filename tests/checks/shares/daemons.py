"""The light daemon as the stories start it: of a user, on folders, with settings beside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.checks.shares.rows import PATIENCE_S, wait
from tests.support.house import House
from tests.support.users import User

UMASK: Final = 0o027
"""As the service has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LightDaemon:
    """A daemon, which may be started several times."""

    user: User
    inbox: Path
    outbox: Path
    state: Path
    settings: dict[str, float] = field(default_factory=dict)

    def ran(self, command: str) -> subprocess.CompletedProcess[str]:
        """A command, to its end; what it says goes to the log, too."""
        ran = subprocess.run(**self._started(command), capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        print(ran.stdout, ran.stderr, sep="", flush=True)
        return ran

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """`run`, from its first look to its end."""
        with self.starting() as daemon:
            wait(lambda: self.health().get("pid") == daemon.pid, "the daemon runs")
            yield daemon

    @contextmanager
    def starting(self) -> Iterator[subprocess.Popen[bytes]]:
        """`run`, from its start to its end: whatever keeps it from looking."""
        with subprocess.Popen(**self._started("run")) as daemon:
            try:
                yield daemon
            finally:
                daemon.terminate()

    def health(self) -> dict[str, Any]:
        """The health document in the state folder; empty where there is none, or the daemon starts."""
        try:
            document: dict[str, Any] = json.loads((self.state / "health.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return document if document["status"] != "starting" else {}

    def _started(self, command: str) -> dict[str, Any]:
        """What `subprocess` takes."""
        folders = {"INBOX": self.inbox, "OUTBOX": self.outbox, "STATE": self.state}
        settings = {f"AURA_{name}": str(value) for name, value in {**folders, **self.settings}.items()}
        return {
            "args": [sys.executable, "-m", "tests.support.light_daemon", command],
            "env": {**os.environ, **settings},
            "user": self.user.uid,
            "group": self.user.gid,
            "extra_groups": self.user.groups,
            "umask": UMASK,
        }


def delivered(outbox: Path) -> set[str]:
    """Results and failures, without the gallery and the health document."""
    return {name for name in House.visible(outbox) if name not in ("health.json", "index.html")}
