"""The processes that fetch models, as the daemon sees them. In: a model that a worker lacks. Out: progress, an answer.

Workers that want the same model wait for the same process. What a process has fetched stays when it ends early: the
next one goes on there.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast, get_args

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.services import WantedModel
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.system.sandbox.plan import SandboxPlan
from aura_daemon.workers.fetching.messages import Fetched, FetchOrder, FromFetcher
from aura_daemon.workers.local.child import Child
from aura_daemon.workers.local.worker_death import BROKEN_INSTALLATION
from aura_daemon.workers.log_lines import LogLines
from aura_daemon.workers.protocol import Loading, LogLine
from aura_daemon.workers.reports.checking import believed, sentence
from aura_daemon.workers.reports.decoding import BrokenProtocol, ReportReader

COMMAND: Final = (sys.executable, "-P", "-m", "aura_daemon.workers.fetching.fetch_main")

READS: Final = ReportReader(get_args(FromFetcher))

TRIED_AGAIN: Final = "it is tried again by itself, and goes on where it was; see the log"


class ModelFetches:
    """The fetches of all workers of one daemon."""

    def __init__(
        self,
        settings: EngineSettings,
        *,
        options: Sequence[str] = (),
        environment: Mapping[str, str | None] | None = None,
        sandbox: Callable[[], SandboxPlan | None] = lambda: None,
        command: Sequence[str] = COMMAND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`options`: of the log. `environment`: added to that of this process. `sandbox`: of each process."""
        self._settings = settings
        self._sandbox = sandbox
        self._options = tuple(options)
        self._environment = dict(environment or {})
        self._command = tuple(command)
        self._log_lines = LogLines(clock)
        self._running: dict[WantedModel, _Fetch] = {}

    def join(self, wanted: WantedModel) -> FetchPart:
        """Has a model fetched that the settings name, by the process that is at it already where one is."""
        fetch = self._running.get(wanted)
        if fetch is None:
            order = FetchOrder(settings=self._settings, wanted=wanted, sandbox=self._sandbox())
            fetch = _Fetch(order, self._command, self._options, self._environment, self._log_lines)
            self._running[wanted] = fetch
        fetch.waiting += 1
        return FetchPart(fetch, lambda: self._leave(wanted, fetch))

    def _leave(self, wanted: WantedModel, fetch: _Fetch) -> None:
        fetch.waiting -= 1
        if fetch.is_over or not fetch.waiting:
            fetch.end()
            if self._running.get(wanted) is fetch:
                del self._running[wanted]


class FetchPart:
    """The part of one worker in a fetch."""

    def __init__(self, fetch: _Fetch, leave: Callable[[], None]) -> None:
        self._fetch = fetch
        self._leave = leave
        self._seen: Loading | None = None

    def waitables(self) -> list[int]:
        """The descriptor that becomes readable when there is news."""
        return self._fetch.waitables()

    def take(self) -> list[Loading | Fetched]:
        """How far it is, where that is news, and the answer once it is there."""
        self._fetch.receive()
        news: list[Loading | Fetched] = []
        if self._fetch.last is not None and self._fetch.last is not self._seen:
            self._seen = self._fetch.last
            news.append(self._seen)
        if self._fetch.answer is not None:
            news.append(self._fetch.answer)
        return news

    def leave(self) -> None:
        """This worker waits no longer; the process ends with the last one."""
        self._leave()


class _Fetch:
    """One process."""

    def __init__(
        self,
        order: FetchOrder,
        command: Sequence[str],
        options: Sequence[str],
        environment: Mapping[str, str | None],
        log_lines: LogLines,
    ) -> None:
        self.waiting = 0
        """Workers that wait for it."""
        self.last: Loading | None = None
        self.answer: Fetched | None = None
        self._model = order.wanted.model
        self._log_lines = log_lines
        self._child: Child | None = None
        try:
            self._child = Child(command, options, environment, reads=READS)
            self._child.send([order])
        except OSError as error:
            self._fail(f"no process could be started to fetch it: {error}", BROKEN_INSTALLATION)

    @property
    def is_over(self) -> bool:
        return self.answer is not None

    def waitables(self) -> list[int]:
        return [self._child.channel.fileno()] if self._child is not None else []

    def receive(self) -> None:
        """Hears what has come; a process that ends without an answer is one."""
        if self._child is None or self.is_over:
            return
        fault = self._record_all(cast(list[FromFetcher], self._child.receive())) or self._child.fault
        if fault:
            self._fail(f"the process that fetches it sent what it must not: {fault}", TRIED_AGAIN)
        elif not self.is_over and self._child.ended:
            self._fail(f"the process that fetches it {self._child.ending()}", TRIED_AGAIN)

    def end(self) -> None:
        if self._child is not None:
            self._child.end(0.0)
            self._child.close()
            self._child = None

    def _record_all(self, messages: Sequence[FromFetcher]) -> str:
        for message in messages:
            if isinstance(message, Fetched):
                self.answer = self.answer or _printable(message)  # the first one counts
                continue
            try:
                told = believed(message, {}, ())
            except BrokenProtocol as error:
                return str(error)
            if isinstance(told, LogLine):
                self._log_lines.write(told)
            elif isinstance(told, Loading):
                self.last = told
        return ""

    def _fail(self, cause: str, mend: str) -> None:
        message = f"model {self._model}: {cause}"
        self.answer = Fetched(failure=Failure(kind=FailureKind.MODEL_UNAVAILABLE, message=message, mend=mend))
        self.end()


def _printable(fetched: Fetched) -> Fetched:
    """Whatever went wrong, it is the model that is not to be had."""
    failure = fetched.failure
    if failure is None:
        return fetched
    message, mend = sentence(failure.message), sentence(failure.mend)
    return Fetched(failure=Failure(kind=FailureKind.MODEL_UNAVAILABLE, message=message, mend=mend))
