"""What runs on a node: the engines, as an actor of Ray. In: batches. Out: reports, as a stream.

The stream tells every few seconds that the actor is alive, as Ray notices neither one that hangs nor, for a minute, a
node that has vanished. An actor whose raylet has ended ends itself: Ray leaves it running, with the GPU's memory.

Ray gives its workers one thread and the lowest priority; the threads are set here, and of the priority is told, because
only the node's administrator can change it (RAY_worker_niceness).
"""

from __future__ import annotations

import importlib
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias, cast

from aura_daemon.config.engine import EngineSettings
from aura_daemon.system import logs
from aura_daemon.system.processes.oom_kills import oom_kills
from aura_daemon.system.processes.running import niceness
from aura_daemon.workers.child_main import log_to_stderr
from aura_daemon.workers.engine_start import set_environment
from aura_daemon.workers.protocol import Batch, LogLine, Ready, Up
from aura_daemon.workers.runner import BatchReporter, Runner

if TYPE_CHECKING:
    from loguru import Message

BEAT_S: Final = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Beat:
    """The actor is alive, and its job has nothing to say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """The actor has started."""

    ready: Ready
    node: str
    pid: int
    node_id: str
    """As Ray names the node."""
    niceness: int
    """Of its process: 0 is the usual one, 19 the lowest priority."""
    oom_kills: int | None
    """Processes of the node that its kernel has killed until now because memory ran out; None: nobody counts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Over:
    """The batch has ended; what was raised, in words, where it has not ended well."""

    fault: str = ""
    exit_code: int | None = None
    """The process is not to go on."""


_Reports: TypeAlias = "queue.SimpleQueue[Up | _Over]"


class EngineActor:
    """Runs one batch at a time, in one thread, for as long as the actor lives."""

    def __init__(self, settings: EngineSettings, runner: str, threads: int | None, log_level: str) -> None:
        """`runner`: `MODULE:FUNCTION` that makes a runner of the settings. `threads`: None: as many as torch likes."""
        log_to_stderr(log_level, "text")
        set_environment()
        os.environ.pop("OMP_NUM_THREADS", None)  # Ray's choice: one where nobody asked for CPUs
        if threads is not None:
            os.environ["OMP_NUM_THREADS"] = str(threads)
        self._reports: _Reports = queue.SimpleQueue()
        """Of the last batch that has begun, whose engines may still be at it when the daemon sends the next one."""
        self._batches: queue.SimpleQueue[tuple[Batch, _Reports]] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        self._arrived: queue.SimpleQueue[Ready | BaseException] = queue.SimpleQueue()
        self._ready: Ready | None = None
        logs.send(self._relay, log_level)
        threading.Thread(target=_end_with, args=(os.getppid(),), name="raylet", daemon=True).start()
        threading.Thread(target=self._work, args=(settings, runner), name="engines", daemon=True).start()

    def arrival(self) -> Arrival:
        """Where it runs, and on what; raises what the start of the engines raised."""
        if self._ready is None:
            found = self._arrived.get()
            if isinstance(found, BaseException):
                raise found
            self._ready = found
        import ray  # the daemon imports this module, and not Ray

        return Arrival(
            ready=self._ready,
            node=socket.gethostname(),
            pid=os.getpid(),
            node_id=ray.get_runtime_context().get_node_id(),
            niceness=niceness(),
            oom_kills=oom_kills(),
        )

    def run(self, batch: Batch) -> Iterator[Up | Beat]:
        """Runs a batch; a generator that Ray streams. Raises RuntimeError where the runner did not finish it."""
        reports: _Reports = queue.SimpleQueue()
        self._batches.put((batch, reports))
        while True:
            try:
                report = reports.get(timeout=BEAT_S)
            except queue.Empty:
                yield Beat()
                continue
            if not isinstance(report, _Over):
                yield report
            elif report.exit_code is not None:
                time.sleep(BEAT_S)  # Ray sends a report behind one's back: it must have left before
                os._exit(report.exit_code)
            elif report.fault:
                raise RuntimeError(report.fault)
            else:
                return

    def cancel(self, job_id: str) -> None:
        """Has a job of the running batch stop at its next step."""
        self._cancelled.add(job_id)

    def _work(self, settings: EngineSettings, runner: str) -> None:
        try:
            module, _, function = runner.partition(":")
            make = cast(Callable[[EngineSettings], Runner], getattr(importlib.import_module(module), function))
            engines = make(settings)
            self._arrived.put(engines.ready())
        except BaseException as error:  # noqa: BLE001 - told to whoever asks for the arrival
            self._arrived.put(error)
            return
        while True:
            batch, reports = self._batches.get()
            while not self._reports.empty():  # lines of the log since then
                reports.put(self._reports.get())
            self._reports = reports
            over = _Over()
            try:
                engines.run(batch, BatchReporter(reports.put, self._cancelled, engines, end=self._end))
            except BaseException as error:  # noqa: BLE001 - the daemon is told, and has another actor started
                over = _Over(fault=f"{type(error).__name__}: {error}")
            self._cancelled.difference_update(task.job_id for task in batch.tasks)
            reports.put(over)

    def _end(self, exit_code: int) -> NoReturn:
        """Ends the process once everything before is said."""
        self._reports.put(_Over(exit_code=exit_code))
        while True:
            time.sleep(BEAT_S)

    def _relay(self, message: Message) -> None:
        self._reports.put(LogLine(level=message.record["level"].name, message=message.rstrip("\n")))


def _end_with(raylet: int) -> None:
    """Ends this process once the one that started it has ended: nobody would hear what it says."""
    while os.getppid() == raylet:
        time.sleep(BEAT_S)
    os._exit(1)
