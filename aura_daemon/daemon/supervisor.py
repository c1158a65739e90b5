"""One daemon after another: SIGTERM and Ctrl-C end it, SIGHUP starts one with the new configuration."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from loguru import logger

from aura_daemon import __version__
from aura_daemon.cli.progress_bars import SilentListener
from aura_daemon.config.loading import LoadedConfig
from aura_daemon.config.settings import Settings
from aura_daemon.daemon.assembly import daemon_of, settings_of, worker_of, worker_settings
from aura_daemon.daemon.loop import Daemon, Summary
from aura_daemon.errors import UserError
from aura_daemon.system import logs
from aura_daemon.workers.process import ProcessWorker


def _start(
    config: Path | None, log_format: str | None, listener: SilentListener, *, drain: bool
) -> tuple[Summary, signal.Signals | None]:
    """One daemon after the other: the next one with the configuration that SIGHUP had read again."""
    loaded = settings_of(config)
    worker = _configured(loaded, log_format, listener)
    stopper = SignalHandler()
    done = failed = 0
    before: Daemon | None = None
    while True:
        renewal = ConfigReload(config, loaded.settings)
        with daemon_of(loaded.settings, worker, listener, drain=drain) as daemon:
            if before is not None:
                daemon.rooms.pulse.inherit(before.rooms.pulse)
            stopper.watch_over(daemon, reloads=not drain and not sys.stdin.isatty())
            summary = daemon.run(renew=renewal.try_now)
        done, failed = done + summary.done, failed + summary.failed
        if renewal.loaded is None or stopper.stopped_by is not None:
            break
        before = daemon
        if worker_settings(renewal.loaded.settings) != worker_settings(loaded.settings):
            worker.stop(1.0)
            worker, before = _configured(renewal.loaded, log_format, listener), None
        loaded = renewal.loaded
    worker.stop(0.0)
    logger.info("stopped: {} done, {} failed, {} waiting", done, failed, summary.waiting)
    return summary, stopper.stopped_by


def _configured(loaded: LoadedConfig, log_format: str | None, listener: SilentListener) -> ProcessWorker:
    """Sets the log up as configured; a worker that is, too."""
    settings = loaded.settings
    chosen = log_format or settings.log_format
    logs.set_up(settings.log_level, chosen)
    logger.info("aura-daemon {}, configured by {}", __version__, loaded.origin)
    return worker_of(settings, chosen, listener.worker_log_level)


class ConfigReload:
    """The configuration, read once more when SIGHUP comes; one with a problem leaves the old one in force."""

    def __init__(self, config: Path | None, before: Settings) -> None:
        self._config = config
        self._before = before
        self.loaded: LoadedConfig | None = None
        """The new one, where there is one."""

    def try_now(self) -> bool:
        """Whether a daemon with another configuration is to follow."""
        try:
            loaded = settings_of(self._config)
        except UserError as error:
            for problem in error.problems:
                logger.error("the configuration is refused, the old one stays: {}", problem)
            return False
        changed = [key for key in Settings.model_fields if getattr(loaded.settings, key) != getattr(self._before, key)]
        logger.info("the configuration was read again; changed: {}", ", ".join(changed) or "nothing")
        self.loaded = loaded if changed else None
        return bool(changed)


class SignalHandler:
    """SIGTERM and Ctrl-C end the daemon in order; a second one ends it at once. SIGHUP has its configuration read."""

    def __init__(self, daemon: Daemon | None = None) -> None:
        self._daemon = daemon
        self.stopped_by: signal.Signals | None = None
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)

    def watch_over(self, daemon: Daemon, *, reloads: bool) -> None:
        """From now on it is this one; where it is on a terminal, that one's end ends it."""
        self._daemon = daemon
        if self.stopped_by is not None:
            daemon.stop()
        if reloads:
            signal.signal(signal.SIGHUP, lambda number, frame: daemon.reload())

    def _stop(self, number: int, frame: object) -> None:
        self.stopped_by = signal.Signals(number)
        signal.signal(number, signal.SIG_DFL)
        if self._daemon is not None:
            self._daemon.stop()
