"""What no worker says, as scripts of the light child. In: its socket. Out: a frame that its daemon must refuse."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.workers.channel import LENGTH, order, report
from aura_daemon.workers.protocol import Finished, LogLine, Memory, Progress, Ready

BOMB = "AURA_TEST_BOMB"
"""A variable that names the file which appears where the pickle is read."""

MEMORY = Memory(device_used_bytes=1, device_free_bytes=2, resident_bytes=3)
DONE = Failure(kind=FailureKind.BAD_INPUT, message="bad")
SPARED = Failure(kind=FailureKind.INTERRUPTED, message="never counted")


class _Bomb:
    """Leaves a file where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return open, (os.environ[BOMB], "w")


def _said(message: object) -> Callable[[socket.socket], None]:
    def say(channel: socket.socket) -> None:
        report(channel, message)
        time.sleep(600)

    return say


def _pickle(channel: socket.socket) -> None:
    order(channel, _Bomb())
    time.sleep(600)


def _endless(channel: socket.socket) -> None:
    channel.sendall(LENGTH.pack(1 << 60))
    time.sleep(600)


LIES: dict[str, Callable[[socket.socket], None]] = {
    "lie: a pickle": _pickle,
    "lie: of any length": _endless,
    "lie: of another job": _said(Finished(job_id="job-9", outcome=DONE, memory=MEMORY, models=())),
    "lie: never counted": _said(Finished(job_id="job-1", outcome=SPARED, memory=MEMORY, models=())),
    "lie: ready again": _said(Ready(device="cpu", device_name="", dtype="", rung="", versions=())),
    "lie: steps of another job": _said(Progress(job_id="job-9", step=1, steps=2)),
    "lie: not even a level": _said(LogLine(level="NONE", message="")),
}


def talk(channel: socket.socket) -> None:
    """Fills the log, and goes on with the job."""
    for number in range(5000):
        line = f"line {number}\n2026-01-01 00:00:00 ERROR  forged \x1b[2J"
        report(channel, LogLine(level="INFO", message=line))
