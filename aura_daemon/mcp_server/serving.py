"""The server: questions of an agent's program on standard input, answers on standard output. In: a configuration.

The SDK keeps standard output for the protocol while it serves: whatever else is printed goes to standard error.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.to_thread import run_sync
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
)
from pydantic import ValidationError

from aura_daemon import __version__
from aura_daemon.config.loading import load
from aura_daemon.errors import AuraError, UserError
from aura_daemon.mcp_server.answers import Answer
from aura_daemon.mcp_server.calls import Call
from aura_daemon.mcp_server.tools import INSTRUCTIONS, TOOLS, ServedTool
from aura_daemon.problems import capped, nearest, problems_of
from aura_daemon.system.permissions import why_denied

NAME: Final = "aura-daemon"


def serve(config: Path | None) -> None:
    """Serves until standard input ends; raises UserError where the configuration is wrong at the start."""
    load(config)
    # Ctrl-C ends it at once: the thread that reads standard input cannot be asked to, and nothing here needs an end.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    anyio.run(_serve, server_of(config))


def server_of(config: Path | None) -> Server[dict[str, Any]]:
    """The server; it reads the configuration anew for every call."""
    return Server(
        NAME,
        title="aura-daemon",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=_list_tools,
        on_call_tool=partial(_call_tool, config),
    )


async def _serve(server: Server[dict[str, Any]]) -> None:
    try:
        async with stdio_server() as (reader, writer):
            await server.run(reader, writer, server.create_initialization_options())
    except* BrokenPipeError:
        pass  # the agent's program has ended, and nobody is there to be told


async def _list_tools(_: ServerRequestContext[Any], __: PaginatedRequestParams | None) -> ListToolsResult:
    return ListToolsResult(tools=[tool.published() for tool in TOOLS])


async def _call_tool(
    config: Path | None, context: ServerRequestContext[Any], params: CallToolRequestParams
) -> CallToolResult:
    by_name: Mapping[str, ServedTool[Any]] = {tool.name: tool for tool in TOOLS}
    if (tool := by_name.get(params.name)) is None:
        near = nearest(params.name, by_name) or ", ".join(by_name)
        raise MCPError(code=INVALID_PARAMS, message=f"unknown tool {params.name[:60]!r}: there is {near}")
    try:
        call = Call(loaded=await run_sync(load, config), report=context.session.report_progress)
        answer = await tool.answered(params.arguments or {}, call)
    except ValidationError as error:
        problems = problems_of(error, tool.question, file="", lines={}, written={})
        return _refused("\n".join(map(str, capped(problems, file=""))))
    except UserError as error:
        return _refused("\n".join(map(str, capped(error.problems, file=""))))
    except AuraError as error:
        return _refused(str(error))
    except OSError as error:  # a full disk, a folder that is away: the agent's person can mend it
        place = Path(str(error.filename or config or "."))
        return _refused(f"{place}: {why_denied(error, place)}")
    return _told(answer)


def _told(answer: Answer) -> CallToolResult:
    return CallToolResult(
        content=[*answer.pictures, TextContent(text=answer.text)],
        structured_content=answer.data.model_dump(mode="json"),
    )


def _refused(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)], is_error=True)
