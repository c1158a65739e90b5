"""The driver of a Ray cluster whose engines need no torch: `python -m tests.support.light_driver FD PARENT_PID`.

Everything but the engines is the product's code. Prompts are scripts: those of `script_runner`.
"""

from __future__ import annotations

import sys
from typing import Final

from aura_daemon.workers.cluster import driver_main

COMMAND: Final = (sys.executable, "-P", "-m", "tests.support.light_driver")

if __name__ == "__main__":
    driver_main.main(sys.argv[1:], child="tests.support.light_child")
