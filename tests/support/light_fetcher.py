"""A process that fetches nothing and says what its model's name asks for: `python -m tests.support.light_fetcher`.

`here` says that it is there, `gone` that the hub has none, `dies` ends, `lies` says what no such process says, `hangs`
tells of one byte and no more, and `waits FILE` goes on once there is such a file.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import Final, cast

from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.system.processes.child_processes import become_a_child
from aura_daemon.workers.channel import MessageReceiver, order, read_order, report
from aura_daemon.workers.fetching.messages import Fetched, FetchOrder
from aura_daemon.workers.protocol import Loading

COMMAND: Final = (sys.executable, "-m", "tests.support.light_fetcher")

GONE: Final = Failure(kind=FailureKind.MODEL_UNAVAILABLE, message="model gone: the hub has none", mend="look there")

if __name__ == "__main__":
    become_a_child(int(sys.argv[2]))
    channel = socket.socket(fileno=int(sys.argv[1]))
    (order_here,) = cast(list[FetchOrder], MessageReceiver(channel, read_order).wait())
    model = order_here.wanted.model
    report(channel, Loading(model=model, done_bytes=1, total_bytes=2))
    match model.split():
        case ["dies"]:
            os._exit(3)
        case ["lies"]:
            order(channel, "a pickle")
            time.sleep(600)
        case ["blames"]:
            report(channel, Fetched(failure=Failure(kind=FailureKind.BAD_INPUT, message="\x1bit was the job")))
        case ["hangs"]:
            time.sleep(600)
        case ["waits", file]:
            while not Path(file).exists():
                time.sleep(0.02)
    report(channel, Fetched(failure=GONE if model == "gone" else None))
    time.sleep(600)
