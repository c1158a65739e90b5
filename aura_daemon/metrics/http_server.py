"""Answers HTTP requests inside the daemon's loop, without a thread. In: an address, pages. Out: answers.

Nothing here blocks: every socket is non-blocking, and the loop polls one descriptor, that of a selector with all of
them. (The standard library's servers read a request in one go, so a client that sends half of one stops the daemon.)
A client gets few bytes, little time and one answer; of too many clients the oldest goes.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus
from pathlib import Path
from typing import Final

from loguru import logger

from aura_daemon.config.listening import Address, TcpAddress
from aura_daemon.metrics.http_pages import Pages
from aura_daemon.metrics.http_protocol import END_OF_HEAD, MOST_HEAD_BYTES, HttpResponse, parsed, told
from aura_daemon.system.listening_socket import ListeningSocket, descriptor_of

MOST_CONNECTIONS: Final = 16
"""Open at once; one more closes the oldest, so that slow clients keep nobody out."""

REQUEST_S: Final = 5.0
"""Seconds in which a request has to be there."""

ANSWER_S: Final = 10.0
"""Seconds in which a client has to take its answer."""

GOODBYE_S: Final = 1.0
"""Seconds in which a client has to close after its answer: closing first would cut off what is still on its way."""

REST_S: Final = 1.0
"""Seconds without new connections where the system refuses to make any (no file descriptors are left)."""

_CHUNK_BYTES: Final = 4096


class _Phase(Enum):
    RECEIVING = auto()
    SENDING = auto()
    CLOSING = auto()


@dataclass(kw_only=True, slots=True, eq=False)
class _Connection:
    socket: socket.socket
    deadline_s: float
    phase: _Phase = _Phase.RECEIVING
    received: bytearray = field(default_factory=bytearray)
    to_send: bytes = b""


class HttpServer:
    """Listens on one address from the start until `close`."""

    def __init__(self, address: Address, pages: Pages, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises OSError where it cannot listen there."""
        self._pages = pages
        self._clock = clock
        self._listening = _listening_on(address)
        self._rests_until_s: float | None = None
        self._connections: list[_Connection] = []
        """The oldest first."""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listening.socket, selectors.EVENT_READ)

    @property
    def name(self) -> str:
        """Where it listens."""
        return self._listening.name

    def waitables(self) -> tuple[int]:
        """The descriptor that is readable when a client has something, or takes more of its answer."""
        return (descriptor_of(self._selector),)

    def due_in_s(self) -> float | None:
        """Seconds until a client's time is over; None without clients."""
        due = [connection.deadline_s for connection in self._connections]
        if self._rests_until_s is not None:
            due.append(self._rests_until_s)
        return max(0.0, min(due) - self._clock()) if due else None

    def work(self) -> None:
        """Takes what has come, sends what can be sent, and closes what takes too long."""
        now = self._clock()
        if self._rests_until_s is not None and now >= self._rests_until_s:
            self._rests_until_s = None
            self._selector.register(self._listening.socket, selectors.EVENT_READ)
        for key, _ in self._selector.select(0):
            if key.data is None:
                self._accept()
            elif key.data in self._connections:  # else `_accept` closed it meanwhile
                self._go_on(key.data)
        for connection in [one for one in self._connections if one.deadline_s <= now]:
            self._close(connection)

    def close(self) -> None:
        """Closes every connection and stops listening."""
        for connection in list(self._connections):
            self._close(connection)
        self._selector.close()
        self._listening.close()

    def _accept(self) -> None:
        for _ in range(MOST_CONNECTIONS):
            try:
                opened, _address = self._listening.socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:  # else the loop would turn without end
                logger.warning("no HTTP connection can be taken for {:g} s: {}", REST_S, error.strerror or error)
                self._selector.unregister(self._listening.socket)
                self._rests_until_s = self._clock() + REST_S
                return
            opened.setblocking(False)
            if len(self._connections) >= MOST_CONNECTIONS:
                self._close(self._connections[0])
            connection = _Connection(socket=opened, deadline_s=self._clock() + REQUEST_S)
            self._selector.register(opened, selectors.EVENT_READ, connection)
            self._connections.append(connection)

    def _go_on(self, connection: _Connection) -> None:
        """Receives or sends a part; whatever a client's socket says ends this client only."""
        try:
            match connection.phase:
                case _Phase.RECEIVING:
                    self._receive(connection)
                case _Phase.SENDING:
                    self._send(connection)
                case _Phase.CLOSING:
                    if not connection.socket.recv(_CHUNK_BYTES):
                        self._close(connection)
        except BlockingIOError:
            return
        except OSError:
            self._close(connection)

    def _receive(self, connection: _Connection) -> None:
        chunk = connection.socket.recv(_CHUNK_BYTES)
        if not chunk:
            self._close(connection)
            return
        connection.received += chunk
        del connection.received[: len(connection.received) - len(connection.received.lstrip(b"\r\n"))]
        if (end := END_OF_HEAD.search(connection.received)) is not None and end.start() <= MOST_HEAD_BYTES:
            request = parsed(bytes(connection.received[: end.start()]))
            if isinstance(request, HttpResponse):
                self._answer(connection, request)
            else:
                response = self._pages.answer(request)
                self._answer(connection, response, with_content=request.method != "HEAD")
        elif len(connection.received) > MOST_HEAD_BYTES:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._answer(connection, told(status, f"more than {MOST_HEAD_BYTES} bytes of headers are not read"))

    def _answer(self, connection: _Connection, response: HttpResponse, *, with_content: bool = True) -> None:
        connection.phase, connection.deadline_s = _Phase.SENDING, self._clock() + ANSWER_S
        connection.to_send = response.to_bytes(with_content=with_content)
        self._selector.modify(connection.socket, selectors.EVENT_WRITE, connection)
        self._send(connection)

    def _send(self, connection: _Connection) -> None:
        sent = connection.socket.send(connection.to_send)
        connection.to_send = connection.to_send[sent:]
        if not connection.to_send:
            connection.socket.shutdown(socket.SHUT_WR)
            connection.phase, connection.deadline_s = _Phase.CLOSING, self._clock() + GOODBYE_S
            self._selector.modify(connection.socket, selectors.EVENT_READ, connection)

    def _close(self, connection: _Connection) -> None:
        self._connections.remove(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()


def _listening_on(address: Address) -> ListeningSocket:
    if isinstance(address, TcpAddress):
        return ListeningSocket.on_tcp(address.host, address.port)
    return ListeningSocket.on_unix(Path(address.path))
