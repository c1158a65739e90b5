"""An agent's program: the SDK's own client, on a server in this process or in another one."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import anyio
from mcp import Client
from mcp.client._transport import Transport
from mcp.server.lowlevel import Server
from mcp_types import CallToolResult, ImageContent, TextContent

from aura_daemon.mcp_server.serving import server_of
from tests.support.house import House

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What an agent gets of a tool."""

    is_refused: bool
    text: str
    data: dict[str, Any]
    """Empty where the call was refused."""
    pictures: tuple[tuple[str, bytes], ...]
    """MIME types and bytes."""


def reply_of(result: CallToolResult) -> Reply:
    """A result of the SDK, as tests look at it."""
    pictures = [block for block in result.content if isinstance(block, ImageContent)]
    return Reply(
        is_refused=result.is_error,
        text="\n".join(block.text for block in result.content if isinstance(block, TextContent)),
        data=result.structured_content or {},
        pictures=tuple((picture.mime_type, base64.b64decode(picture.data)) for picture in pictures),
    )


def config_of(house: House, **settings: Any) -> Path:
    """A configuration file of a house."""
    folders = {"inbox": str(house.inbox), "outbox": str(house.outbox), "state": str(house.state)}
    place = house.root / "agents.yaml"
    place.write_text(json.dumps({**folders, "settle": 0, **settings}))
    return place


def with_client(server: Server[Any] | Transport, talk: Callable[[Client], Awaitable[T]], *, mode: str = "auto") -> T:
    """Connects, talks, and leaves."""

    async def run() -> T:
        async with Client(server, mode=mode) as client:
            return await talk(client)

    return anyio.run(run)


Ask: TypeAlias = Callable[..., Reply]
"""The name of a tool, and its arguments -> what an agent gets."""


def asking(config: Path) -> Ask:
    """Asks one question a session of a server in this process."""
    server = server_of(config)

    def ask(tool: str, /, **arguments: Any) -> Reply:
        return reply_of(with_client(server, lambda client: client.call_tool(tool, arguments)))

    return ask
