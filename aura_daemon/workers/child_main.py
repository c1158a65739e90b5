"""The child process that holds the models: `python -m aura_daemon.workers.child_main FD PARENT_PID`.

In: Configure, then Batches. Out: reports. Once configured the process shuts itself in, before it imports a library or
reads a byte of a stranger.

The process ends with the daemon, ignores the signals that order a stop (`stop_signals`: the daemon obeys them), and is
the kernel's first choice when memory runs out. A thread reads the socket from the start, so that the daemon never waits
for torch to be imported.
"""

from __future__ import annotations

import argparse
import logging
import os
import queue
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn, cast

from loguru import logger

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.services import Services
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.system import logs
from aura_daemon.system.processes.child_processes import become_a_child
from aura_daemon.system.sandbox.confining import confine
from aura_daemon.system.sandbox.plan import SandboxMode, SandboxPlan
from aura_daemon.workers.asking import AskedDaemon
from aura_daemon.workers.channel import MessageReceiver, read_order
from aura_daemon.workers.channel import report as send_report
from aura_daemon.workers.engine_start import engine_runner, set_environment
from aura_daemon.workers.protocol import Answer, Batch, Cancel, Configure, Finished, LogLine, Question, Up
from aura_daemon.workers.refusing_runner import RefusingRunner
from aura_daemon.workers.runner import BatchReporter, Runner

if TYPE_CHECKING:
    from loguru import Message


def main(arguments: list[str]) -> NoReturn:
    """Runs batches until the daemon closes the socket."""
    channel, relayed_level = joined("aura_daemon.workers.child_main", arguments)
    serve(channel, engine_runner, relayed_level=relayed_level)


def joined(program: str, arguments: list[str]) -> tuple[socket.socket, str | None]:
    """Makes this process a child with a log; its end of the socket, and the level from which the log is sent up."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("descriptor", type=int)
    parser.add_argument("parent", type=int)
    parser.add_argument("--log-level", default="INFO")
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument("--relay-log", action="store_true", help="send the log to the daemon too")
    given = parser.parse_args(arguments)
    become_a_child(given.parent)
    log_to_stderr(given.log_level, given.log_format)
    set_environment()
    return socket.socket(fileno=given.descriptor), given.log_level if given.relay_log else None


def log_to_stderr(level: str, log_format: str) -> None:
    """Sets up loguru on stderr; `logging` and `warnings` of libraries are logged as DEBUG, their errors as ERROR."""
    logs.set_up(level, log_format, prefix=logs.WORKER)
    logging.basicConfig(handlers=[_ToLoguru()], level=logging.WARNING, force=True)
    logging.captureWarnings(True)


def relay_log(say: Callable[[LogLine], None], level: str) -> None:
    """Has every line of the log sent too, from this level on."""

    def relay(message: Message) -> None:
        say(LogLine(level=message.record["level"].name, message=message.rstrip("\n")))

    logs.send(relay, level)


def serve(
    channel: socket.socket,
    start: Callable[[EngineSettings, Services], Runner],
    *,
    relayed_level: str | None = None,
) -> NoReturn:
    """Reads Configure, shuts this process in, starts the runner and runs batches until the daemon closes the socket.

    `relayed_level`: lines of the log from this level on are sent to the daemon; None: no lines.
    """
    channel.set_inheritable(False)
    receiver = MessageReceiver(channel, read_order)
    if not (arrived := receiver.wait()):
        os._exit(0)
    configure, *later = arrived
    settings, plan = cast(Configure, configure).settings, cast(Configure, configure).sandbox
    lacks = confine(plan, keeps=(channel.fileno(),)) if plan is not None else ()
    inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
    cancelled: set[str] = set()
    lock = threading.Lock()

    def report(message: Up | Question) -> None:
        try:
            with lock:
                try:
                    send_report(channel, message)
                except (TypeError, ValueError) as error:  # a score that is no number, from a model's overflow
                    send_report(channel, untold(message, error))
        except OSError:  # the daemon is gone
            os._exit(1)

    daemon = AskedDaemon(report)
    reads = receiver, later, inbox, cancelled, daemon
    threading.Thread(target=_read, args=reads, name="messages", daemon=True).start()
    if relayed_level is not None:
        relay_log(report, relayed_level)
    with logger.catch(message="the worker could not start", onerror=lambda _: sys.exit(1)):
        runner = start(settings, daemon) if not lacks or not _is_strict(plan) else RefusingRunner(lacks)
    if lacks:
        logger.info("this worker is not wholly shut in: {}", "; ".join(lacks))
    report(replace(runner.ready(), sandbox_lacks=lacks))
    while True:
        runner.run(cast(Batch, inbox.get()), BatchReporter(report, cancelled, runner))


def _is_strict(plan: SandboxPlan | None) -> bool:
    return plan is not None and plan.mode is SandboxMode.STRICT


def _read(
    receiver: MessageReceiver,
    waiting: Sequence[object],
    inbox: queue.SimpleQueue[object],
    cancelled: set[str],
    daemon: AskedDaemon,
) -> None:
    """Reads messages from the socket; ends the process, even during a job, once the daemon closes it or is gone."""
    while messages := waiting or receiver.wait():
        waiting = ()
        for message in messages:
            if isinstance(message, Cancel):
                cancelled.add(message.job_id)
            elif isinstance(message, Answer):
                daemon.take(message)
            else:
                inbox.put(message)
    os._exit(0)


def untold(report: Up | Question, error: Exception) -> Up:
    """The end of a job whose result holds what cannot be sent; raises the error for any other report."""
    if not isinstance(report, Finished):
        raise error
    message = f"its result cannot be told: {error}"
    return replace(report, outcome=Failure(kind=FailureKind.UNEXPECTED, message=message), step_s=0.0)


class _ToLoguru(logging.Handler):
    """Passes the standard library's log records on."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "ERROR" if record.levelno >= logging.ERROR else "DEBUG"
        logger.log(level, "{}: {}", record.name, record.getMessage())


if __name__ == "__main__":
    main(sys.argv[1:])
