"""`run` and `once`: the daemon on the terminal or under a service manager."""

from __future__ import annotations

import faulthandler
import signal
from pathlib import Path

from aura_daemon.cli import progress_bars
from aura_daemon.daemon.loop import Summary
from aura_daemon.daemon.supervisor import supervise

FAILED = 1
WAITING = 3
KILLED = 128
"""What a shell adds to the number of the signal that ended a program."""


def run(config: Path | None, log_format: str | None) -> int:
    """Watches until SIGTERM or SIGINT, exit code 0; at SIGHUP the configuration is read again."""
    faulthandler.enable()  # where it hangs, when the service manager's watchdog ends it by SIGABRT
    supervise(config, log_format, drain=False)
    return 0


def once(config: Path | None, log_format: str | None) -> int:
    """Drains the inbox; see the exit codes in `cli.app`."""
    with progress_bars.for_stderr() as listener:
        level = listener.worker_log_level
        summary, stopped_by = supervise(config, log_format, listeners=[listener], worker_log_level=level, drain=True)
    return exit_code(summary, stopped_by)


def exit_code(summary: Summary, stopped_by: signal.Signals | None = None) -> int:
    """The exit code of a drain; where a signal ended it, the code that a shell reports for that signal."""
    if stopped_by is not None:
        return KILLED + stopped_by
    if summary.failed or summary.stuck:
        return FAILED
    return WAITING if summary.waiting else 0
