"""`mcp`: the tools for agents, on standard input and output; everything for people goes to standard error."""

from __future__ import annotations

import json
import os
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

from aura_daemon.config.loading import find
from aura_daemon.config.settings import PREFIX
from aura_daemon.errors import Problem, UserError

MEND: Final = 'pip install "aura-daemon[mcp]"'
LEAST_VERSION: Final = 2


def mcp(config: Path | None) -> int:
    """Serves until standard input ends; raises UserError where the SDK is missing or too old."""
    try:
        version = metadata.version("mcp")
    except metadata.PackageNotFoundError:
        raise UserError([Problem(message=f"the tools for agents need the MCP SDK: {MEND}")]) from None
    if int(version.partition(".")[0]) < LEAST_VERSION:
        message = f"the MCP SDK that is installed, mcp {version}, is too old: {MEND}"
        raise UserError([Problem(message=message)])
    if sys.stdin is None or sys.stdout is None:
        raise UserError([Problem(message="standard input and output are closed: an agent's program has to hold them")])
    if sys.stdin.isatty():
        print(f"waits for an agent's program; this makes one start it:\n{registration(config)}", file=sys.stderr)
    from aura_daemon.mcp_server.serving import serve

    serve(config)
    return 0


def registration(config: Path | None) -> str:
    """What to write into the configuration of an agent's program, which hands few variables of the environment on."""
    program = shutil.which("aura-daemon")
    if program is None and Path(sys.argv[0]).name == "aura-daemon":
        program = str(Path(sys.argv[0]).absolute())
    file, _ = find(config)
    words = ["mcp", *(["--config", str(file)] if file is not None else [])]
    entry: dict[str, object] = {"command": program or sys.executable}
    entry["args"] = words if program else ["-m", "aura_daemon", *words]
    if variables := {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}:
        entry["env"] = variables
    return json.dumps({"mcpServers": {"aura-daemon": entry}}, indent=2)
