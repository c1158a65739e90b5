"""What Ray runs on a node: an actor that has the engines run batches. In: batches. Out: reports, as a stream.

The engines run in a child process that is shut in (`node_engines`), and end with the actor. The stream tells every few
seconds that the actor is alive, as Ray notices neither one that hangs nor, for a minute, a node that has vanished. An
actor whose raylet has ended ends itself: Ray leaves it running, with the GPU's memory.

Ray gives its workers the lowest priority; of that is told, because only the node's administrator can change it
(RAY_worker_niceness).
"""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.shut_in import ShutIn
from aura_daemon.system.processes.oom_kills import oom_kills
from aura_daemon.system.processes.running import niceness
from aura_daemon.workers.child_main import log_to_stderr, relay_log
from aura_daemon.workers.cluster.messages import ActorEnded
from aura_daemon.workers.cluster.node_engines import NodeEngines, not_started
from aura_daemon.workers.protocol import Batch, LogLine, Ready, Up

BEAT_S: Final = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Beat:
    """The actor is alive, and its job has nothing to say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """The actor has started, and so have the engines."""

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
class NoArrival:
    """The engines did not start."""

    ended: ActorEnded
    lines: tuple[LogLine, ...]
    """Of the log, which may say why."""


class EngineActor:
    """Has one batch run at a time, for as long as the actor lives."""

    def __init__(
        self, settings: EngineSettings, shut_in: ShutIn, child: str, threads: int | None, log_level: str
    ) -> None:
        """`child`: the module of the engines' main program. `threads`: None: as many as torch likes."""
        log_to_stderr(log_level, "text")
        self._lines: queue.SimpleQueue[LogLine] = queue.SimpleQueue()
        """Of the log, which nobody has told yet."""
        relay_log(self._lines.put, log_level)
        options = ("--log-level", log_level, "--relay-log")
        self._engines = NodeEngines(settings, shut_in, child=child, threads=threads, options=options)
        self._arriving = threading.Lock()
        self._ready: Ready | None = None
        threading.Thread(target=self._end_with, args=(os.getppid(),), name="raylet", daemon=True).start()

    def arrival(self) -> Arrival | NoArrival:
        """Where it runs, and on what, once the engines are there."""
        with self._arriving:
            if self._ready is None:
                found = self._started()
                if isinstance(found, ActorEnded):
                    return NoArrival(ended=found, lines=tuple(self._untold()))
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

    def run(self, batch: Batch) -> Iterator[Up | Beat | ActorEnded]:
        """Has a batch run; a generator that Ray streams. An `ActorEnded` is the last word, and of the engines."""
        try:
            self._engines.begin(batch)
        except OSError as error:
            yield not_started(error)
            return
        while not self._engines.is_over:
            said = self._engines.heard(BEAT_S)
            # Ray sends something into its generators, which a generator takes and no list does.
            yield from (message for message in (*self._untold(), *(said or (Beat(),))))

    def cancel(self, job_id: str) -> None:
        """Has a job of the running batch stop at its next step."""
        self._engines.cancel(job_id)

    def _started(self) -> Ready | ActorEnded:
        try:
            self._engines.start()
        except OSError as error:
            return not_started(error)
        while True:
            for said in self._engines.heard(BEAT_S):
                if isinstance(said, LogLine):
                    self._lines.put(said)
                elif isinstance(said, Ready | ActorEnded):
                    return said

    def _untold(self) -> Iterator[LogLine]:
        while not self._lines.empty():
            yield self._lines.get()

    def _end_with(self, raylet: int) -> None:
        """Ends this process once the one that started it has ended: nobody would hear what it says."""
        while os.getppid() == raylet:
            time.sleep(BEAT_S)
        self._engines.stop()
        os._exit(1)
