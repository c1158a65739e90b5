"""The child process that holds the models: `python -m aura_daemon.workers.child_main FD PARENT_PID`.

In: Configure, Batches.

It dies with the daemon, leaves Ctrl-C to it, and offers itself first when the kernel runs out of memory. A
thread of its own takes messages off the socket from the first moment, so that the daemon never waits for
torch to be imported.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import logging
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NoReturn, cast

from loguru import logger

from aura_daemon.config.engine import Device, EngineSettings, allocator_options
from aura_daemon.system import logs
from aura_daemon.workers.channel import MessageReceiver, send
from aura_daemon.workers.protocol import (
    Batch,
    Cancel,
    Configure,
    Up,
)
from aura_daemon.workers.runner import BatchReporter, Runner

PR_SET_PDEATHSIG: Final = 1
"""prctl(2): the signal to get when the parent's thread ends."""

OOM_SCORE_ADJUSTMENT: Final = 500
"""Of -1000 to 1000: the kernel's out-of-memory killer takes this process before the daemon or a desktop."""

ENVIRONMENT: Final = {
    "DISABLE_SAFETENSORS_CONVERSION": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""Must be set before the libraries are imported; what the user has set stays.

Without PASSIVE, threads that wait for each other burn the processor: beside one other busy program a tiny model
took 200 times as long (measured: 2 cores, 9.9 s against 0.05 s).
"""


def main(arguments: list[str]) -> NoReturn:
    """Serves until the daemon closes the socket."""
    parser = argparse.ArgumentParser(prog="aura_daemon.workers.child_main")
    parser.add_argument("descriptor", type=int)
    parser.add_argument("parent", type=int)
    parser.add_argument("--log-level", default="INFO")
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    given = parser.parse_args(arguments)
    become_a_child(given.parent)
    log_to_stderr(given.log_level, given.log_format)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    serve(socket.socket(fileno=given.descriptor), _engines)


def become_a_child(parent: int) -> None:
    """Ties this process to its parent's life; ends at once where the parent is gone already."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE_ADJUSTMENT), encoding="ascii")
    if os.getppid() != parent:
        sys.exit("the daemon that started this worker is gone")


def log_to_stderr(level: str, log_format: str) -> None:
    """loguru to stderr; what libraries tell `logging` and `warnings` comes as DEBUG, their errors as ERROR."""
    logs.set_up(level, log_format, prefix="worker: ")
    logging.basicConfig(handlers=[_ToLoguru()], level=logging.WARNING, force=True)
    logging.captureWarnings(True)


@contextmanager
def importing() -> Iterator[None]:
    """For the large libraries: what their modules make stays to the end, so nobody looks through it for garbage.

    Measured: a sixth of what importing them takes, and 0.25 s of each full collection from then on.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def serve(channel: socket.socket, start: Callable[[EngineSettings], Runner]) -> NoReturn:
    """Reads Configure, starts the runner, runs batches; the other side's closing ends this process."""
    channel.set_inheritable(False)
    inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
    cancelled: set[str] = set()
    threading.Thread(target=_read, args=(channel, inbox, cancelled), name="messages", daemon=True).start()
    lock = threading.Lock()

    def say(message: Up) -> None:
        try:
            with lock:
                send(channel, message)
        except OSError:  # nobody is left to work for
            os._exit(1)

    runner = start(cast(Configure, inbox.get()).settings)
    say(runner.ready())
    while True:
        runner.run(cast(Batch, inbox.get()), BatchReporter(say, cancelled, runner))


def _read(channel: socket.socket, inbox: queue.SimpleQueue[object], cancelled: set[str]) -> None:
    """Takes messages off the socket as they come; once the daemon is gone, ends even a running job."""
    receiver = MessageReceiver(channel)
    while messages := receiver.wait():
        for message in messages:
            if isinstance(message, Cancel):
                cancelled.add(message.job_id)
            else:
                inbox.put(message)
    os._exit(0)


def _engines(settings: EngineSettings) -> Runner:
    """Imports torch and all that follows; seconds of work. CUDA's allocator reads its options when it starts."""
    from aura_daemon.system.nvidia import first_visible, gpus

    cards = gpus() if settings.device in (Device.AUTO, Device.CUDA) else ()
    first = first_visible(cards, os.environ)
    # Where nobody can tell which card it will be, what suits a small one is only done where all are.
    total_bytes = first.total_bytes if first is not None else max((card.total_bytes for card in cards), default=None)
    options = allocator_options(settings.max_split_size_mb, total_bytes)
    os.environ.setdefault("PYTORCH_ALLOC_CONF", options)
    with importing():
        from aura_daemon.workers.engine_runner import EngineRunner

    return EngineRunner(settings)


class _ToLoguru(logging.Handler):
    """Passes the standard library's log records on."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "ERROR" if record.levelno >= logging.ERROR else "DEBUG"
        logger.log(level, "{}: {}", record.name, record.getMessage())


if __name__ == "__main__":
    main(sys.argv[1:])
