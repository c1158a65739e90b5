"""Files are claimed once they have settled; what is left alone is judged once."""

from __future__ import annotations

import os

import pytest

from aura_daemon.intake.pending import AT_ONCE, MOST_PENDING, UNREADABLE_S, PendingFiles
from aura_daemon.watch.watcher import Watcher
from tests.support.house import PNG, Door, House


class Looks:
    """Pending files with a watcher whose scan is always due, on a clock that the test moves."""

    def __init__(self, door: Door, most_pending: int = MOST_PENDING) -> None:
        self.pending = PendingFiles(door.house.inbox, door.judging, settle_s=2.0, most_pending=most_pending)
        self.watcher = Watcher(door.house.inbox, scan_interval_s=1.0, poll_interval_s=1.0)
        self.now = 0.0

    def look(self, after_s: float = 0.0) -> list[str]:
        """Lets time go by, looks at everything and says what is to be claimed."""
        self.now += max(after_s, 1.0)
        self.pending.take(self.watcher.look(self.now, ()), self.now)
        return [file.path for file in self.pending.ready(self.now)]


@pytest.fixture
def looks(door: Door) -> Looks:
    return Looks(door)


def test_without_leases_a_file_is_claimed_when_it_has_not_changed_for_the_settle_time(
    door: Door, looks: Looks, no_leases: None
) -> None:
    door.house.drop("cat.yaml")
    assert looks.look() == []
    door.house.drop("cat.yaml", b"prompt: a larger circle\n")
    assert looks.look(5) == []
    assert looks.look(1) == []
    assert looks.look(1) == ["cat.yaml"]
    looks.pending.forget("cat.yaml")
    assert len(looks.pending) == 0


def test_a_closed_file_is_claimed_after_an_afterthought_and_an_open_one_when_its_writer_closes_it(
    door: Door, looks: Looks
) -> None:
    with (door.house.inbox / "cat.yaml").open("wb") as writer:
        writer.write(b"prompt: a")
        writer.flush()
        looks.look()
        assert looks.pending.refused == 0
        for _ in range(5):
            assert looks.look(100) == []  # however long it pauses
        assert looks.pending.refused == 1  # no drain is kept by it
        writer.write(b" circle")
    assert looks.look() == []
    assert looks.look() == ["cat.yaml"]
    assert looks.pending.refused == 0


def test_a_file_renamed_in_is_claimed_at_once(door: Door, looks: Looks) -> None:
    looks.watcher.start()
    looks.look()
    door.house.drop(".cat.yaml.tmp").rename(door.house.inbox / "cat.yaml")
    pending, watcher = looks.pending, looks.watcher
    pending.take(watcher.look(looks.now, pending.due(looks.now)), looks.now)
    assert [file.path for file in pending.ready(looks.now)] == ["cat.yaml"]
    watcher.stop()


def test_a_line_that_a_script_writes_in_pieces_is_waited_for(house: House) -> None:
    door = Door(house, pair_wait=0)
    looks = Looks(door)
    place = house.drop("list.txt", b"a red")
    assert looks.look() == []
    assert looks.look() == []
    with place.open("ab") as writer:
        writer.write(b" circle\n")
    assert looks.look() == []
    assert looks.look() == ["list.txt"]
    door.close()


def test_more_files_than_are_remembered_at_once_are_found_by_another_scan(door: Door) -> None:
    looks = Looks(door, most_pending=10)
    for number in range(25):
        door.house.drop(f"{number}.yaml")
    found: set[str] = set()
    count = 0
    while len(found) < 25:
        count += 1
        assert count < 20
        for path in looks.look(5):
            (door.house.inbox / path).unlink()
            looks.pending.forget(path)
            found.add(path)
        assert len(looks.pending) <= 10


def test_an_empty_file_and_half_an_image_wait_and_go_on_when_they_are_whole(door: Door, looks: Looks) -> None:
    door.house.drop("empty.yaml", b"")
    door.house.drop("half.png", PNG[:40])
    door.house.drop("zeros.png", b"\0" * 4096)
    looks.look()
    assert looks.look(10) == []
    oldest = looks.pending.oldest(looks.now)
    assert oldest is not None
    assert oldest[1] == 10.0
    door.house.drop("half.png", PNG)
    assert looks.look(10) == []
    assert looks.look(2) == ["half.png"]
    assert sorted(looks.look(40)) == ["empty.yaml", "half.png", "zeros.png"]  # 60 s: admission says what is wrong


def test_what_is_no_job_is_judged_and_said_once_and_counted_until_it_changes(
    door: Door, looks: Looks, log: list[str]
) -> None:
    notes = door.house.drop("notes.md", b"text")
    door.house.drop("copy.sync-conflict-20260101-120000-ABCDEFG.yaml")
    os.mkfifo(door.house.inbox / "fifo.yaml")
    (door.house.inbox / "link.yaml").symlink_to(notes)
    for _ in range(4):
        assert looks.look(5) == []
    counted = looks.pending.left_alone()
    assert counted["a link, pipe, socket or device; only regular files are opened"] == 2
    assert sum(counted.values()) == 4
    assert sum("left alone: notes.md" in line for line in log) == 1
    notes.unlink()
    (door.house.inbox / "fifo.yaml").unlink()
    looks.look()
    assert sum(looks.pending.left_alone().values()) == 2
    assert len(looks.pending) == 0


