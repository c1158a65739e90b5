"""What comes through the daemon's socket: a command, or nothing; the answer fits into one datagram."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from aura_daemon.daemon.commands import Command, CommandAnswer, CommandVerb
from aura_daemon.daemon.control_socket import NAME, ControlSocket, ReceivedCommand, ask, received_command
from aura_daemon.system.processes import unix_sockets
from tests.support.deadline import DEADLINE_S

REPLY = "answer-1-0123abcd.sock"
GOOD = {"verb": "cancel", "name": "cat.yaml", "path": "cat.yaml", "reply": REPLY}


def received(**changes: object) -> ReceivedCommand | None:
    return received_command(json.dumps({**GOOD, **changes}).encode())


def test_a_command_is_read() -> None:
    assert received() == ReceivedCommand(
        command=Command(verb=CommandVerb.CANCEL, name="cat.yaml", path="cat.yaml"), reply=REPLY
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"{",
        b"[" * 60_000,
        b"1",
        b"[]",
        b"{}",
        b'{"verb": "cancel"}',
        json.dumps({key: value for key, value in GOOD.items() if key != "name"}).encode(),
    ],
    ids=range(9),
)
def test_what_is_no_command_is_none(content: bytes) -> None:
    assert received_command(content) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"verb": "stop"},
        {"verb": ["cancel"]},
        {"name": 5},
        {"name": None},
        {"path": {}},
        {"reply": 5},
        {"reply": ""},
        {"reply": ".."},
        {"reply": NAME},
        {"reply": "../answer-1-0123abcd.sock"},
        {"reply": f"{REPLY}\0"},
        {"reply": f"{REPLY}\n"},
        {"reply": "\ud800"},
        {"more": "x"},
    ],
)
def test_a_command_with_anything_else_in_it_is_none(changes: dict[str, object]) -> None:
    assert received(**changes) is None


def test_what_is_no_command_leaves_the_socket_open_for_those_that_are(tmp_path: Path) -> None:
    control = ControlSocket(tmp_path)
    client = unix_sockets.bound(tmp_path, REPLY)
    try:
        for content in (b"[" * 60_000, b'{"reply": 5}', json.dumps(GOOD).encode()):
            with unix_sockets.address(tmp_path, NAME) as address:
                client.sendto(content, address)
        (command,) = control.receive()
        control.answer(command, CommandAnswer(done=True, lines=("a: cancelled",)))
        assert json.loads(client.recv(1000)) == {"done": True, "said": ["a: cancelled"]}
    finally:
        client.close()
        control.close()


def test_an_answer_of_very_many_lines_is_cut_and_says_so(tmp_path: Path) -> None:
    control = ControlSocket(tmp_path)
    lines = tuple(f"2026-1128-{number:06}: cancelled" for number in range(5000))

    def serve() -> None:
        while not (commands := control.receive()):
            pass
        control.answer(commands[0], CommandAnswer(done=True, lines=lines))

    daemon = threading.Thread(target=serve)
    daemon.start()
    answer = ask(tmp_path, Command(verb=CommandVerb.CANCEL, name="many.yaml"), timeout_s=DEADLINE_S)
    daemon.join()
    control.close()
    assert answer is not None
    assert answer.lines[:3] == lines[:3]
    assert answer.lines[-1] == f"… and {5001 - len(answer.lines)} more"
