"""A parent that starts a child, prints its pid and waits to be killed."""

from __future__ import annotations

import sys
import time

from aura_daemon.config.engine import EngineSettings
from aura_daemon.workers.local.process import ProcessWorker
from aura_daemon.workers.protocol import Progress
from tests.support.worker_contract import batch_of, wait_for


def main() -> None:
    worker = ProcessWorker(
        EngineSettings(), deadline_s=60.0, command=(sys.executable, "-m", "tests.support.light_child")
    )
    worker.submit(batch_of("hang"))
    wait_for(worker, Progress)
    print(worker.pid, flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main()
