"""Sightings become claims once they have settled; what is left alone is judged once."""

from __future__ import annotations

import os

import pytest

from aura_daemon.intake.pending import AT_ONCE, UNREADABLE_S, PendingFiles
from aura_daemon.watch.watcher import Watcher
from tests.support.house import PNG, Door


class Hall:
    """Arrivals with a watch whose scan is always due, on a clock that the test moves."""

    def __init__(self, door: Door, settle_s: float = 2.0) -> None:
        self.arrivals = PendingFiles(door.house.inbox, door.judging, settle_s=settle_s)
        self.watch = Watcher(door.house.inbox, scan_interval_s=1.0)
        self.now = 0.0

    def look(self, after_s: float = 0.0) -> list[str]:
        """Lets time go by, looks at everything and says what is to be claimed."""
        self.now += max(after_s, 1.0)
        self.arrivals.take(self.watch.look(self.now, ()), self.now)
        return [arrival.path for arrival in self.arrivals.ready(self.now)]


@pytest.fixture
def hall(door: Door) -> Hall:
    return Hall(door)


def test_without_leases_a_file_is_claimed_when_it_has_not_changed_for_the_settle_time(
    door: Door, hall: Hall, no_leases: None
) -> None:
    door.house.drop("cat.yaml")
    assert hall.look() == []
    door.house.drop("cat.yaml", b"prompt: a larger circle\n")
    assert hall.look(5) == []
    assert hall.look(1) == []
    assert hall.look(1) == ["cat.yaml"]
    hall.arrivals.forget("cat.yaml")
    assert len(hall.arrivals) == 0


def test_a_closed_file_is_claimed_after_an_afterthought_and_an_open_one_when_its_writer_closes_it(
    door: Door, hall: Hall
) -> None:
    with (door.house.inbox / "cat.yaml").open("wb") as writer:
        writer.write(b"prompt: a")
        writer.flush()
        hall.look()
        assert hall.arrivals.refused == 0
        for _ in range(5):
            assert hall.look(100) == []  # however long it pauses
        assert hall.arrivals.refused == 1  # no drain is kept by it
        writer.write(b" circle")
    assert hall.look() == []
    assert hall.look() == ["cat.yaml"]
    assert hall.arrivals.refused == 0


def test_a_file_renamed_in_is_claimed_at_once(door: Door, hall: Hall) -> None:
    hall.watch.start()
    hall.look()
    door.house.drop(".cat.yaml.tmp").rename(door.house.inbox / "cat.yaml")
    arrivals, watch = hall.arrivals, hall.watch
    arrivals.take(watch.look(hall.now, arrivals.due(hall.now)), hall.now)
    assert [arrival.path for arrival in arrivals.ready(hall.now)] == ["cat.yaml"]
    watch.stop()


