"""The child process that speaks to the Ray cluster: `python -m aura_daemon.workers.cluster.driver_main FD PARENT_PID`.

In: Connect, then messages for slots. Out: what their actors say. Every slot has a thread here, which waits for its
actor; the actors belong to this process, and Ray ends them with it.
"""

from __future__ import annotations

import argparse
import os
import queue
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn, cast

from loguru import logger

from aura_daemon.config.workers.cluster import LOCAL, ClusterSettings
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.system.processes import stop_signals
from aura_daemon.system.processes.child_processes import become_a_child
from aura_daemon.system.processes.oom_kills import oom_kills
from aura_daemon.workers.channel import MessageReceiver, read_order, report
from aura_daemon.workers.child_main import log_to_stderr
from aura_daemon.workers.cluster.actor import Arrival, Beat, EngineActor, NoArrival
from aura_daemon.workers.cluster.faults import (
    HEAD_LOST,
    connection_fault,
    end_of_actor,
    is_of_another_head,
    is_silent_about_node,
    shortage,
)
from aura_daemon.workers.cluster.messages import (
    ActorEnded,
    Connect,
    Connected,
    End,
    FromDriver,
    FromSlot,
    Refused,
    Settled,
    ToSlot,
    Waiting,
)
from aura_daemon.workers.cluster.node_names import node_name
from aura_daemon.workers.protocol import Batch, Cancel, Up

ENVIRONMENT: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "error",
    "RAY_AUTH_MODE": "token",
    "RAY_worker_niceness": "0",
}
"""Must be set before Ray is imported; variables that the user has set stay. The last one is for our own cluster."""

CHILD: Final = "aura_daemon.workers.child_main"
"""The main program of the process with the engines, on the actor's node."""

CALLS: Final = 4
"""An actor takes a cancel while a batch runs."""

LOOK_S: Final = 1.0
SAY_S: Final = 15.0
"""How often is said that a place is waited for; to start an actor takes less."""

NICE: Final = (
    "the node {} runs its workers at nice {}: other programs there go first; start its Ray with RAY_worker_niceness=0"
)


def main(arguments: list[str], *, child: str = CHILD) -> NoReturn:
    """Serves the slots until the daemon closes the socket. `child`: the main program of what runs the jobs."""
    parser = argparse.ArgumentParser(prog="aura_daemon.workers.cluster.driver_main")
    parser.add_argument("descriptor", type=int)
    parser.add_argument("parent", type=int)
    parser.add_argument("--log-level", default="INFO")
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    given = parser.parse_args(arguments)
    become_a_child(given.parent)
    log_to_stderr(given.log_level, given.log_format)
    serve(socket.socket(fileno=given.descriptor), child)


def serve(channel: socket.socket, child: str) -> NoReturn:
    """Connects to the cluster and serves the slots; this process ends when the daemon closes the socket."""
    channel.set_inheritable(False)
    receiver, lock = MessageReceiver(channel, read_order), threading.Lock()

    def say(message: FromDriver) -> None:
        try:
            with lock:
                report(channel, message)
        except OSError:  # the daemon is gone
            os._exit(1)

    waiting = receiver.wait()
    connect = cast(Connect, waiting.pop(0))
    try:
        ray = connected(connect.cluster)
        stop_signals.ignore()  # once more: Ray writes down where each thread stood, and ends
        say(Connected(nodes=sum(node["Alive"] for node in ray.nodes()), version=ray.__version__))
    except Exception as error:  # noqa: BLE001 - Ray raises many kinds, and all mean the same
        why, mend = connection_fault(error, connect.cluster)
        say(Refused(why=why, mend=mend))
        os._exit(1)
    slots: dict[int, _Slot] = {}
    while waiting or (waiting := receiver.wait()):
        message = cast(ToSlot, waiting.pop(0))
        if message.slot not in slots:
            slots[message.slot] = _Slot(ray, message.slot, connect, child, say)
        slots[message.slot].take(message)
    with suppress(Exception):
        ray.shutdown()
    os._exit(0)


