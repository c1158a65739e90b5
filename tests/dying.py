"""A daemon that dies by a real kill -9 at each of its steps in turn, and another one after it that does not.

`python -m tests.dying ROOT FIRST STRIDE`: one house a step below ROOT. Every process is forked from this one, which has
imported everything and started no thread. The last house is the one in which the daemon came through.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loguru import logger

from aura_daemon import durable
from aura_daemon.cli.running import exit_code
from aura_daemon.journal import Journal
from tests.house import PNG, House

STEPS: tuple[tuple[Any, str], ...] = (
    (durable, "_publish"),
    (durable, "sync_folder"),
    (Path, "rename"),
    (Path, "unlink"),
    (Path, "rmdir"),
    (Journal, "claim"),
    (Journal, "admit"),
    (Journal, "close_source"),
    (Journal, "_move"),
)
"""What changes something that lasts; death comes before and after each."""


def fill(house: House) -> None:
    """One of every fate."""
    house.drop("sub/cat.yaml", b"prompt: one\n---\nprompt: two\n")
    house.drop("cat.png", PNG)
    house.drop("say.yaml", b"task: caption\nimage: cat.png\n")
    house.drop("bad.yaml", b"steps: 0\n")


def die_at(number: int) -> None:
    """kill -9 at the n-th moment before or after a step."""
    left = itertools.count(number, -1)

    def wrapped(step: Callable[..., Any]) -> Callable[..., Any]:
        def take(*arguments: Any, **options: Any) -> Any:
            if next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            result = step(*arguments, **options)
            if next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return take

    for owner, name in STEPS:
        setattr(owner, name, wrapped(getattr(owner, name)))


def in_a_process(work: Callable[[], int]) -> int:
    """Exit code of a forked process; negative where a signal ended it."""
    child = os.fork()
    if child == 0:
        os._exit(work())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(root: Path, first: int, stride: int) -> None:
    logger.remove()
    for number in itertools.count(first, stride):
        house = House(root / str(number))
        fill(house)

        def once(house: House = house) -> int:
            return exit_code(house.drain())

        def dying(house: House = house, number: int = number) -> int:
            die_at(number)
            return exit_code(house.drain())

        came_through = in_a_process(dying) >= 0
        if not came_through:
            in_a_process(once)
        if came_through:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
