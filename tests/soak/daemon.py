"""`aura-daemon` itself, with workers that draw and caption one job in ten: `python -m tests.soak.daemon run`."""

from __future__ import annotations

import subprocess

from aura_daemon.cli.app import main
from aura_daemon.workers.local.process import CHILD
from tests.support import light_daemon

MIXED_WORKER = "tests.soak.worker"

if __name__ == "__main__":
    light_daemon.LIGHT[CHILD[-1]] = MIXED_WORKER
    subprocess.Popen = light_daemon.LightPopen  # type: ignore[misc,assignment]
    main()
