"""Messages over a socket pair between our own two processes. In: a message. Out: the same, whole.

A frame is an eight-byte length and a pickle. `multiprocessing.connection` would wait inside a frame that
has begun to arrive, so that a stopped child could stop the daemon; here the daemon takes what is there and
goes on.
"""

from __future__ import annotations

import pickle
import socket
import struct
from typing import Final

LENGTH: Final = struct.Struct("!Q")
CHUNK_BYTES: Final = 1 << 20


def send(channel: socket.socket, message: object) -> None:
    """Blocks until the other side has taken it; raises OSError where nobody is there."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    channel.sendall(LENGTH.pack(len(body)))
    channel.sendall(body)


class MessageReceiver:
    """The receiving half; `ended` turns true once the other side is gone."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._arrived = bytearray()
        self.ended = False

    def take(self) -> list[object]:
        """Every message that has arrived whole; never blocks."""
        while not self.ended and self._read(socket.MSG_DONTWAIT):
            pass
        return self._unpack()

    def wait(self) -> list[object]:
        """At least one message, or none where the other side is gone."""
        while not self.ended:
            self._read(0)
            if messages := self._unpack():
                return messages
        return []

    def _read(self, flags: int) -> bool:
        """Takes a piece; False where there is none now."""
        try:
            piece = self._channel.recv(CHUNK_BYTES, flags)
        except BlockingIOError:
            return False
        except OSError:  # reset: the other side died with unread bytes
            piece = b""
        self.ended = not piece
        self._arrived += piece
        return bool(piece)

    def _unpack(self) -> list[object]:
        """Takes whole frames off the front."""
        messages: list[object] = []
        at = 0
        while len(self._arrived) - at >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self._arrived, at)
            end = at + LENGTH.size + size
            if len(self._arrived) < end:
                break
            messages.append(pickle.loads(memoryview(self._arrived)[at + LENGTH.size : end]))
            at = end
        del self._arrived[:at]
        return messages
