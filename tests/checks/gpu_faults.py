"""What goes wrong on a GPU, for `tests.checks.gpu_check`. In: a card with all of its memory. Out: rows.

The neighbour is another process that takes memory of the same GPU: what fails then is the driver's own allocation.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final

import torch

from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.ladder.attempts import TOP, Start
from aura_daemon.ladder.rungs import Rung
from aura_daemon.system.hardware.nvidia import others
from tests.checks.gpu_card import Card, difference, requests_of

SMALL: Final = (512, 512)
LARGE: Final = (912, 512)
TINY: Final = ((64, 64), (112, 64))

LITTLE: Final = 128 << 20
"""Bytes that the neighbour leaves beside what this process has: too little to decode the large picture in one piece."""

NOTHING: Final = 8 << 20

NEIGHBOUR: Final = """
import sys, torch
held = [torch.zeros(1, device="cuda")]
print("ready", flush=True)
for line in sys.stdin:
    del held[1:]
    torch.cuda.empty_cache()
    step = 1 << 30  # in pieces: the last of it is nowhere in one
    while step >= 2 << 20:
        try:
            if torch.cuda.mem_get_info()[0] - int(line) < step:
                step //= 2
                continue
            held.append(torch.empty(step, dtype=torch.uint8, device="cuda"))
        except torch.OutOfMemoryError:
            step //= 2
    print("done", flush=True)
"""


class Neighbour:
    """Another process on the GPU; none in a rehearsal."""

    def __init__(self, rehearse: bool) -> None:
        self._rehearse = rehearse

    def __enter__(self) -> Neighbour:
        if not self._rehearse:
            self._process = subprocess.Popen(
                [sys.executable, "-c", NEIGHBOUR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            self._heard()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._rehearse:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait(30)

    def leave(self, free_bytes: int) -> None:
        """Takes all that is free but so much."""
        if not self._rehearse:
            assert self._process.stdin is not None
            print(free_bytes, file=self._process.stdin, flush=True)
            self._heard()

    def _heard(self) -> None:
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError("the neighbour has ended")


def run(card: Card, *, rehearse: bool) -> Iterator[dict[str, Any]]:
    """Each fault, and what became of the job."""
    small, large = (requests_of(size, 1) for size in (TINY if rehearse else (SMALL, LARGE)))
    with Neighbour(rehearse) as neighbour:
        card.row(small)
        row = card.row(large, stepped=lambda: neighbour.leave(LITTLE))
        grown = card.last
        yield _told("a neighbour grows while a picture is drawn", row, others(os.getpid(), card.uuid))
        card.forget()
        row = card.row(large)
        yield _told("the same neighbour, there before", row, f"pixels off: {_off(grown, card.last)}")
        neighbour.leave(1 << 62)
        rung = Rung(row["rungs"][-1])
        row = card.row(large, start=Start(rung=rung))
        yield _told(f"nobody else, begun on {rung}", row, f"pixels off: {_off(grown, card.last)}")
        card.give_up()
        neighbour.leave(NOTHING)
        card.forget()
        yield _told("a neighbour has all of the GPU", card.row(small), others(os.getpid(), card.uuid))
        neighbour.leave(1 << 62)
        card.forget()
        yield _told("it is gone", card.row(small), "")
    if not rehearse:
        yield _broken(card, small)


def _broken(card: Card, requests: list[Any]) -> dict[str, Any]:
    """An assertion fails on the GPU itself: after that nothing works in this process."""
    (ended,) = card.ended(requests, TOP, None, _assert_on_the_gpu)
    failure = ended.outcome
    assert isinstance(failure, Failure), failure
    memory = card.memory()
    return {
        "fault": "an assertion fails on the GPU in the middle of a picture",
        "rungs": [],
        "attempts": [f"{failure.kind}: {failure.message}"],
        "outcome": "told" if failure.kind is FailureKind.CRASHED and memory.total_bytes else "lost",
        "note": failure.mend,
    }


def _assert_on_the_gpu() -> None:
    """The process hears of it at its next call."""
    torch.zeros(1, device="cuda")[torch.full((1,), 7, device="cuda")]


def _told(fault: str, row: dict[str, Any], note: str) -> dict[str, Any]:
    return {"fault": fault, "note": note, **{key: row[key] for key in ("rungs", "attempts", "outcome", "peak")}}


def _off(one: Any, other: Any) -> str:
    most, mean = difference(one, other)
    return f"{most:g} / {mean:g}"
