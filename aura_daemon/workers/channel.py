"""Messages over a socket pair between the daemon and its child process. In: a message. Out: the same message, whole.

A frame is an eight-byte length and what stands for the message: a pickle where the daemon speaks, data that can run
nothing where its child does (`reports`). `multiprocessing.connection` blocks until a frame that has begun to arrive is
complete, so a stopped child could block the daemon; this module returns the complete messages and never waits.
"""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Callable
from typing import Final

from aura_daemon.system.processes.child_processes import received_by_now
from aura_daemon.workers.reports.decoding import BrokenProtocol
from aura_daemon.workers.reports.encoding import encoded

LENGTH: Final = struct.Struct("!Q")
CHUNK_BYTES: Final = 1 << 20

TURN_BYTES: Final = 4 << 20
"""Bytes that are received at once at most: a child that never stops sending does not keep the daemon."""


def order(channel: socket.socket, message: object) -> None:
    """Sends a message of the daemon; blocks until the socket has taken it, raises OSError where the child is gone."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    channel.sendall(LENGTH.pack(len(body)))
    channel.sendall(body)


def report(channel: socket.socket, message: object) -> None:
    """Sends a message of a child; blocks likewise, raises OSError where the daemon is gone.

    Raises TypeError and ValueError, and sends nothing, where it holds what no report may hold.
    """
    first, *others = encoded(message)
    channel.sendall(LENGTH.pack(len(first) + sum(map(len, others))) + first)
    for piece in others:
        channel.sendall(piece)


def read_order(frame: memoryview) -> object:
    """What the daemon has sent: it may run code, so that only a child reads its daemon so."""
    return pickle.loads(frame)


class MessageReceiver:
    """Receives messages; `ended` becomes True once the other side is gone."""

    def __init__(
        self, channel: socket.socket, read: Callable[[memoryview], object], *, most_bytes: int = 1 << 62
    ) -> None:
        """`read`: makes a message of a frame; may raise BrokenProtocol. `most_bytes`: of a frame."""
        self._channel = channel
        self._to_message = read
        self._most_bytes = most_bytes
        self._buffer = bytearray()
        self.ended = False
        self.fault = ""
        """Why the other side is not heard any further; empty: it is."""

    def take(self) -> list[object]:
        """The complete messages that have arrived, or as many as are heard in one turn; never blocks."""
        most = len(self._buffer) + TURN_BYTES
        while not self.ended and not self.fault and len(self._buffer) < most and self._read(received_by_now):
            pass
        return self._unpack()

    def wait(self) -> list[object]:
        """At least one message, or none once the other side is gone; blocks until then."""
        while not self.ended:
            self._read(socket.socket.recv)
            if messages := self._unpack():
                return messages
        return []

    def _read(self, receive: Callable[[socket.socket, int], bytes]) -> bool:
        """Receives a piece; False where there is none now."""
        try:
            piece = receive(self._channel, CHUNK_BYTES)
        except BlockingIOError:
            return False
        except OSError:  # reset: the other side died before it read everything
            piece = b""
        self.ended = not piece
        self._buffer += piece
        return bool(piece)

    def _unpack(self) -> list[object]:
        """Removes the complete frames from the buffer, and returns their messages up to the first that is none."""
        messages: list[object] = []
        start = 0
        while not self.fault and len(self._buffer) - start >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self._buffer, start)
            end = start + LENGTH.size + size
            if size > self._most_bytes:
                self.fault = f"a message of {size:,} bytes was announced"
            elif len(self._buffer) < end:
                break
            else:
                try:
                    with memoryview(self._buffer) as received:
                        messages.append(self._to_message(received[start + LENGTH.size : end]))
                except BrokenProtocol as error:
                    self.fault = str(error)
                start = end
        if self.fault:
            self._buffer = bytearray()
        else:
            del self._buffer[:start]
        return messages