def test_something_that_was_left_alone_becomes_a_job_when_it_becomes_a_file(door: Door, looks: Looks) -> None:
    link = door.house.inbox / "cat.yaml"
    link.symlink_to("/nowhere")
    looks.look(5)
    link.unlink()
    door.house.drop("cat.yaml")
    looks.look()
    assert looks.look(5) == ["cat.yaml"]
    assert looks.pending.left_alone() == {}


def test_a_name_that_is_no_text_is_counted_in_words_that_can_be_written(door: Door, looks: Looks) -> None:
    door.house.drop("x.caf\udce9")
    looks.look()
    looks.look(5)
    (reason,) = looks.pending.left_alone()
    assert reason.encode() == b"not a kind of file it knows (.caf\\xe9)"


def test_a_claim_that_is_refused_is_tried_again_later_and_said_once(door: Door, looks: Looks, log: list[str]) -> None:
    door.house.drop("cat.yaml")
    looks.look()
    for _ in range(2):
        assert looks.look(UNREADABLE_S) == ["cat.yaml"]
        looks.pending.postpone("cat.yaml", looks.now, "it cannot be claimed: no")
        assert looks.pending.refused == 1
        assert looks.look(1) == []
    assert sum("cannot be claimed" in line for line in log) == 1
    (door.house.inbox / "cat.yaml").unlink()
    looks.look()
    assert looks.pending.refused == 0


def test_many_files_are_judged_a_few_at_a_time_the_oldest_first(door: Door, looks: Looks) -> None:
    door.house.drop("first.yaml")
    looks.look()
    for number in range(AT_ONCE * 2):
        door.house.drop(f"{number}.yaml")
    looks.look(1)
    found = looks.look(5)
    assert len(found) == AT_ONCE
    assert found[0] == "first.yaml"
    next_s = looks.pending.next_s()
    assert next_s is not None
    assert next_s <= looks.now


def test_a_file_that_goes_before_it_is_judged_is_forgotten(door: Door, looks: Looks) -> None:
    place = door.house.drop("cat.yaml")
    looks.look()
    looks.pending.take(looks.watcher.look(looks.now, ("cat.yaml",)), looks.now)
    place.unlink()
    assert [file.path for file in looks.pending.ready(looks.now + 5)] == []
    assert len(looks.pending) == 0


def test_a_conflict_copy_stays_and_is_reported_once_by_its_name(door: Door, looks: Looks, log: list[str]) -> None:
    copy = door.house.drop("cat.sync-conflict-20260101-120000-ABCDEFG.yaml")
    for _ in range(3):
        assert looks.look(5) == []
    assert looks.pending.conflicts() == [copy.name]
    assert sum(line.startswith("WARNING") and "conflict copy (Syncthing)" in line for line in log) == 1
    copy.unlink()
    looks.look(5)
    assert looks.pending.conflicts() == []


def told(log: list[str]) -> list[str]:
    return [line for line in log if line.startswith("INFO left alone: ")]


def test_what_is_left_alone_is_told_once_a_reason_and_not_once_a_file(door: Door, looks: Looks, log: list[str]) -> None:
    for number in range(3 * AT_ONCE):
        door.house.drop(f"clip{number}.mov", b"x")
    door.house.drop("notes.docx", b"x")
    for _ in range(6):
        looks.look()
    clips = f"left alone: {3 * AT_ONCE} files: not a kind of file it knows (.mov); it is a video: save the frame"
    assert [line.removeprefix("INFO ").startswith(clips) for line in told(log)] == [True, False]
    door.house.drop("another.mov", b"x")
    looks.look()
    assert len(told(log)) == 2
    assert looks.pending.left_alone()["not a kind of file it knows (.mov)"] == 3 * AT_ONCE + 1


@pytest.mark.parametrize(
    ("name", "content"), [("_defaults.yaml", b"steps: 5\n"), ("health.json", b'{"schema": "aura-daemon/health/1"}')]
)
def test_what_is_expected_in_an_inbox_is_not_told(
    door: Door, looks: Looks, log: list[str], name: str, content: bytes
) -> None:
    door.house.drop(name, content)
    looks.look()
    looks.look()
    assert sum(looks.pending.left_alone().values()) == 1
    assert told(log) == []


def test_a_text_whose_picture_is_copied_for_a_minute_holds_up_no_inbox_that_is_drained(house: House) -> None:
    door = Door(house)
    looks = Looks(door)
    coming = house.drop(".set001.webp.Ab3xYz", b"half")
    house.drop("set001.txt", b"photo of sks dog")
    door.clock_s = coming.lstat().st_ctime
    looks.look()
    for _ in range(5):
        looks.look(10.0)
    assert looks.pending.is_settling
    assert looks.pending.refused == 0
    looks.look(10.0)
    assert not looks.pending.is_settling
    assert looks.pending.refused == 1
    coming.rename(house.inbox / "set001.webp")
    looks.look()
    assert sum(looks.pending.left_alone().values()) == 1
    door.close()
