"""An agent draws a picture and looks at it: the SDK's own client, the real server and daemon, each a process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from io import BytesIO

import anyio
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from PIL import Image

from tests.support.agents import Reply, reply_of
from tests.support.deadline import DEADLINE_S
from tests.support.house import House
from tests.support.programs import REAL, Program

WORDS = ("-m", "aura_daemon", "mcp")


@pytest.fixture
def daemon(house: House) -> Iterator[Program]:
    """The real daemon, running, with the model that is shipped."""
    program = Program(house, REAL, AURA_PAIR_WAIT="2")  # as for users: a busy machine takes longer than 0.2 s
    program.start("run")
    program.until(program.health)
    yield program
    program.close()


def test_an_agent_draws_a_picture_captions_it_and_looks_at_both(house: House, daemon: Program) -> None:
    told: list[list[float]] = []
    strange: list[object] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told[-1].append(progress)

    async def listen(message: object) -> None:
        if isinstance(message, Exception):
            strange.append(message)

    async def run() -> list[Reply]:
        server = StdioServerParameters(command=sys.executable, args=[*WORDS], env=daemon.environment())
        async with Client(stdio_client(server), message_handler=listen) as client:

            async def ask(tool: str, **arguments: object) -> Reply:
                told.append([])
                return reply_of(await client.call_tool(tool, arguments, progress_callback=hear))

            drawn = await ask("submit_prompt", prompt="a large red circle on a blue background", steps=8, seed=1)
            done = await ask("wait", file=drawn.data["file"], timeout_s=DEADLINE_S)
            seen = await ask("look", result=done.data["results"][0])
            captioned = await ask("submit_picture", picture={"result": done.data["results"][0]})
            read = await ask("wait", file=captioned.data["file"], timeout_s=DEADLINE_S)
            text = await ask("look", result=read.data["results"][0])
            return [drawn, done, seen, captioned, read, text, await ask("status"), await ask("results")]

    drawn, done, seen, _, read, text, status, results = anyio.run(run)
    assert drawn.data["is_daemon_running"] is True
    assert done.data["stage"] == read.data["stage"] == "done"
    assert told[1], "nobody heard how the first wait went"
    assert all(one == sorted(set(one)) for one in told)
    ((mime_type, content),) = seen.pictures
    assert mime_type == "image/png"
    assert content == (house.outbox / done.data["results"][0]).read_bytes()
    assert Image.open(BytesIO(content)).size == (64, 64)
    assert text.text == (house.outbox / read.data["results"][0]).read_text().strip()
    assert status.data["jobs"]["done"] == 2
    assert len(results.data["results"]) == 2
    assert strange == [], "something else than the protocol stands on standard output"
