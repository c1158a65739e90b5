"""The short-lived child that asks torch for `doctor`: `python -m aura_daemon.doctor.probe_child PARENT_PID`.

In: a request, JSON on stdin. Out: the answer, JSON on stdout; whatever the libraries print goes to stderr.
"""

from __future__ import annotations

import os
import sys

from aura_daemon.doctor.report import ProbeRequest
from aura_daemon.system.processes.child_processes import become_a_child
from aura_daemon.workers.child_main import log_to_stderr
from aura_daemon.workers.engine_start import ENVIRONMENT, importing


def main(parent: int) -> None:
    """Writes the answer to one request."""
    become_a_child(parent)
    log_to_stderr("WARNING", "text")
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
        os.dup2(2, 1)
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        request = ProbeRequest.model_validate_json(sys.stdin.buffer.read())
        from aura_daemon.engines.library_imports import lean_imports
        from aura_daemon.engines.library_logging import quiet_libraries

        with importing(), lean_imports():
            quiet_libraries()
            from aura_daemon.doctor.torch_findings import findings

        answer.write(findings(request).model_dump_json())


if __name__ == "__main__":
    main(int(sys.argv[1]))
