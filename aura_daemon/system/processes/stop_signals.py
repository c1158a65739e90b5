"""The signals that order a stop: they reach daemon and worker together, and only the daemon obeys them.

A terminal, `timeout`, a service manager and a shutdown signal a whole process group or control group. A worker that
obeyed would be gone before the daemon can give its job the time to end.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aura_daemon.system.windows import needs_wsl2


def _those_known_here(*names: str) -> frozenset[signal.Signals]:
    return frozenset(found for found in signal.Signals if found.name in names)


HANG_UP: Final = _those_known_here("SIGHUP")
"""Windows has none."""

STOP_SIGNALS: Final = HANG_UP | {signal.SIGINT, signal.SIGTERM}

KILL: Final = _those_known_here("SIGKILL")
"""Windows has none."""


def signal_of(exit_code: int | None) -> signal.Signals | None:
    """The signal that ended a child; None for one that runs, ended by itself, or by a signal without a name."""
    return signal.Signals(-exit_code) if exit_code is not None and -exit_code in set(signal.Signals) else None


@contextmanager
def blocked() -> Iterator[None]:
    """Blocks them in this thread and in every child started meanwhile, until that child calls `ignore`.

    A signal to this process waits until the end of the block, or reaches another of its threads.
    """
    if sys.platform == "win32":
        raise needs_wsl2()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore() -> None:
    """Ignores them in this process for good, those too that have come since it was started."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
