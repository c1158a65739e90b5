"""The moments of a daemon's life, by name: before and after each step that changes something that lasts.

`attend` is the one hook into them. On it stand `die_at`, a real kill -9 at a moment like `journal.claim:after:3` (the
third time), which `tests.support.light_daemon` takes from `AURA_TEST_DIE_AT`; and `tests.torture.machine`, which does
worse.

`python -m tests.support.dying ROOT FIRST STRIDE`: a daemon that dies at every STRIDE-th moment of a whole run, and
another one after it that does not; a house a moment below ROOT. Every process is forked from this one, which has
imported all there is and started no thread.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from loguru import logger

from aura_daemon.cli.run import exit_code
from aura_daemon.journal.journal import Journal
from aura_daemon.system import durable_files
from tests.support.house import PNG, House

VARIABLE: Final = "AURA_TEST_DIE_AT"

STEPS: Final[dict[str, tuple[Any, str]]] = {
    "claims.rename": (os, "rename"),
    "durable.publish": (durable_files, "_publish"),
    "durable.sync_folder": (durable_files, "sync_folder"),
    "file.unlink": (Path, "unlink"),
    "folder.mkdir": (Path, "mkdir"),
    "folder.rmdir": (Path, "rmdir"),
    "journal.add_companion": (Journal, "add_companion"),
    "journal.claim": (Journal, "claim"),
    "journal.admit": (Journal, "admit"),
    "journal.correct": (Journal, "correct"),
    "journal.start": (Journal, "start"),
    "journal.place": (Journal, "place"),
    "journal.give_back": (Journal, "give_back"),
    "journal.deliver": (Journal, "deliver"),
    "journal.finish": (Journal, "finish"),
    "journal.fail": (Journal, "fail"),
    "journal.close_source": (Journal, "close_source"),
}
"""What changes something that lasts."""

BEFORE: Final = "before"
AFTER: Final = "after"

MOMENTS: Final = tuple(f"{step}:{when}" for step in STEPS for when in (BEFORE, AFTER))
"""All of them, but for the number."""

FILES: Final = (
    ("sub/cat.yaml", b"prompt: one\n---\nprompt: two\n", 2),
    ("cat.png", PNG, 0),
    ("say.yaml", b"task: caption\nimage: sea.png\n", 0),
    ("bad.yaml", b"steps: 0\n", 0),
)
"""One of every fate: name, content, how many documents where there are several."""

COMPANION: Final = ("cat.txt", b"an image of a cat")
"""No job: it belongs to the image, and stays."""

NAMED: Final = ("sea.png", PNG + b"the sea" + PNG[-12:])
"""No job of its own: it is put away with the one that names it."""

PAIR_WAIT_S: Final = 0.02
"""Files that are there together are paired all the same: all of them are looked at before so much time has passed."""


def fill(house: House) -> None:
    """Files of every fate, and one of none."""
    for name, content, _ in FILES:
        house.drop(name, content)
    house.drop(*COMPANION)
    house.drop(*NAMED)


def attend(hear: Callable[[str], None]) -> None:
    """For the rest of this process `hear` is told of every moment; what it raises, the step raises."""

    def attended(name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def take(*arguments: Any, **options: Any) -> Any:
            hear(f"{name}:{BEFORE}")
            result = step(*arguments, **options)
            hear(f"{name}:{AFTER}")
            return result

        return take

    for name, (owner, attribute) in STEPS.items():
        setattr(owner, attribute, attended(name, getattr(owner, attribute)))


def die_at(moment: str) -> None:
    """kill -9 at `STEP:before:N` or `STEP:after:N`; raises ValueError for what is no moment."""
    step, when, time = moment.split(":")
    if f"{step}:{when}" not in MOMENTS:
        raise ValueError(f"no moment is called {moment}")
    left = int(time)

    def hear(heard: str) -> None:
        nonlocal left
        left -= heard == f"{step}:{when}"
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    attend(hear)


def note_in(file: Path) -> None:
    """Every moment of this process goes into a file, a line each: `journal.claim:after:3`."""
    times: Counter[str] = Counter()

    def hear(moment: str) -> None:
        times[moment] += 1
        with file.open("a", encoding="utf-8") as notes:
            notes.write(f"{moment}:{times[moment]}\n")

    attend(hear)


def in_a_process(work: Callable[[], int]) -> int:
    """Exit code of a forked process; negative where a signal ended it."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def drained(house: House, prepare: Callable[[], None] = lambda: None) -> int:
    """A forked daemon that drains the house after `prepare` was called in its process."""

    def work() -> int:
        prepare()
        return exit_code(house.drain(pair_wait=PAIR_WAIT_S))

    return in_a_process(work)


def main(root: Path, first: int, stride: int) -> None:
    logger.remove()
    whole = House(root / "whole")
    fill(whole)
    drained(whole, lambda: note_in(root / "moments"))
    for moment in (root / "moments").read_text(encoding="utf-8").split()[first::stride]:
        house = House(root / "died" / moment)
        fill(house)
        if drained(house, lambda moment=moment: die_at(moment)) < 0:  # type: ignore[misc]
            drained(house)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
