"""`run` and `once`: the daemon on the terminal or under a service manager."""

from __future__ import annotations

import signal
from pathlib import Path

from loguru import logger

from aura_daemon import __version__, logs
from aura_daemon.cli import terminal
from aura_daemon.cli.compose import daemon_of, settings_of, worker_of
from aura_daemon.cli.terminal import Silent
from aura_daemon.daemon import Daemon, Summary

FAILED = 1
WAITING = 3
KILLED = 128
"""What a shell adds to the number of the signal that ended a program."""


def run(config: Path | None, log_format: str | None) -> int:
    """Watches until SIGTERM or SIGINT; exit code 0."""
    _start(config, log_format, Silent(), drain=False)
    return 0


def once(config: Path | None, log_format: str | None) -> int:
    """Drains the inbox; see the exit codes of `aura_daemon.cli`."""
    with terminal.for_stderr() as listener:
        summary, stopped_by = _start(config, log_format, listener, drain=True)
    return exit_code(summary, stopped_by)


def exit_code(summary: Summary, stopped_by: signal.Signals | None = None) -> int:
    """What a drained inbox means for a script; one that a signal kept from being drained says so as a shell would."""
    if stopped_by is not None:
        return KILLED + stopped_by
    if summary.failed or summary.stuck:
        return FAILED
    return WAITING if summary.waiting else 0


def _start(
    config: Path | None, log_format: str | None, listener: Silent, *, drain: bool
) -> tuple[Summary, signal.Signals | None]:
    loaded = settings_of(config)
    settings = loaded.settings
    chosen = log_format or settings.log_format
    logs.set_up(settings.log_level, chosen)
    logger.info("aura-daemon {}, configured by {}", __version__, loaded.origin)
    with daemon_of(settings, worker_of(settings, chosen, listener.worker_log_level), listener, drain=drain) as daemon:
        stopper = Stopper(daemon)
        summary = daemon.run()
    logger.info("stopped: {} done, {} failed, {} waiting", summary.done, summary.failed, summary.waiting)
    return summary, stopper.stopped_by


class Stopper:
    """SIGTERM and Ctrl-C end the daemon in order; a second one ends it at once."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.stopped_by: signal.Signals | None = None
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)

    def _stop(self, number: int, frame: object) -> None:
        self.stopped_by = signal.Signals(number)
        signal.signal(number, signal.SIG_DFL)
        self._daemon.stop()
