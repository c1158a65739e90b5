"""Waits for descriptors, and wakes who waits: from a signal handler, or from a thread that has news."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Iterable

from aura_daemon.system.windows import needs_wsl2


class WakeupPipe:
    """A pipe to poll; readable from `wake` until `clear`."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        if sys.platform == "win32":
            raise needs_wsl2()
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


def wait_until_readable(descriptors: Iterable[int], most_s: float) -> bool:
    """Returns when one of them can be read, or a signal came, or after `most_s`; True where one can be read."""
    if sys.platform == "win32":
        raise needs_wsl2()
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, most_s) * 1000))
