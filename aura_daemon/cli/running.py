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


def run(config: Path | None, log_format: str | None) -> int:
    """Watches until SIGTERM or SIGINT; exit code 0."""
    _start(config, log_format, Silent(), drain=False)
    return 0


def once(config: Path | None, log_format: str | None) -> int:
    """Drains the inbox; see the exit codes of `aura_daemon.cli`."""
    with terminal.for_stderr() as listener:
        return exit_code(_start(config, log_format, listener, drain=True))


def exit_code(summary: Summary) -> int:
    """What a drained inbox means for a script."""
    if summary.failed or summary.stuck:
        return FAILED
    return WAITING if summary.waiting else 0


def _start(config: Path | None, log_format: str | None, listener: Silent, *, drain: bool) -> Summary:
    loaded = settings_of(config)
    settings = loaded.settings
    chosen = log_format or settings.log_format
    logs.set_up(settings.log_level, chosen)
    logger.info("aura-daemon {}, configured by {}", __version__, loaded.origin)
    with daemon_of(settings, worker_of(settings, chosen, listener.worker_log_level), listener, drain=drain) as daemon:
        stop_on_signals(daemon)
        summary = daemon.run()
    logger.info("stopped: {} done, {} failed, {} waiting", summary.done, summary.failed, summary.waiting)
    return summary


def stop_on_signals(daemon: Daemon) -> None:
    """SIGTERM and Ctrl-C end the daemon in order; a second one ends it at once."""

    def stop(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        daemon.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
