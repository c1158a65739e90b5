"""A Unix socket in the state folder, which only its owner may use: commands for a running daemon, and its answers.

In: datagrams of JSON. Out: commands. The client binds a socket in the same folder, to which the answer is sent.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loguru import logger

from aura_daemon.daemon.commands import Command, CommandAnswer, CommandVerb
from aura_daemon.system.processes import unix_sockets

NAME: Final = "control.sock"
MAX_MESSAGE_BYTES: Final = 65_536

_REPLY: Final = re.compile(r"answer-[0-9]{1,10}-[0-9a-f]{8}\.sock")
"""The name of a client's socket; an answer goes nowhere else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceivedCommand:
    """A command, and the address for its answer."""

    command: Command
    reply: str
    """Name of the client's socket in the state folder."""


class ControlSocket:
    """The daemon's end. Where the file system supports no sockets, the daemon warns and runs without it."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._socket: socket.socket | None = None
        try:
            (state / NAME).unlink(missing_ok=True)  # left by a killed daemon: this process holds the lock now
            self._socket = unix_sockets.bound(state, NAME)
        except OSError as error:
            logger.warning("`cancel` and `retry` cannot reach this daemon: {}", error.strerror or error)

    def waitables(self) -> tuple[int, ...]:
        """Descriptors that become readable when a command arrives."""
        return (self._socket.fileno(),) if self._socket is not None else ()

    def receive(self) -> list[ReceivedCommand]:
        """The commands that arrived since the last call."""
        received: list[ReceivedCommand] = []
        while self._socket is not None:
            try:
                content = self._socket.recv(MAX_MESSAGE_BYTES)
            except OSError:
                break
            command = received_command(content)
            if command is not None:
                received.append(command)
            else:
                logger.warning("something that is no order came through {}", NAME)
        return received

    def answer(self, received: ReceivedCommand, answer: CommandAnswer) -> None:
        """Sends an answer to the client, where it still listens."""
        if self._socket is None:
            return
        with suppress(OSError), unix_sockets.address(self._state, received.reply) as address:
            self._socket.sendto(_written(answer), address)

    def close(self) -> None:
        """Closes the socket and removes its file."""
        if self._socket is not None:
            self._socket.close()
            with suppress(OSError):  # the next daemon replaces the file
                (self._state / NAME).unlink()
            self._socket = None


def received_command(content: bytes) -> ReceivedCommand | None:
    """The command in a datagram; None where it is none."""
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
        return None
    verb, reply = fields.pop("verb", ""), fields.pop("reply", "")
    if (
        verb not in frozenset(CommandVerb)
        or not _REPLY.fullmatch(reply)
        or not {"name"} <= fields.keys() <= {"name", "path"}
    ):
        return None
    return ReceivedCommand(command=Command(verb=CommandVerb(verb), **fields), reply=reply)


def _written(answer: CommandAnswer) -> bytes:
    """An answer that fits into one datagram: of too many lines the last are counted."""
    lines = list(answer.lines)
    while True:
        left = len(answer.lines) - len(lines)
        said = [*lines, f"… and {left} more"] if left else lines
        content = json.dumps({"done": answer.done, "said": said}).encode()
        if len(content) <= MAX_MESSAGE_BYTES or not lines:
            return content
        del lines[len(lines) * 9 // 10 :]


def ask(state: Path, command: Command, *, timeout_s: float) -> CommandAnswer | None:
    """The daemon's answer; None where no daemon listens. Raises TimeoutError, or OSError where access is denied."""
    reply = f"answer-{os.getpid()}-{secrets.token_hex(4)}.sock"
    if not (state / NAME).exists():
        return None
    client = unix_sockets.bound(state, reply)
    try:
        client.settimeout(timeout_s)
        fields = {"verb": command.verb.value, "name": command.name, "path": command.path, "reply": reply}
        with unix_sockets.address(state, NAME) as address:
            client.sendto(json.dumps(fields).encode(), address)
        answer = json.loads(client.recv(MAX_MESSAGE_BYTES))
    except ConnectionRefusedError:
        return None  # left by a daemon that was killed
    finally:
        client.close()
        (state / reply).unlink(missing_ok=True)
    return CommandAnswer(done=bool(answer["done"]), lines=tuple(answer["said"]))
