"""`mcp`: the tools for agents, on standard input and output; everything for people goes to standard error."""

from __future__ import annotations

import json
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

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
    if sys.stdin.isatty():
        print(f"waits for an agent's program; this makes one start it:\n{registration(config)}", file=sys.stderr)
    from aura_daemon.mcp_server.serving import serve

    serve(config)
    return 0


def registration(config: Path | None) -> str:
    """What to write into the configuration of an agent's program."""
    options = ["--config", str(config.absolute())] if config is not None else []
    entry = {"command": shutil.which("aura-daemon") or "aura-daemon", "args": ["mcp", *options]}
    return json.dumps({"mcpServers": {"aura-daemon": entry}}, indent=2)
