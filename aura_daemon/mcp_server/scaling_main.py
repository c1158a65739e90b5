"""The process that makes one picture small: `python -P -m aura_daemon.mcp_server.scaling_main ORDER`.

In: a `ScalingOrder` as JSON, the picture on standard input. Out, on standard output: a line of JSON, then the bytes of
the picture where it was changed. It shuts itself in before it reads the first byte, and imports PIL after.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.mcp_server.scaling import shown_picture
from aura_daemon.system.sandbox.confining import confine
from aura_daemon.system.sandbox.plan import SandboxMode, SandboxPlan

PROBLEM: Final = "problem"
"""The key of an answer that says why there is no picture."""


def main(order: str) -> None:
    """Answers once."""
    told = json.loads(order)
    plan = SandboxPlan(mode=SandboxMode(told["mode"]), closed=tuple(told["closed"]), data_bytes=told["data_bytes"])
    with os.fdopen(os.dup(1), "wb") as answers:  # whatever a library prints goes where errors go
        lacks = confine(plan, keeps=(answers.fileno(),))
        if lacks and plan.mode is SandboxMode.STRICT:
            problem = f"is not opened: `sandbox: strict` cannot be kept here: {'; '.join(lacks)}"
            answers.write(_line({PROBLEM: problem}))
            return
        content = sys.stdin.buffer.read()
        try:
            shown = shown_picture(content, most_px=told["most_px"], most_pixels=told["most_pixels"])
        except MemoryError:
            shown = Problem(message="cannot be read as a picture: it takes more memory than any")
        if isinstance(shown, Problem):
            answers.write(_line({PROBLEM: shown.message}))
            return
        answers.write(_line({"mime_type": shown.mime_type, "size": shown.size, "shown": shown.shown}))
        answers.write(b"" if shown.content is content else shown.content)


def _line(told: dict[str, object]) -> bytes:
    return json.dumps(told).encode() + b"\n"


if __name__ == "__main__":
    main(sys.argv[1])
