"""The child process with a runner that needs no torch: `python -m tests.support.light_child FD PARENT_PID`.

Everything but the engines is the product's code. Prompts are scripts: those of `script_runner`, `close`, `fetch`,
and those of `light_lies`, which say what no worker says.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.services import ModelRole, Services, WantedModel
from aura_daemon.jobs.results import Outcome
from aura_daemon.system.processes.child_processes import become_a_child
from aura_daemon.system.sandbox.confining import confine
from aura_daemon.system.sandbox.plan import SandboxPlan
from aura_daemon.workers import child_main
from aura_daemon.workers.child_main import log_to_stderr, serve
from tests.support.light_lies import LIES, talk
from tests.support.script_runner import WITNESS, ScriptRunner

DESCRIPTOR = int(sys.argv[1])


def close() -> None:
    """Closes this end of the socket, and goes on."""
    socket.socket(fileno=os.dup(DESCRIPTOR)).shutdown(socket.SHUT_WR)
    time.sleep(600)


def confine_beside_witness(plan: SandboxPlan, *, keeps: Collection[int]) -> tuple[str, ...]:
    """Leaves the folder open in which scripts tell what they have done."""
    return confine(replace(plan, writes=(*plan.writes, os.path.dirname(os.environ[WITNESS]))), keeps=keeps)  # noqa: PTH120


if __name__ == "__main__":
    become_a_child(int(sys.argv[2]))
    log_to_stderr("INFO", "text")
    relayed_level = "INFO" if "--relay-log" in sys.argv else None
    SOCKET = socket.socket(fileno=DESCRIPTOR)
    further: dict[str, Callable[[], Outcome | None]] = {"close": close, "talk": partial(talk, SOCKET)}
    further |= {script: partial(lie, SOCKET) for script, lie in LIES.items()}

    def start(settings: EngineSettings, services: Services) -> ScriptRunner:
        asked = {"fetch": settings.generate.model, "lie: fetch another": "somebody/else"}
        for script, model in asked.items():
            further[script] = partial(services.fetch, WantedModel(role=ModelRole.GENERATOR, model=model))
        return ScriptRunner(further)

    if WITNESS in os.environ:
        child_main.confine = confine_beside_witness
    serve(SOCKET, start, relayed_level=relayed_level)
