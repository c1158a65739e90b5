"""Every tool says what it takes, what it returns and whether it changes anything; a question is answered or refused."""

from __future__ import annotations

import base64
from pathlib import Path

import jsonschema
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import Tool

from aura_daemon.mcp_server.serving import server_of
from aura_daemon.mcp_server.tools import TOOLS
from tests.support.agents import Ask, asking, config_of, with_client
from tests.support.house import PNG, House

READING = {"wait", "look", "status", "why", "results"}


async def tools_of(client: Client) -> dict[str, Tool]:
    return {tool.name: tool for tool in (await client.list_tools()).tools}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_tools_say_what_they_take_and_return_and_that_they_destroy_nothing(house: House, mode: str) -> None:
    tools = with_client(server_of(config_of(house)), tools_of, mode=mode)
    assert tools.keys() == READING | {"submit_prompt", "submit_picture"}
    for tool in tools.values():
        assert tool.description
        assert tool.title
        jsonschema.Draft202012Validator.check_schema(tool.input_schema)
        assert tool.input_schema["additionalProperties"] is False
        assert tool.output_schema is not None
        assert tool.output_schema["type"] == "object"
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is (tool.name in READING)
        assert tool.annotations.destructive_hint is False
        assert tool.annotations.open_world_hint is False


def test_an_agent_need_not_read_much_before_it_begins(house: House) -> None:
    tools = with_client(server_of(config_of(house)), tools_of)
    assert sum(len(tool.model_dump_json(exclude_none=True)) for tool in tools.values()) < 16_000


def test_a_tool_that_is_none_is_an_error_of_the_protocol(house: House) -> None:
    async def talk(client: Client) -> None:
        with pytest.raises(MCPError, match="unknown tool 'stat': there is status"):
            await client.call_tool("stat", {})

    with_client(server_of(config_of(house)), talk)


def test_a_folder_that_is_away_is_told(house: House, ask: Ask) -> None:
    house.inbox.rmdir()
    reply = ask("submit_prompt", prompt="x")
    assert reply.is_refused
    assert f"inbox: {house.inbox} does not exist" in reply.text


def test_no_inbox_is_made_where_an_agents_program_happens_to_run(house: House) -> None:
    config_of(house).write_text(f"outbox: {house.outbox}\nstate: {house.state}\n")
    house.inbox.rmdir()
    ask = asking(house.root / "agents.yaml")
    assert "name its configuration with --config" in ask("submit_prompt", prompt="x").text
    assert not house.inbox.exists()


def test_a_file_in_the_way_is_told(house: House, ask: Ask) -> None:
    Path(house.inbox / "cats").write_text("no folder")
    reply = ask("submit_prompt", prompt="x", name="cats/x")
    assert reply.is_refused
    assert "cannot be written" in reply.text


def test_every_answer_is_as_its_schema_says(house: House, ask: Ask) -> None:
    schemas = {tool.name: tool.output_schema for tool in (tool.published() for tool in TOOLS)}
    house.drop("cat.yaml")
    house.drain()
    (house.outbox / "notes.txt").write_text("a note")
    picture = {"data": base64.b64encode(PNG).decode()}
    arguments: dict[str, dict[str, object]] = {
        "submit_prompt": {"prompt": "x"},
        "submit_picture": {"picture": picture},
        "wait": {"file": "cat.yaml"},
        "look": {"result": "notes.txt"},
        "why": {"file": "cat.yaml"},
    }
    for name, schema in schemas.items():
        reply = ask(name, **arguments.get(name, {}))
        assert reply.text
        assert schema is not None
        jsonschema.validate(reply.data, schema)
