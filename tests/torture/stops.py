"""Ordered stops: of the daemon, its worker or their whole group, in any order, and kills that follow."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import psutil

from tests.support.house import House
from tests.support.programs import DEADLINE_S
from tests.torture.ledger import Ledger, Verdict, torture_program

MOST_APART_S: Final = 0.2
"""Seconds between two signals of one stop."""

Stop = Callable[[int, list[int], Callable[[], None]], None]
"""Takes the daemon, its children, and what waits between two signals."""


def _send(process: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def _group(daemon: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(daemon, number)


def _worker_first(number: int) -> Stop:
    def stop(daemon: int, children: list[int], wait: Callable[[], None]) -> None:
        for child in children:
            _send(child, number)
        wait()
        _send(daemon, signal.SIGTERM)

    return stop


def _group_then(number: int) -> Stop:
    def stop(daemon: int, children: list[int], wait: Callable[[], None]) -> None:
        _group(daemon, signal.SIGTERM)
        wait()
        _group(daemon, number)

    return stop


def _frozen_first(daemon: int, children: list[int], wait: Callable[[], None]) -> None:
    _group(daemon, signal.SIGSTOP)
    wait()
    _group(daemon, signal.SIGTERM)
    _group(daemon, signal.SIGCONT)


STOPS: Final[tuple[Stop, ...]] = (
    lambda daemon, children, wait: _group(daemon, signal.SIGTERM),
    lambda daemon, children, wait: _group(daemon, signal.SIGINT),
    lambda daemon, children, wait: _send(daemon, signal.SIGTERM),
    _worker_first(signal.SIGTERM),
    _worker_first(signal.SIGKILL),
    _group_then(signal.SIGTERM),
    _group_then(signal.SIGKILL),
    _frozen_first,
)


def stopped_at_random(house: House, times: int) -> Verdict:
    """Stops at random instants, each kind in turn, while files arrive; no job may fail or be attempted twice.

    The first half of them meets one long job.
    """
    ledger, dice, gate = Ledger(house), random.Random(0), house.root / "gate"
    long_job = f"prompt: wait {gate}\n".encode()
    ledger.note("long.yaml", long_job)
    house.drop("long.yaml", long_job)
    for number in range(times):
        if number >= times // 2:
            gate.touch()
        program = torture_program(house, under=("setsid",), AURA_ATTEMPTS="1")
        program.start("run")
        for file in range(3):
            name = f"{number}-{file}.{'png' if file == 2 else 'yaml'}"
            temp = house.inbox / f".{name}.tmp"
            temp.write_bytes(ledger.content(name))
            temp.rename(house.inbox / name)
        time.sleep(dice.uniform(0.3, 2.0))
        children = psutil.Process(program.pid).children()
        STOPS[number % len(STOPS)](
            program.pid, [child.pid for child in children], lambda: time.sleep(dice.uniform(0.0, MOST_APART_S))
        )
        assert program.process is not None
        program.process.wait(DEADLINE_S)
        _, alive = psutil.wait_procs(children, timeout=DEADLINE_S)
        assert not alive, "a worker outlives its daemon"
    code = torture_program(house).call("once").returncode
    verdict = ledger.verdict()
    verdict.wrong += [] if code == 0 else [f"exit code {code}"]
    verdict.wrong += [f"failed: {name}" for name in house.failed()]
    for name in house.results():
        if name.endswith(".json") and house.sidecar(name)["attempts"] != 1:
            verdict.wrong.append(f"attempted more than once: {name}")
    return verdict
