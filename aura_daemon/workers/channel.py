"""Messages over a socket pair between the daemon and its child process. In: a message. Out: the same message, whole.

A frame is an eight-byte length and a pickle. `multiprocessing.connection` blocks until a frame that has begun to arrive
is complete, so a stopped child could block the daemon; this module returns the complete messages and never waits.
"""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Callable
from typing import Final

from aura_daemon.system.processes.child_processes import received_by_now

LENGTH: Final = struct.Struct("!Q")
CHUNK_BYTES: Final = 1 << 20


def send(channel: socket.socket, message: object) -> None:
    """Sends a message; blocks until the socket has taken it, raises OSError where the other side is gone."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    channel.sendall(LENGTH.pack(len(body)))
    channel.sendall(body)


class MessageReceiver:
    """Receives messages; `ended` becomes True once the other side is gone."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._buffer = bytearray()
        self.ended = False

    def take(self) -> list[object]:
        """Every complete message that has arrived; never blocks."""
        while not self.ended and self._read(received_by_now):
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
        """Removes the complete frames from the buffer, and returns their messages."""
        messages: list[object] = []
        start = 0
        while len(self._buffer) - start >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self._buffer, start)
            end = start + LENGTH.size + size
            if len(self._buffer) < end:
                break
            messages.append(pickle.loads(memoryview(self._buffer)[start + LENGTH.size : end]))
            start = end
        del self._buffer[:start]
        return messages
