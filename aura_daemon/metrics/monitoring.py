"""The extension that tells others how the daemon is: over HTTP, and in a textfile. In: settings, events."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from loguru import logger

from aura_daemon import file_names
from aura_daemon.config.listening import Address, TcpAddress, address_of
from aura_daemon.config.monitoring_checks import is_open_secret, token_of
from aura_daemon.config.settings import Settings
from aura_daemon.errors import UserError
from aura_daemon.health.document import Status
from aura_daemon.health.holdups import HTTP, TEXTFILE, Holdups
from aura_daemon.health.listener import Event, HealthWritten
from aura_daemon.metrics import textfile
from aura_daemon.metrics.daemon_metrics import CONTENT_TYPE, DaemonMetrics
from aura_daemon.metrics.http_pages import Pages
from aura_daemon.metrics.http_server import HttpServer

_MEND_HTTP: Final = "End what listens there, make the socket's folder, or change `http.listen`; jobs go on meanwhile."
_MEND_TOKEN: Final = "Mend the file; jobs go on meanwhile, and nobody is answered."
_MEND_TEXTFILE: Final = "Make the folder, or free room there; jobs go on meanwhile."


class Monitoring:
    """Whatever refuses is a hold-up, tried again later: no job waits for whoever looks on."""

    def __init__(self, settings: Settings, holdups: Holdups, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._holdups = holdups
        self._clock = clock
        self._metrics = DaemonMetrics()
        self._address = address_of(settings.http.listen) if settings.http.listen is not None else None
        self._server: HttpServer | None = None
        self._textfile = settings.metrics.textfile
        self._has_news = False
        self._written_s: float | None = None

    def on_event(self, event: Event) -> None:
        """Counts the event."""
        self._metrics.on_event(event)
        self._has_news = self._has_news or isinstance(event, HealthWritten)

    def waitables(self) -> Sequence[int]:
        """The descriptor of the server."""
        return self._server.waitables() if self._server is not None else ()

    def due_in_s(self) -> float | None:
        """Seconds until a client's time is over. What else is due comes with the health document."""
        return self._server.due_in_s() if self._server is not None else None

    def work(self) -> None:
        """Listens, answers and writes."""
        now = self._clock()
        if self._server is not None:
            self._server.work()
        elif self._address is not None and not self._holdups.is_held(HTTP, now):
            self._listen(self._address, now)
        is_due = self._written_s is None or now - self._written_s >= textfile.INTERVAL_S
        if self._has_news and is_due and not self._holdups.is_held(TEXTFILE, now):
            self._write(now)

    def close(self) -> None:
        """Ends the server; the last words of a daemon that stops are written without a wait."""
        if self._server is not None:
            self._server.close()
        document = self._metrics.document
        if self._has_news and document is not None and document.status is Status.STOPPED:
            self._write(self._clock())

    def _listen(self, address: Address, now: float) -> None:
        try:
            token = token_of(self._settings.http)
            pages = Pages(
                token=token,
                checks_host=isinstance(address, TcpAddress),
                health=lambda: self._metrics.document,
                metrics=self._metrics.render,
                metrics_type=CONTENT_TYPE,
            )
            is_open = is_open_secret(self._settings.http)
            self._server = HttpServer(address, pages)
        except UserError as error:  # the token was there when the configuration was read
            self._hold_up(HTTP, str(error), _MEND_TOKEN, now)
            return
        except OSError as error:
            self._hold_up(HTTP, f"{address} cannot be listened on: {error.strerror or error}", _MEND_HTTP, now)
            return
        self._holdups.clear(HTTP)
        guarded = "those who know the token" if token is not None else "this machine"
        logger.info("/health and /metrics are answered to {} on {}", guarded, self._server.name)
        if is_open:
            file = self._settings.http.token_file
            logger.warning("every user of this machine can read the token in {}: `chmod o= …`", file)

    def _write(self, now: float) -> None:
        self._written_s, self._has_news = now, False
        if self._textfile is None:
            return
        try:
            textfile.write(self._textfile, self._metrics.render(daemon=file_names.escaped(self._textfile.stem)))
        except OSError as error:
            reason = f"{self._textfile} cannot be written: {error.strerror or error}"
            self._hold_up(TEXTFILE, reason, _MEND_TEXTFILE, now)
            return
        if self._holdups.clear(TEXTFILE):
            logger.info("the metrics can be written again")

    def _hold_up(self, what: str, reason: str, mend: str, now: float) -> None:
        wait_s = self._holdups.fail(what, reason=reason, mend=mend, now=now)
        logger.error("{}; tried again in {:g} s. {}", reason, wait_s, mend)
