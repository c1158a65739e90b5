"""One life of a daemon in a forked process, and what goes wrong in it. In: a `Run`, expectations. Out: how it ended.

A moment is `journal.claim:after:3`, the third time after its parts were joined; see `tests.support.dying`.
"""

from __future__ import annotations

import errno
import itertools
import os
import pickle
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from aura_daemon.daemon.loop import Daemon
from aura_daemon.jobs.results import Failure, FailureKind, Outcome, Produced
from aura_daemon.jobs.tasks import Task
from tests.support import dying
from tests.support.house import make
from tests.support.light_worker import THUMBNAIL
from tests.support.sqlite_faults import sqlite_faults
from tests.torture import beside
from tests.torture.expectations import Expectations

BROKEN = 99
"""Exit code of a daemon that broke the contract, or raised."""

LIFE_S = 30
"""Seconds after which a drain counts as hanging."""

NEVER = ("", 0)
_CHANGES = ("durable.publish:after", "file.unlink:after", "claims.rename:after", "folder.rmdir:after")
"""The contract is checked after these moments: no other changes what users see."""

Deed = Callable[[Expectations], None]
Span: TypeAlias = tuple[str, int]
"""The first moment, and for how many moments (of any name) the fault lasts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What happens in a life of a daemon, and at which moments."""

    dies_at: str = ""
    """The moment of a kill -9."""
    stops_at: str = ""
    """The moment of a stop, as by SIGTERM."""
    disk_refuses: Span = NEVER
    """Writes, renames and deletions fail."""
    journal_refuses: Span = NEVER
    outcomes: tuple[FailureKind | None, ...] = (None,)
    """The outcomes of the jobs, in turn and repeated; None is a result."""
    meanwhile_at: str = ""
    meanwhile: Deed | None = None
    """What a user does at `meanwhile_at`."""


def live(run: Run, expectations: Expectations) -> tuple[Expectations, str]:
    """Drains the house; returns the expectations afterwards and a complaint (empty: nothing was wrong)."""
    root = expectations.house.root
    complaint, known = root / "complaint", root / "expectations"
    code = dying.in_a_process(lambda: _Life(run, expectations, complaint, known).drain())
    if known.exists():
        expectations = pickle.loads(known.read_bytes())
        known.unlink()
    if code == BROKEN:
        return expectations, complaint.read_text(encoding="utf-8")
    if code == -signal.SIGALRM:
        return expectations, f"it did not end within {LIFE_S} s"
    return expectations, "" if code == 0 or (run.dies_at and code == -signal.SIGKILL) else f"it ended with {code}"


@contextmanager
def without_outbox(expectations: Expectations, *, is_a_file: bool) -> Iterator[None]:
    """The outbox is missing, or a file stands in its place, and the daemon must not make it anew."""
    outbox, away = expectations.house.outbox, expectations.house.root / "away"
    outbox.rename(away)
    if is_a_file:
        outbox.write_bytes(b"a file\n")
    yield
    assert outbox.is_file() if is_a_file else not outbox.exists(), "something was put in the place of the outbox"
    outbox.unlink(missing_ok=True)
    away.rename(outbox)


class _Life:
    def __init__(self, run: Run, expectations: Expectations, complaint: Path, known: Path) -> None:
        self._run = run
        self._expectations = expectations
        self._complaint = complaint
        self._known = known
        self._times: Counter[str] = Counter()
        self._disk_refuses = self._journal_refuses = 0
        self._is_heard = False
        self._outcomes = itertools.cycle(run.outcomes)
        self._daemon: Daemon | None = None

    def drain(self) -> int:
        """Runs in the forked process."""
        signal.alarm(LIFE_S)
        house = self._expectations.house
        try:
            with (
                sqlite_faults() as self._faults,
                house.daemon(self._play, sources=self._expectations.disposition, **beside.settings(house)) as daemon,
            ):
                self._daemon = daemon
                dying.attend(self._hear)
                daemon.run()
        except Exception:  # noqa: BLE001 - the parent is told
            self._complain(traceback.format_exc())
        return 0

    def _play(self, task: Task) -> Outcome:
        kind = next(self._outcomes)
        outcome = make(task)
        if kind is None and isinstance(outcome, Produced):
            return replace(outcome, thumbnail=THUMBNAIL)
        return outcome if kind is None else Failure(kind=kind, message="it went wrong", mend="mend it")

    def _hear(self, moment: str) -> None:
        if self._is_heard:  # a step of the user or of a check
            return
        self._is_heard = True
        try:
            self._meet(moment)
        finally:
            self._is_heard = False

    def _meet(self, moment: str) -> None:
        """Does what the run wants at one moment."""
        run, daemon = self._run, self._daemon
        assert daemon is not None
        self._times[moment] += 1
        now = f"{moment}:{self._times[moment]}"
        if now == run.meanwhile_at and run.meanwhile is not None:
            run.meanwhile(self._expectations)
            self._known.write_bytes(pickle.dumps(self._expectations))
        if moment in _CHANGES and self._expectations.house.outbox.is_dir():
            found = list(self._expectations.complaints())
            if found:
                self._complain(f"at {now}: {'; '.join(found)}")
        if now == run.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if now == run.stops_at:
            daemon.stop()
        if self._journal_refuses:
            self._journal_refuses -= 1
            self._faults.refuse_writes(refuse=self._journal_refuses > 0)
        if now == run.journal_refuses[0]:
            self._journal_refuses = run.journal_refuses[1]
            self._faults.refuse_writes()
        if now == run.disk_refuses[0]:
            self._disk_refuses = run.disk_refuses[1]
        if self._disk_refuses:
            self._disk_refuses -= 1
            if not moment.startswith("journal.") and moment.endswith(dying.BEFORE):
                raise OSError(errno.EIO, "Input/output error", "a file")

    def _complain(self, what: str) -> None:
        self._complaint.write_text(what, "utf-8")
        os._exit(BROKEN)
