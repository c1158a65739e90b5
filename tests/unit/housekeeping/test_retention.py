"""Retention in the loop of a daemon: in slices, by the clock, and never while a folder is away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.housekeeping.retention import ABSENT_S, FIRST_S, INTERVAL_S, PAUSE_S, SLICE_S, Retention, Sweep
from aura_daemon.system.mount_guard import MountGuard
from tests.support.house import House
from tests.support.unguarded import extensions_in


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Counted:
    """A sweep of so many steps, each of which takes 15 ms."""

    def __init__(self, clock: Clock, steps: int, *, fails: bool = False) -> None:
        self.deleted = 0
        self._clock, self._steps, self._fails = clock, steps, fails

    def steps(self) -> Iterator[None]:
        for _ in range(self._steps):
            self._clock.now += 0.015
            self.deleted += 1
            yield
        if self._fails:
            raise PermissionError(13, "Permission denied")

    def told(self) -> str:
        return f"{self.deleted} steps"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def retention(clock: Clock, sweeps: list[tuple[str, Sweep]], *, drain: bool = False, **changes: Any) -> Retention:
    return Retention(**{"sweeps": lambda: sweeps, "guards": (), "drain": drain, "clock": clock, **changes})


def test_it_works_in_slices_between_which_the_loop_turns(clock: Clock, log: list[str]) -> None:
    sweeps = [("archive", Counted(clock, 3)), ("journal", Counted(clock, 0)), ("logs", Counted(clock, 1))]
    kept = retention(clock, sweeps)
    assert (kept.due_in_s(), kept.finishes()) == (FIRST_S, True)
    kept.work()
    assert not log
    clock.now += FIRST_S
    began = clock.now
    kept.work()
    assert clock.now - began < SLICE_S + 0.015
    assert (kept.due_in_s(), kept.finishes()) == (PAUSE_S, False)
    while not kept.finishes():
        kept.work()
    assert [line for line in log if "retention" in line] == [
        "INFO retention: archive: 3 steps",
        "INFO retention: logs: 1 steps",
    ]
    assert INTERVAL_S - 1 < (kept.due_in_s() or 0.0) <= INTERVAL_S


def test_what_cannot_be_gone_through_does_not_stop_the_others(clock: Clock, log: list[str]) -> None:
    kept = retention(clock, [("archive", Counted(clock, 1, fails=True)), ("logs", Counted(clock, 1))], drain=True)
    while not kept.finishes():
        kept.work()
    assert log[0] == "WARNING retention: archive cannot be gone through: Permission denied"
    assert log[1] == "INFO retention: logs: 1 steps"


def test_nothing_is_touched_while_a_folder_is_away(clock: Clock, tmp_path: Path) -> None:
    sweep = Counted(clock, 1)
    kept = retention(clock, [("archive", sweep)], drain=True, guards=(MountGuard(tmp_path / "away", tmp_path),))
    assert kept.finishes()
    kept.work()
    assert sweep.deleted == 0


def test_a_sweep_that_found_a_folder_away_is_made_up_for_as_soon_as_it_is_there(clock: Clock, tmp_path: Path) -> None:
    sweep, guard = Counted(clock, 1), MountGuard(tmp_path / "away", tmp_path)
    kept = retention(clock, [("archive", sweep)], guards=(guard,))
    clock.now += FIRST_S
    kept.work()
    assert (kept.due_in_s(), sweep.deleted) == (ABSENT_S, 0)
    guard.folder.mkdir()
    clock.now += ABSENT_S
    while not sweep.deleted:
        kept.work()


def test_a_daemon_that_ends_in_the_middle_leaves_the_rest_to_the_next(clock: Clock) -> None:
    kept = retention(clock, [("archive", Counted(clock, 100))], drain=True)
    assert not kept.finishes()
    kept.work()
    kept.close()
    assert kept.finishes()


def test_a_drain_deletes_what_is_old_and_never_a_result(house: House, log: list[str]) -> None:
    house.drop("old.yaml")
    house.drain()
    assert house.archived() == ["old.yaml"]
    for place in house.outbox.iterdir():
        os.utime(place, (0, 0))
    house.drop("bad.yaml", b"promt: x\n")
    house.drop("cat.yaml")
    everything = {key: {"size": 0} for key in ("archive", "failed", "journal", "previews", "logs")}
    with house.daemon(retention=everything) as daemon:
        daemon.run()
        assert daemon.health.disposal.archive_bytes == 0
    assert house.archived() == house.failed() == []
    assert house.results() == ["cat.json", "cat.png", "old.json", "old.png"]
    assert "INFO retention: archive: 2 files deleted, 0.0 MB freed" in log, "those of this very drain too"
    assert "INFO retention: failed files: 1 file deleted, 0.0 MB freed" in log
    assert any(line.startswith("INFO retention: journal: 2 files forgotten") for line in log)


def test_without_limits_there_is_no_retention(house: House) -> None:
    with house.daemon() as daemon:
        assert not any(isinstance(extension, Retention) for extension in extensions_in(daemon))
