"""The child process that holds the models: `python -m aura_daemon.workers.child_main FD PARENT_PID`.

In: Configure, then Batches. Out: reports.

The process ends with the daemon, ignores the signals that order a stop (`stop_signals`: the daemon obeys them), and is
the kernel's first choice when memory runs out. A thread reads the socket from the start, so that the daemon never waits
for torch to be imported.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import queue
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn, cast

from loguru import logger

from aura_daemon.config.engine import Device, EngineSettings, allocator_options
from aura_daemon.system import logs
from aura_daemon.system.processes.child_processes import become_a_child
from aura_daemon.workers.channel import MessageReceiver, send
from aura_daemon.workers.protocol import Batch, Cancel, Configure, LogLine, Up
from aura_daemon.workers.runner import BatchReporter, Runner

if TYPE_CHECKING:
    from loguru import Message

ENVIRONMENT: Final = {
    "DISABLE_SAFETENSORS_CONVERSION": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "PASSIVE",
    "THP_MEM_ALLOC_ENABLE": "1",
}
"""Must be set before the libraries are imported; variables that the user has set stay.

Without PASSIVE, waiting threads keep the processor busy: beside one other busy program a tiny model took 200 times as
long (measured: 2 cores, 9.9 s against 0.05 s). THP_MEM_ALLOC_ENABLE: torch asks Linux for huge pages, see "Levers" in
BENCHMARKS.
"""


def main(arguments: list[str]) -> NoReturn:
    """Runs batches until the daemon closes the socket."""
    parser = argparse.ArgumentParser(prog="aura_daemon.workers.child_main")
    parser.add_argument("descriptor", type=int)
    parser.add_argument("parent", type=int)
    parser.add_argument("--log-level", default="INFO")
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument("--relay-log", action="store_true", help="send the log to the daemon too")
    given = parser.parse_args(arguments)
    become_a_child(given.parent)
    log_to_stderr(given.log_level, given.log_format)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    relayed_level = given.log_level if given.relay_log else None
    serve(socket.socket(fileno=given.descriptor), _engines, relayed_level=relayed_level)


def log_to_stderr(level: str, log_format: str) -> None:
    """Sets up loguru on stderr; `logging` and `warnings` of libraries are logged as DEBUG, their errors as ERROR."""
    logs.set_up(level, log_format, prefix=logs.WORKER)
    logging.basicConfig(handlers=[_ToLoguru()], level=logging.WARNING, force=True)
    logging.captureWarnings(True)


@contextmanager
def importing() -> Iterator[None]:
    """Excludes all objects that large imports create from garbage collection, as they live until the process ends.

    Measured: saves a sixth of the import time, and 0.25 s of each later full collection.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def serve(
    channel: socket.socket, start: Callable[[EngineSettings], Runner], *, relayed_level: str | None = None
) -> NoReturn:
    """Reads Configure, starts the runner and runs batches; this process ends when the daemon closes the socket.

    `relayed_level`: lines of the log from this level on are sent to the daemon; None: no lines.
    """
    channel.set_inheritable(False)
    inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
    cancelled: set[str] = set()
    threading.Thread(target=_read, args=(channel, inbox, cancelled), name="messages", daemon=True).start()
    lock = threading.Lock()

    def report(message: Up) -> None:
        try:
            with lock:
                send(channel, message)
        except OSError:  # the daemon is gone
            os._exit(1)

    if relayed_level is not None:

        def relay(message: Message) -> None:
            report(LogLine(level=message.record["level"].name, message=message.rstrip("\n")))

        logs.send(relay, relayed_level)
    runner = start(cast(Configure, inbox.get()).settings)
    report(runner.ready())
    while True:
        runner.run(cast(Batch, inbox.get()), BatchReporter(report, cancelled, runner))


def _read(channel: socket.socket, inbox: queue.SimpleQueue[object], cancelled: set[str]) -> None:
    """Reads messages from the socket; ends the process, even during a job, once the daemon closes it or is gone."""
    receiver = MessageReceiver(channel)
    while messages := receiver.wait():
        for message in messages:
            if isinstance(message, Cancel):
                cancelled.add(message.job_id)
            else:
                inbox.put(message)
    os._exit(0)


def _engines(settings: EngineSettings) -> Runner:
    """Imports torch, which takes seconds. The options of CUDA's allocator, and the threads, must be set before."""
    from aura_daemon.system.hardware.nvidia import first_visible, gpus

    cards = gpus() if settings.device in (Device.AUTO, Device.CUDA) else ()
    first = first_visible(cards, os.environ)
    # Where it is unknown which card will be used, options for small cards apply only where all cards are small.
    total_bytes = first.total_bytes if first is not None else max((card.total_bytes for card in cards), default=None)
    options = allocator_options(settings.max_split_size_mb, total_bytes)
    os.environ.setdefault("PYTORCH_ALLOC_CONF", options)
    if settings.threads is not None:
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(settings.threads)
    from aura_daemon.engines.library_imports import lean_imports

    with importing(), lean_imports():
        from aura_daemon.workers.engine_runner import EngineRunner

    return EngineRunner(settings)


class _ToLoguru(logging.Handler):
    """Passes the standard library's log records on."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "ERROR" if record.levelno >= logging.ERROR else "DEBUG"
        logger.log(level, "{}: {}", record.name, record.getMessage())


if __name__ == "__main__":
    main(sys.argv[1:])
