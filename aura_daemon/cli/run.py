"""`run` and `once`: the daemon on the terminal or under a service manager."""

from __future__ import annotations

import faulthandler
import signal
from pathlib import Path

from aura_daemon.daemon.loop import Summary
from aura_daemon.daemon.supervisor import supervise

FAILED = 1
WAITING = 3
KILLED = 128
"""What a shell adds to the number of the signal that ended a program."""


def run(config: Path | None, log_format: str | None, *, makes_folders: bool = False) -> int:
    """Watches until SIGTERM or SIGINT, exit code 0; at SIGHUP the configuration is read again."""
    faulthandler.enable()  # where it hangs, when the service manager's watchdog ends it by SIGABRT
    supervise(config, log_format, makes_folders=makes_folders, drain=False)
    return 0


def once(config: Path | None, log_format: str | None, *, makes_folders: bool = False) -> int:
    """Drains the inbox; see the exit codes in `cli.app`."""
    from aura_daemon.cli import progress_bars  # not for `run`, which would keep rich in memory for months

    with progress_bars.for_stderr() as listener:
        summary, stopped_by = supervise(
            config,
            log_format,
            listeners=[listener],
            worker_log_level=listener.worker_log_level,
            makes_folders=makes_folders,
            drain=True,
        )
    return exit_code(summary, stopped_by)


def exit_code(summary: Summary, stopped_by: signal.Signals | None = None) -> int:
    """The exit code of a drain; where a signal ended it, the code that a shell reports for that signal."""
    if stopped_by is not None:
        return KILLED + stopped_by
    if summary.failed or summary.stuck:
        return FAILED
    return WAITING if summary.waiting else 0
