"""The signals that order a stop: they reach daemon and worker together, and only the daemon obeys them.

A terminal, `timeout`, a service manager and a shutdown signal a whole process group or control group. A worker that
obeyed would be gone before the daemon can give its job the time to end.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

STOP_SIGNALS: Final = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGTERM})


@contextmanager
def blocked() -> Iterator[None]:
    """Blocks them in this thread and in every child started meanwhile, until that child calls `ignore`.

    A signal to this process waits until the end of the block, or reaches another of its threads.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore() -> None:
    """Ignores them in this process for good, those too that have come since it was started."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
