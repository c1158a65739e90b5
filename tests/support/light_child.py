"""The child process with a runner that needs no torch: `python -m tests.support.light_child FD PARENT_PID`.

Everything but the engines is the product's code. Prompts are scripts: those of `script_runner`, and `close`.
"""

from __future__ import annotations

import os
import socket
import sys
import time

from aura_daemon.system.processes.child_processes import become_a_child
from aura_daemon.workers.child_main import log_to_stderr, serve
from tests.support.script_runner import ScriptRunner

DESCRIPTOR = int(sys.argv[1])


def close() -> None:
    """Closes this end of the socket, and goes on."""
    socket.socket(fileno=os.dup(DESCRIPTOR)).shutdown(socket.SHUT_WR)
    time.sleep(600)


if __name__ == "__main__":
    become_a_child(int(sys.argv[2]))
    log_to_stderr("INFO", "text")
    relayed_level = "INFO" if "--relay-log" in sys.argv else None
    serve(socket.socket(fileno=DESCRIPTOR), lambda _: ScriptRunner({"close": close}), relayed_level=relayed_level)