def connected(cluster: ClusterSettings) -> Any:
    """The module Ray, connected; raises what Ray raises, ImportError where it is not installed."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if cluster.token_file is not None:
        os.environ["RAY_AUTH_TOKEN"] = Path(cluster.token_file).read_text(encoding="utf-8").strip()
    elif cluster.address == LOCAL:  # else Ray writes one into the home folder, for all to read
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "namespace": "aura-daemon"}
    if cluster.address == LOCAL:
        ray.init(address=LOCAL, include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
    else:
        ray.init(address=cluster.address, **quiet)
    return ray


class _Slot:
    """One actor, its batches, and the thread that waits for what they say."""

    def __init__(self, ray: Any, number: int, connect: Connect, child: str, say: Callable[[FromDriver], None]) -> None:
        self._ray = ray
        self._number = number
        self._connect = connect
        self._child = child
        self._say_up = say
        self._messages: queue.SimpleQueue[ToSlot] = queue.SimpleQueue()
        self._actor: Any = None
        self._cpus = 0.0
        """Of its node, which the actor takes."""
        self._arrival: Arrival | None = None
        self._attempt: int | None = None
        """The last that was asked for; None once that was ended."""
        threading.Thread(target=self._serve, name=f"slot {number}", daemon=True).start()

    def take(self, message: ToSlot) -> None:
        """Something that the daemon asks for; does not wait."""
        if isinstance(message.message, Cancel):
            if (actor := self._actor) is not None:
                actor.cancel.remote(message.message.job_id)
            return
        self._attempt = message.attempt if not isinstance(message.message, End) else None
        self._messages.put(message)

    def _serve(self) -> None:
        while True:
            asked = self._messages.get()
            if isinstance(asked.message, End):
                self._end_actor()
                continue
            try:
                if self._arrive(asked.attempt) and isinstance(asked.message, Batch):
                    self._run(asked.attempt, asked.message)
            except Exception as error:  # noqa: BLE001 - of Ray or of the actor: what happened stands in the text
                self._ended(asked.attempt, error)

    def _arrive(self, attempt: int) -> bool:
        """Waits until the actor is there; False where it is not wanted any more."""
        if self._arrival is not None:
            return True
        if self._actor is None:
            _ask_head()
            cluster = self._connect.cluster
            cpus = self._cpus = cluster.cpus or self._usual_cpus()
            options = {
                "num_cpus": cpus,
                "num_gpus": cluster.gpus,
                "resources": dict(cluster.resources) or None,
                # Ray brings a dead actor back, or what it has said already would be lost; the daemon counts attempts.
                "max_restarts": -1,
                "max_task_retries": 0,
                "max_concurrency": CALLS,
            }
            actor = self._ray.remote(EngineActor).options(**options)
            threads = int(cpus) if cluster.gpus == 0 else None
            connect = self._connect
            self._actor = actor.remote(connect.engine, connect.shut_in, self._child, threads, connect.log_level)
        arriving = self._actor.arrival.remote()
        said_s = time.monotonic()
        while not self._ray.wait([arriving], timeout=LOOK_S)[0]:
            if self._attempt != attempt:
                return False
            if time.monotonic() - said_s >= SAY_S:
                said_s = time.monotonic()
                asked = {"CPU": self._cpus, "GPU": self._connect.cluster.gpus}
                asked |= dict(self._connect.cluster.resources)
                nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
                self._say(attempt, Waiting(why=shortage(asked, nodes)))
        arrival: Arrival | NoArrival = self._ray.get(arriving)
        if isinstance(arrival, NoArrival):
            self._end_actor()
            for line in arrival.lines:
                self._say(attempt, line)
            self._say(attempt, arrival.ended)
            return False
        self._arrival = arrival
        name = node_name(arrival.node, arrival.node_id, self._ray.nodes())
        if arrival.niceness > 0:
            logger.warning(NICE, name, arrival.niceness)
        self._say(attempt, Settled(node=name, pid=arrival.pid))
        self._say(attempt, arrival.ready)
        return True

    def _usual_cpus(self) -> float:
        """One beside a GPU; else all of the smallest node, so that every node can have a worker."""
        if self._connect.cluster.gpus > 0:
            return 1.0
        offered = [node["Resources"].get("CPU", 0.0) for node in self._ray.nodes() if node["Alive"]]
        return float(min((cpus for cpus in offered if cpus >= 1), default=1.0))

    def _run(self, attempt: int, batch: Batch) -> None:
        """Passes on what the actor says about a batch; gives it up when it has been silent for too long."""
        stream = self._actor.run.options(num_returns="streaming").remote(batch)
        heard_s = time.monotonic()
        while self._attempt == attempt:
            if self._ray.wait([stream], timeout=LOOK_S)[0]:
                try:
                    report = self._ray.get(next(stream))
                except StopIteration:
                    return
                heard_s = time.monotonic()
                if isinstance(report, ActorEnded):
                    self._end_actor()
                    self._say(attempt, report)
                    return
                if not isinstance(report, Beat):
                    self._say(attempt, report)
            elif time.monotonic() - heard_s >= (lost_s := self._connect.cluster.beat_lost_s):
                message = f"the worker's node has not been heard of for {lost_s:g} s: its network or the node is gone"
                mend = "nothing is to be done here: its jobs are queued again; see `ray status`"
                self._fail(attempt, Failure(kind=FailureKind.INTERRUPTED, message=message, mend=mend))
                return

    def _ended(self, attempt: int, error: Exception) -> None:
        """Says why an actor has ended, once its node was asked where Ray leaves that open."""
        arrival = self._arrival
        self._leave_another_head(error)
        if arrival is None or not is_silent_about_node(error):
            self._fail(attempt, end_of_actor(error, has_started=arrival is not None))
            return
        self._end_actor()
        try:
            now = self._oom_kills(arrival.node_id)
        except Exception as refused:  # noqa: BLE001 - whatever it is, that node runs nothing any more
            self._leave_another_head(refused)
            self._fail(attempt, end_of_actor(error, node_is_gone=True))
            return
        was_oom_killed = now is not None and arrival.oom_kills is not None and now > arrival.oom_kills
        self._say(attempt, ActorEnded(failure=end_of_actor(error), was_oom_killed=was_oom_killed))

    def _leave_another_head(self, error: Exception) -> None:
        """Ends this process where the head is another one: nothing that it does reaches that."""
        if is_of_another_head(error):
            self._say_up(Refused(why=HEAD_LOST[0], mend=HEAD_LOST[1]))
            os._exit(1)

    def _oom_kills(self, node_id: str) -> int | None:
        """Has a node count, which shows that it still runs what it is asked to; raises what Ray raises."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = NodeAffinitySchedulingStrategy(node_id=node_id, soft=False)
        options = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": there}
        asked = self._ray.remote(oom_kills).options(**options).remote()
        found: int | None = self._ray.get(asked, timeout=self._connect.cluster.beat_lost_s)
        return found

    def _fail(self, attempt: int, failure: Failure) -> None:
        self._end_actor()
        lost_node = failure.kind is FailureKind.INTERRUPTED  # all else is of the actor, or of what it ran
        self._say(attempt, ActorEnded(failure=failure, lost_node=lost_node))

    def _end_actor(self) -> None:
        actor, self._actor, self._arrival = self._actor, None, None
        if actor is not None:
            with suppress(Exception):  # it is gone already
                self._ray.kill(actor, no_restart=True)

    def _say(self, attempt: int, message: Up | Settled | Waiting | ActorEnded) -> None:
        self._say_up(FromSlot(slot=self._number, attempt=attempt, message=message))


def _ask_head() -> None:
    """Raises where the head is another one; `ray.nodes()` would end this process there, without a word."""
    from ray.experimental.internal_kv import _internal_kv_exists

    _internal_kv_exists(b"aura-daemon")


if __name__ == "__main__":
    main(sys.argv[1:])
