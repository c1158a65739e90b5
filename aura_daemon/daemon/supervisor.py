"""Runs daemons, one after the other: SIGTERM and Ctrl-C end the last, SIGHUP replaces it by one with new settings."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from loguru import logger

from aura_daemon import __version__
from aura_daemon.backoff import Backoff
from aura_daemon.config.loading import LoadedConfig
from aura_daemon.config.settings import Settings
from aura_daemon.daemon.assembly import assemble_daemon, log_file_of, settings_of, worker_settings
from aura_daemon.daemon.loop import Daemon, Summary
from aura_daemon.errors import StateRefused, UserError
from aura_daemon.health.listener import Listener
from aura_daemon.system import logs
from aura_daemon.system.processes.stop_signals import HANG_UP
from aura_daemon.workers.assembly import assemble_workers
from aura_daemon.workers.pool import WorkerPool

_FULL: Final = ("ENOSPC", "EDQUOT", "EROFS", "EIO", "ENOLCK")
_AWAY: Final = ("EHOSTDOWN", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", "ENOTCONN", "ECONNRESET", "ESTALE", "ENODEV")
PASSING: Final = frozenset(getattr(errno, name) for name in (*_FULL, *_AWAY) if hasattr(errno, name))
"""What a disk or a server refuses until somebody has made room, or it is back; Windows lacks some."""

FIRST_WAIT_S: Final = 1.0
MOST_WAIT_S: Final = 15.0
"""Between two tries of a start: little is done for one."""

LOOK_S: Final = 0.5
"""Seconds between two looks whether a signal has come."""


def supervise(
    config: Path | None,
    log_format: str | None,
    *,
    listeners: Sequence[Listener] = (),
    worker_log_level: str | None = None,
    makes_folders: bool = False,
    drain: bool,
) -> tuple[Summary, signal.Signals | None]:
    """Runs daemons until one is told to stop or, with `drain`, has nothing left to do.

    Returns the summary, and the signal that stopped the last daemon. `worker_log_level`: None means as configured.
    `makes_folders`: as in `settings_of`, at the start; a configuration that is read again names folders that are there.
    """
    loaded = settings_of(config, makes_folders=makes_folders, waits=not drain)
    pool = _configured_pool(loaded, log_format, worker_log_level)
    handler = SignalHandler(reloads=not drain and not os.isatty(0))
    done = failed = 0
    summary = Summary(done=0, failed=0, waiting=0, stuck=True)
    while True:
        reload = ConfigReload(config, loaded.settings)
        assemble = partial(assemble_daemon, loaded.settings, pool, listeners=listeners, drain=drain)
        with assemble() if drain else assembled_when_possible(assemble, loaded.settings, handler) as daemon:
            if daemon is None:
                break
            handler.watch_over(daemon)
            summary = daemon.run(reload=reload.try_now)
            handler.leave()
        done, failed = done + summary.done, failed + summary.failed
        if not daemon.hands_over or handler.stopped_by is not None:
            break
        before, loaded = loaded, reload.loaded or loaded
        if worker_settings(loaded.settings) != worker_settings(before.settings):
            pool.stop(1.0)
            pool = _configured_pool(loaded, log_format, worker_log_level)
    pool.stop(0.0)
    logger.info("stopped: {} done, {} failed, {} waiting", done, failed, summary.waiting)
    return summary, handler.stopped_by


@contextmanager
def assembled_when_possible(
    assemble: Callable[[], AbstractContextManager[Daemon]], settings: Settings, handler: SignalHandler
) -> Iterator[Daemon | None]:
    """A daemon, once the disks of its folders take it; until then it is tried again. None: a signal came first."""
    waits = Backoff(first_s=min(FIRST_WAIT_S, settings.retry_first), most_s=MOST_WAIT_S)
    daemon: Daemon | None = None
    told = ""
    with ExitStack() as stack:
        while daemon is None and handler.stopped_by is None:
            try:
                daemon = stack.enter_context(assemble())
            except (StateRefused, OSError) as error:
                if isinstance(error, OSError) and error.errno not in PASSING:
                    raise
                if str(error) != told:
                    logger.error("the daemon cannot start: {}; tried again and again", error)
                told = str(error)
                handler.sleep(waits.failed(time.monotonic()))
        yield daemon


def _configured_pool(loaded: LoadedConfig, log_format: str | None, worker_log_level: str | None) -> WorkerPool:
    """Sets up the log and the workers as configured."""
    settings = loaded.settings
    chosen = log_format or settings.log_format
    logs.set_up(settings.log_level, chosen, log_file=log_file_of(settings))
    logger.info("aura-daemon {}, configured by {}", __version__, loaded.origin)
    return assemble_workers(settings, chosen, worker_log_level)


class ConfigReload:
    """Reads the configuration again after SIGHUP; where the new one has a problem, the old one stays in force."""

    def __init__(self, config: Path | None, before: Settings) -> None:
        self._config = config
        self._before = before
        self.loaded: LoadedConfig | None = None
        """The new configuration; None where nothing has changed."""

    def try_now(self) -> bool:
        """Reads the configuration; True where a daemon with a changed one is to take over."""
        try:
            loaded = settings_of(self._config, waits=True)
        except UserError as error:
            for problem in error.problems:
                logger.error("the configuration is refused, the old one stays: {}", problem)
            return False
        changed = [key for key in Settings.model_fields if getattr(loaded.settings, key) != getattr(self._before, key)]
        logger.info("the configuration was read again; changed: {}", ", ".join(changed) or "nothing")
        self.loaded = loaded if changed else None
        return bool(changed)


ONE_STOP_S: Final = 1.0
"""Seconds in which several signals order the same stop: `timeout` signals its child, and then the child's whole group;
a terminal that closes signals the shell's job, and then the group in front."""


class SignalHandler:
    """SIGTERM and Ctrl-C shut the daemon down; one that comes later than `ONE_STOP_S` kills it.

    SIGHUP has the configuration read again, or shuts down a daemon that a closing terminal must not leave behind.
    """

    def __init__(
        self, daemon: Daemon | None = None, *, reloads: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`reloads`: what SIGHUP is for. A SIGHUP that `nohup` has this process ignore stays ignored otherwise."""
        self._daemon = daemon
        self._clock = clock
        self._stopped_s: float | None = None
        self._is_to_reload = False
        self.stopped_by: signal.Signals | None = None
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        for number in HANG_UP:
            if reloads or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._reload if reloads else self._stop)

    def watch_over(self, daemon: Daemon) -> None:
        """Directs signals to this daemon, those too that came before."""
        self._daemon = daemon
        if self.stopped_by is not None:
            daemon.stop()
        if self._is_to_reload:
            self._is_to_reload = False
            daemon.reload()

    def leave(self) -> None:
        """Keeps what comes from now on for the next daemon."""
        self._daemon = None

    def sleep(self, seconds: float) -> None:
        """Returns after a time, or soon after a signal that stops the daemon."""
        until_s = self._clock() + seconds
        while self.stopped_by is None and (left_s := until_s - self._clock()) > 0:
            time.sleep(min(left_s, LOOK_S))

    def _stop(self, number: int, frame: object) -> None:
        if self._stopped_s is not None and self._clock() - self._stopped_s >= ONE_STOP_S:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        if self._stopped_s is None:
            self._stopped_s = self._clock()
            self.stopped_by = signal.Signals(number)
            if self._daemon is not None:
                self._daemon.stop()

    def _reload(self, number: int, frame: object) -> None:
        self._is_to_reload = self._daemon is None
        if self._daemon is not None:
            self._daemon.reload()
