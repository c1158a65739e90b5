"""Wakes a loop that polls descriptors: from a signal handler, or from a thread that has news for it."""

from __future__ import annotations

import contextlib
import os


class WakeupPipe:
    """A pipe to poll; readable from `wake` until `clear`."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._reader

    def wake(self) -> None:
        """Makes the descriptor readable; safe in a signal handler and from any thread."""
        with contextlib.suppress(OSError):  # full: it is readable already; closed: nobody polls it
            os.write(self._writer, b"!")

    def clear(self) -> None:
        """Makes the descriptor unreadable again."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass

    def close(self) -> None:
        """Gives the pipe back. A signal that comes later must not write into whatever file has its number then."""
        reader, writer = self._reader, self._writer
        self._reader = self._writer = -1
        os.close(reader)
        os.close(writer)
