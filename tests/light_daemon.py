"""`aura-daemon` itself, with a worker process that needs no torch: `python -m tests.light_daemon run`."""

from __future__ import annotations

import sys
from functools import partial

from aura_daemon.cli import compose, main
from aura_daemon.workers.process import ProcessWorker

if __name__ == "__main__":
    light = partial(ProcessWorker, command=(sys.executable, "-m", "tests.light_worker"))
    compose.ProcessWorker = light  # type: ignore[assignment,misc]
    main()
