"""A Unix socket in the state folder, which only its owner may use: commands for a running daemon, and its answers.

In: datagrams of JSON. Out: commands. The client binds a socket in the same folder, to which the answer is sent.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loguru import logger

from aura_daemon.daemon.commands import Command, CommandAnswer, CommandVerb

NAME: Final = "control.sock"
MAX_MESSAGE_BYTES: Final = 65_536
MAX_PATH_BYTES: Final = 100
"""A socket's path has at most 108 bytes with its final zero (unix(7)); a longer one is opened via /proc/self/fd."""


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
            self._socket = _bound(state, NAME)
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
            try:
                fields = json.loads(content)
                reply = fields.pop("reply")
                command = Command(**{**fields, "verb": CommandVerb(fields["verb"])})
                received.append(ReceivedCommand(command=command, reply=reply))
            except (ValueError, TypeError, KeyError, AttributeError):
                logger.warning("something that is no order came through {}", NAME)
        return received

    def answer(self, received: ReceivedCommand, answer: CommandAnswer) -> None:
        """Sends an answer to the client, where it still listens."""
        if self._socket is None or "/" in received.reply:
            return
        content = json.dumps({"done": answer.done, "said": answer.lines}).encode()
        with suppress(OSError), _address(self._state, received.reply) as address:
            self._socket.sendto(content[:MAX_MESSAGE_BYTES], address)

    def close(self) -> None:
        """Closes the socket and removes its file."""
        if self._socket is not None:
            self._socket.close()
            with suppress(OSError):  # the next daemon replaces the file
                (self._state / NAME).unlink()
            self._socket = None


def ask(state: Path, command: Command, *, timeout_s: float) -> CommandAnswer | None:
    """The daemon's answer; None where no daemon listens. Raises TimeoutError, or OSError where access is denied."""
    reply = f"answer-{os.getpid()}-{secrets.token_hex(4)}.sock"
    if not (state / NAME).exists():
        return None
    client = _bound(state, reply)
    try:
        client.settimeout(timeout_s)
        fields = {"verb": command.verb.value, "name": command.name, "path": command.path, "reply": reply}
        with _address(state, NAME) as address:
            client.sendto(json.dumps(fields).encode(), address)
        answer = json.loads(client.recv(MAX_MESSAGE_BYTES))
    except ConnectionRefusedError:
        return None  # left by a daemon that was killed
    finally:
        client.close()
        (state / reply).unlink(missing_ok=True)
    return CommandAnswer(done=bool(answer["done"]), lines=tuple(answer["said"]))


def _bound(state: Path, name: str) -> socket.socket:
    """A datagram socket under a name in the state folder, which only its owner may use."""
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    mask = os.umask(0o177)
    try:
        opened.setblocking(False)
        with _address(state, name) as address:
            opened.bind(address)
    except OSError:
        opened.close()
        raise
    finally:
        os.umask(mask)
    return opened


@contextmanager
def _address(folder: Path, name: str) -> Iterator[str]:
    """A path to a socket that is short enough for the system."""
    if len(os.fsencode(folder / name)) <= MAX_PATH_BYTES:
        yield os.fspath(folder / name)
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
