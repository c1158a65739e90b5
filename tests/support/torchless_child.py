"""The worker process where torch is not installed: `python -m tests.support.torchless_child FD PARENT_PID`."""

from __future__ import annotations

import sys

from aura_daemon.workers import child_main

if __name__ == "__main__":
    sys.modules["torch"] = None  # type: ignore[assignment] # so that whoever imports it finds none
    child_main.main(sys.argv[1:])
