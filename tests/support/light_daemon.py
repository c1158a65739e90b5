"""`aura-daemon` itself, with a worker process that needs no torch: `python -m tests.support.light_daemon run`.

`AURA_TEST_DIE_AT=journal.claim:after:3` makes it kill itself at that moment; see `tests.support.dying`.
"""

from __future__ import annotations

import os
import sys
from functools import partial

from aura_daemon.cli.app import main
from aura_daemon.daemon import assembly
from aura_daemon.workers.process import ProcessWorker
from tests.support import dying

if __name__ == "__main__":
    if dying.VARIABLE in os.environ:
        dying.die_at(os.environ[dying.VARIABLE])
    light = partial(ProcessWorker, command=(sys.executable, "-m", "tests.support.light_worker"))
    assembly.ProcessWorker = light  # type: ignore[assignment,misc]
    main()
