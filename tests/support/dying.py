"""The moments of a daemon's life, by name: before and after each step that changes something durable.

`attend` is the only hook into these moments. It wraps named steps of our own classes, which no other test may do: a
crash test needs the exact place in the product where a process dies, and the wrapped step runs unchanged.

`die_at` uses the hook for a real kill -9 at a moment like `journal.claim:after:3` (the third time), which
`tests.support.light_daemon` takes from `AURA_TEST_DIE_AT`. `tests.torture.machine` uses the hook for worse faults.

`python -m tests.support.dying ROOT FIRST STRIDE`: for every STRIDE-th moment of a whole run, one daemon dies at it and
a second daemon finishes the work, in a folder of its own below ROOT. Every process is forked from this one, which has
imported everything and started no thread.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from loguru import logger

from aura_daemon.cli.run import exit_code
from aura_daemon.journal.hook_events import HookEvents
from aura_daemon.journal.journal import Journal
from aura_daemon.system import durable_files
from aura_daemon.system.files import syncing
from aura_daemon.system.watching.events import EventsUnavailable
from tests.support.house import PNG, House

STEPS: Final[dict[str, tuple[Any, str]]] = {
    "claims.rename": (os, "rename"),
    "durable.sync": (durable_files.StagedFile, "sync"),
    "durable.publish": (durable_files.StagedFile, "publish"),
    "durable.rename": (durable_files, "_rename"),
    "durable.sync_folder": (syncing, "sync_folder"),
    "file.unlink": (Path, "unlink"),
    "folder.mkdir": (Path, "mkdir"),
    "folder.rmdir": (Path, "rmdir"),
    "journal.add_companion": (Journal, "add_companion"),
    "journal.claim": (Journal, "claim"),
    "journal.admit": (Journal, "admit"),
    "journal.withdraw": (Journal, "withdraw"),
    "journal.correct": (Journal, "correct"),
    "journal.start": (Journal, "start"),
    "journal.place": (Journal, "place"),
    "journal.give_back": (Journal, "give_back"),
    "journal.deliver": (Journal, "deliver"),
    "journal.finish": (Journal, "finish"),
    "journal.fail": (Journal, "fail"),
    "journal.keep_benchmark": (Journal, "keep_benchmark"),
    "journal.close_source": (Journal, "close_source"),
    "hook_events.start": (HookEvents, "start"),
    "hook_events.end": (HookEvents, "end"),
}
"""Name of a step -> its owner and attribute."""

BEFORE: Final = "before"
AFTER: Final = "after"

MOMENTS: Final = tuple(f"{step}:{when}" for step in STEPS for when in (BEFORE, AFTER))
"""Every moment, without its number."""

FILES: Final = (
    ("sub/cat.yaml", b"prompt: one\n---\nprompt: two\n", 2),
    ("cat.png", PNG, 0),
    ("say.yaml", b"task: caption\nimage: sea.png\n", 0),
    ("bad.yaml", b"steps: 0\n", 0),
)
"""One file of every fate: name, content, number of documents where there are several."""

COMPANION: Final = ("cat.txt", b"an image of a cat")
"""A caption that belongs to the image: it is no job, and stays."""

NAMED: Final = ("sea.png", PNG + b"the sea" + PNG[-12:])
"""An image without a job of its own: it is archived with the job file that names it."""

SET: Final = (
    ("set/_defaults.yaml", b"caption: {place: beside, existing: append}\n"),
    ("set/dog.png", PNG + b"a dog" + PNG[-12:]),
    ("set/dog.txt", b"1dog\n"),
)
"""A picture whose caption is joined with its text where it lies: it stays."""

PAIR_WAIT_S: Final = 0.02
"""Long enough for files that are there together to be paired: the daemon looks at all of them in less time."""


def fill(house: House) -> None:
    """Puts files of every fate into the inbox, and one that is no job."""
    for name, content, _ in FILES:
        house.drop(name, content)
    house.drop(*COMPANION)
    house.drop(*NAMED)


def fill_with_set(house: House) -> None:
    """Puts a set beside all of those."""
    fill(house)
    for name, content in SET:
        house.drop(name, content)


def attend(hear: Callable[[str], None]) -> None:
    """Calls `hear` at every moment for the rest of this process; an error that it raises, the step raises."""

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
    """Kills this process (kill -9) at `STEP:before:N` or `STEP:after:N`; raises ValueError for an unknown moment."""
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
    """Writes every moment of this process into a file, one a line: `journal.claim:after:3`."""
    times: Counter[str] = Counter()

    def hear(moment: str) -> None:
        times[moment] += 1
        with file.open("a", encoding="utf-8") as notes:
            notes.write(f"{moment}:{times[moment]}\n")

    attend(hear)


def in_a_process(work: Callable[[], int]) -> int:
    """Runs `work` in a forked process and returns its exit code; negative where a signal ended the process."""
    _load()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@cache
def _load() -> None:
    """Loads here, once, what each forked daemon would load: file events and the C library for them, the gallery."""
    from aura_daemon.gallery import gallery
    from aura_daemon.gallery.rendering import templates

    assert gallery
    for name in templates().list_templates(extensions=["jinja"]):
        templates().get_template(name)
    with suppress(ImportError, EventsUnavailable), TemporaryDirectory() as empty:
        from aura_daemon.system.watching.inotify_events import InotifyEvents

        InotifyEvents(Path(empty)).close()


def drained(house: House, prepare: Callable[[], None] = lambda: None) -> int:
    """Drains the house with a forked daemon, in whose process `prepare` is called first; returns its exit code."""

    def work() -> int:
        prepare()
        return exit_code(house.drain(pair_wait=PAIR_WAIT_S))

    return in_a_process(work)


def main(root: Path, first: int, stride: int) -> None:
    logger.remove()
    whole = House(root / "whole")
    fill_with_set(whole)
    drained(whole, lambda: note_in(root / "moments"))
    for moment in (root / "moments").read_text(encoding="utf-8").split()[first::stride]:
        house = House(root / "died" / moment)
        fill_with_set(house)
        if drained(house, lambda moment=moment: die_at(moment)) < 0:  # type: ignore[misc]
            drained(house)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