def test_more_files_than_are_remembered_at_once_are_found_by_another_scan(
    door: Door, hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aura_daemon.intake.pending.MOST_PENDING", 10)
    for number in range(25):
        door.house.drop(f"{number}.yaml")
    found: set[str] = set()
    looks = 0
    while len(found) < 25:
        looks += 1
        assert looks < 20
        for path in hall.look(5):
            (door.house.inbox / path).unlink()
            hall.arrivals.forget(path)
            found.add(path)
        assert len(hall.arrivals) <= 10


def test_an_empty_file_and_half_an_image_wait_and_go_on_when_they_are_whole(door: Door, hall: Hall) -> None:
    door.house.drop("empty.yaml", b"")
    door.house.drop("half.png", PNG[:40])
    door.house.drop("zeros.png", b"\0" * 4096)
    hall.look()
    assert hall.look(10) == []
    oldest = hall.arrivals.oldest(hall.now)
    assert oldest is not None
    assert oldest[1] == 10.0
    door.house.drop("half.png", PNG)
    assert hall.look(10) == []
    assert hall.look(2) == ["half.png"]
    assert sorted(hall.look(40)) == ["empty.yaml", "half.png", "zeros.png"]  # 60 s: admission says what is wrong


def test_what_is_no_job_is_judged_and_said_once_and_counted_until_it_changes(
    door: Door, hall: Hall, log: list[str]
) -> None:
    notes = door.house.drop("notes.md", b"text")
    door.house.drop("copy.sync-conflict-20260101-120000-ABCDEFG.yaml")
    os.mkfifo(door.house.inbox / "fifo.yaml")
    (door.house.inbox / "link.yaml").symlink_to(notes)
    for _ in range(4):
        assert hall.look(5) == []
    counted = hall.arrivals.left_alone()
    assert counted["a link, pipe, socket or device; only regular files are opened"] == 2
    assert sum(counted.values()) == 4
    assert sum("left alone: notes.md" in line for line in log) == 1
    notes.unlink()
    (door.house.inbox / "fifo.yaml").unlink()
    hall.look()
    assert sum(hall.arrivals.left_alone().values()) == 2
    assert len(hall.arrivals) == 0


def test_something_that_was_left_alone_becomes_a_job_when_it_becomes_a_file(door: Door, hall: Hall) -> None:
    link = door.house.inbox / "cat.yaml"
    link.symlink_to("/nowhere")
    hall.look(5)
    link.unlink()
    door.house.drop("cat.yaml")
    hall.look()
    assert hall.look(5) == ["cat.yaml"]
    assert hall.arrivals.left_alone() == {}


def test_a_name_that_is_no_text_is_counted_in_words_that_can_be_written(door: Door, hall: Hall) -> None:
    door.house.drop("x.caf\udce9")
    hall.look()
    hall.look(5)
    (reason,) = hall.arrivals.left_alone()
    assert reason.encode() == b"not a kind of file it knows (.caf\\xe9)"


def test_a_claim_that_is_refused_is_tried_again_later_and_said_once(door: Door, hall: Hall, log: list[str]) -> None:
    door.house.drop("cat.yaml")
    hall.look()
    for _ in range(2):
        assert hall.look(UNREADABLE_S) == ["cat.yaml"]
        hall.arrivals.postpone("cat.yaml", hall.now, "it cannot be claimed: no")
        assert hall.arrivals.refused == 1
        assert hall.look(1) == []
    assert sum("cannot be claimed" in line for line in log) == 1
    (door.house.inbox / "cat.yaml").unlink()
    hall.look()
    assert hall.arrivals.refused == 0


def test_many_files_are_judged_a_few_at_a_time_the_oldest_first(door: Door, hall: Hall) -> None:
    door.house.drop("first.yaml")
    hall.look()
    for number in range(AT_ONCE * 2):
        door.house.drop(f"{number}.yaml")
    hall.look(1)
    found = hall.look(5)
    assert len(found) == AT_ONCE
    assert found[0] == "first.yaml"
    next_s = hall.arrivals.next_s()
    assert next_s is not None
    assert next_s <= hall.now


def test_a_file_that_goes_before_it_is_judged_is_forgotten(door: Door, hall: Hall) -> None:
    place = door.house.drop("cat.yaml")
    hall.look()
    hall.arrivals.take(hall.watch.look(hall.now, ("cat.yaml",)), hall.now)
    place.unlink()
    assert [arrival.path for arrival in hall.arrivals.ready(hall.now + 5)] == []
    assert len(hall.arrivals) == 0


def test_a_conflict_copy_stays_and_is_reported_once_by_its_name(door: Door, hall: Hall, log: list[str]) -> None:
    copy = door.house.drop("cat.sync-conflict-20260101-120000-ABCDEFG.yaml")
    for _ in range(3):
        assert hall.look(5) == []
    assert hall.arrivals.conflicts() == [copy.name]
    assert sum(line.startswith("WARNING") and "conflict copy (Syncthing)" in line for line in log) == 1
    copy.unlink()
    hall.look(5)
    assert hall.arrivals.conflicts() == []
