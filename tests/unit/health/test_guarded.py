"""A fault in an extension harms nothing but the extension, which is tried again later."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing

import pytest

from aura_daemon.errors import BrokenState, JournalRefused
from aura_daemon.health.guarded import Guarded
from aura_daemon.health.holdups import Holdups
from aura_daemon.health.listener import DaemonPhase, Event, PhaseChanged
from aura_daemon.journal.journal import FILE_NAME
from tests.support.house import House


class Falters:
    """An extension in which everything raises."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.calls: list[str] = []

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.error is not None:
            raise self.error

    def on_event(self, event: Event) -> None:
        self._call("on_event")

    def waitables(self) -> Sequence[int]:
        self._call("waitables")
        return (7,)

    def due_in_s(self) -> float | None:
        self._call("due_in_s")
        return 3.0

    def work(self) -> None:
        self._call("work")

    def finishes(self) -> bool:
        self._call("finishes")
        return False

    def close(self) -> None:
        self._call("close")


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


EVENT = PhaseChanged(phase=DaemonPhase.WATCHING)

CALLS: dict[str, Callable[[Guarded], object]] = {
    "on_event": lambda guarded: guarded.on_event(EVENT),
    "waitables": lambda guarded: guarded.waitables(),
    "due_in_s": lambda guarded: guarded.due_in_s(),
    "work": lambda guarded: guarded.work(),
    "finishes": lambda guarded: guarded.finishes(),
    "close": lambda guarded: guarded.close(),
}


def guarded(extension: Falters, holdups: Holdups, clock: Clock) -> Guarded:
    return Guarded(extension, holdups, clock=clock)


@pytest.fixture
def holdups() -> Holdups:
    return Holdups(first_s=5.0, most_s=60.0)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "error", [OSError(28, "no room"), UnicodeError("half"), BrokenState("damaged"), KeyError("a"), MemoryError()]
)
def test_whatever_it_raises_it_is_told_and_nothing_else_happens(call: str, error: Exception, holdups: Holdups) -> None:
    CALLS[call](guarded(Falters(error), holdups, Clock()))
    (told,) = holdups.records(0.0)
    assert told.what == "Falters"
    assert told.reason.startswith(f"Falters has failed: {type(error).__name__}")


def test_it_rests_and_nobody_waits_for_it_and_then_it_works_again(holdups: Holdups) -> None:
    clock, extension = Clock(), Falters(OSError(28, "no room"))
    one = guarded(extension, holdups, clock)
    one.work()
    extension.error = None
    one.work()
    assert (extension.calls, one.waitables(), one.due_in_s(), one.finishes()) == (["work"], (), None, True)
    one.on_event(EVENT)
    assert extension.calls == ["work", "on_event"]
    clock.now_s = 5.0
    one.work()
    assert (one.waitables(), one.due_in_s(), one.finishes()) == ((7,), 3.0, False)
    assert not holdups


def test_a_drain_learns_that_the_journal_refuses(holdups: Holdups) -> None:
    one = guarded(Falters(JournalRefused(5, "full")), holdups, Clock())
    with pytest.raises(JournalRefused):
        one.finishes()
    assert not holdups


def test_every_extension_of_a_daemon_is_guarded(house: House) -> None:
    changes = {"retention": {"archive": {"age": "1d"}}, "metrics": {"textfile": house.root / "a.prom"}}
    with house.daemon(drain=False, **changes) as daemon:
        assert len(daemon.extensions) == 4
        assert all(isinstance(extension, Guarded) for extension in daemon.extensions)


def test_an_event_that_no_program_knows_ends_no_daemon_and_keeps_no_job_from_its_end(house: House) -> None:
    house.drop("cat.yaml")
    house.drain(hooks={"on_done": ["true"]})
    with closing(sqlite3.connect(house.state / FILE_NAME)) as database, database:
        database.execute("UPDATE hook_events SET kind = 'of tomorrow', state = 'due'")
    house.drop("dog.yaml")
    with house.daemon(hooks={"on_done": ["true"]}) as daemon:
        assert (daemon.run().done, daemon.holdups.has_failed("Hooks")) == (1, True)
    assert house.results() == ["cat.json", "cat.png", "dog.json", "dog.png"]
