"""The child process with a runner that needs no torch: `python -m tests.support.light_child FD PARENT_PID`.

Everything but the engines is the product's code. Prompts are scripts: those of `script_runner`, `close`, and those of
`light_lies`, which say what no worker says.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from functools import partial

from aura_daemon.system.processes.child_processes import become_a_child
from aura_daemon.workers.child_main import log_to_stderr, serve
from tests.support.light_lies import LIES, talk
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
    SOCKET = socket.socket(fileno=DESCRIPTOR)
    further = {"close": close, "talk": partial(talk, SOCKET)}
    further |= {script: partial(lie, SOCKET) for script, lie in LIES.items()}
    serve(SOCKET, lambda _: ScriptRunner(further), relayed_level=relayed_level)
