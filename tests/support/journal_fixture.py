"""Writes a journal of this version as SQL, for the tests of all later ones: `python -m tests.support.journal_fixture`.

The journal is one that the daemon wrote for real files: done, failed, refused and queued jobs, images that were
named, and hooks. Run it once when a migration is added, and commit what it writes; a published one never changes.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Final

from aura_daemon.jobs.results import Failure, FailureKind, Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.journal import FILE_NAME
from aura_daemon.journal.migrations import VERSION
from tests.support.house import PNG, House, is_caption, make

FOLDER: Final = Path(__file__).parents[1] / "unit" / "journal" / "journals"


def fixture_of(version: int) -> Path:
    """The file of a version."""
    return FOLDER / f"v{version:02}.sql"


def text_of(journal: Path) -> str:
    """A journal as SQL."""
    with closing(sqlite3.connect(journal)) as database:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        return "\n".join((*database.iterdump(), f"PRAGMA user_version = {version};", ""))


def written(house: House) -> str:
    """The text of a journal in which something of everything has happened."""

    def play(task: Task) -> Outcome:
        prompt = "" if is_caption(task) else getattr(task.request, "prompt", "")
        if prompt == "fails":
            return Failure(kind=FailureKind.OUT_OF_MEMORY, message="no memory", mend="use a smaller size")
        if is_caption(task):
            return Failure(kind=FailureKind.MODEL_UNAVAILABLE, message="the hub is down", mend="bring it up")
        return make(task)

    house.drop("cat.yaml", b"prompt: a red circle\nseed: 7\n")
    house.drop("sub/several.yaml", b"prompt: a green ring\n---\nprompt: fails\n")
    house.drop("bad.yaml", b"promt: x\n")
    house.drop("photo.png", PNG)
    house.drop("about.yaml", b"task: caption\nimage: photo.png\n")
    house.drop("alone.png", PNG + b"\n")
    house.drop("words.txt", b"a yellow triangle\n")
    house.drain(play, hooks=dict.fromkeys(("on_done", "on_failed", "on_idle"), ("true",)))
    return text_of(house.state / FILE_NAME)


if __name__ == "__main__":
    target = fixture_of(VERSION)
    if target.exists():
        sys.exit(f"{target} is there, and never changes")
    with tempfile.TemporaryDirectory() as folder:
        target.write_text(written(House(Path(folder))), encoding="utf-8")
