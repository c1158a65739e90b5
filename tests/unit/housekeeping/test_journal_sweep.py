"""What the journal may forget, and what it must not: redeliveries, `retry`, hooks, counts and the clock."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from aura_daemon.config.housekeeping import KeptFor
from aura_daemon.daemon.explain import explain
from aura_daemon.housekeeping.journal_sweep import AT_ONCE, JournalSweep
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.results import FailureKind
from aura_daemon.journal.hook_events import HookKind
from aura_daemon.journal.journal import FILE_NAME, Journal
from tests.support.house import PNG, House, fail

DAY_S = 86_400.0


class Kept:
    """A house's journal, opened for writing, some days later."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.journal = Journal(house.state / FILE_NAME)

    def sweep(self, *, days: float = 0, **kept: Any) -> JournalSweep:
        sweep = JournalSweep(
            journal=self.journal,
            inbox=self.house.inbox,
            outbox=self.house.outbox,
            kept=KeptFor(**kept),
            now=time.time() + days * DAY_S,
        )
        for _ in sweep.steps():
            pass
        return sweep

    def paths(self) -> list[str]:
        found = self.journal.closed_sources(after="", before="~", limit=1000)
        newest = self.journal.latest_source("newest.yaml")
        return sorted(source.path for source in (*found, newest) if source is not None)


@pytest.fixture
def kept(house: House) -> Any:
    house.drop("sub/cat.yaml")
    house.drop("several.yaml", b"prompt: a\n---\nprompt: b\n")
    house.drain()
    house.drop("newest.yaml")
    house.drain()
    opened = Kept(house)
    yield opened
    opened.journal.close()


def test_what_was_done_long_ago_is_forgotten_but_for_the_newest(kept: Kept) -> None:
    assert kept.sweep(days=29, age="30d").deleted == 0
    sweep = kept.sweep(days=31, age="30d")
    assert sweep.deleted == 2
    assert kept.paths() == ["newest.yaml"]
    assert kept.journal.counts()[JobState.DONE] == 1
    assert kept.journal.count_ended() == 1, "the gallery shows no more"
    assert kept.journal.last_claim() > 0
    assert sweep.told().startswith("2 files forgotten, ")
    kept.journal.close()
    kept.journal = Journal(kept.house.state / FILE_NAME)
    assert kept.journal.counts()[JobState.DONE] == 1, "as counted anew"


@pytest.mark.parametrize("age", ["100000w", "10000000d"])
def test_an_age_from_before_there_were_years_forgets_nothing(kept: Kept, age: str) -> None:
    assert kept.sweep(age=age).deleted == 0


def test_a_file_that_is_delivered_again_is_known_until_it_is_forgotten_and_then_runs_again(house: House) -> None:
    def deliver() -> None:
        os.utime(house.drop("cat.yaml"), (1000, 1000))

    deliver()
    house.drain()
    deliver()
    house.drain()
    assert house.results() == ["cat.json", "cat.png"]
    house.drop("newest.yaml")
    house.drain()
    opened = Kept(house)
    opened.sweep(days=31, age="30d")
    opened.journal.close()
    deliver()
    house.drain()
    assert "cat.r2.png" in house.results()


def forgotten(house: House) -> None:
    """Has the journal forget everything but one newer file."""
    house.drop("newest.yaml")
    house.drain()
    opened = Kept(house)
    opened.sweep(days=31, age="30d")
    opened.journal.close()


def test_what_is_forgotten_was_never_seen_and_its_name_in_other_letters_is_free(house: House) -> None:
    house.drop("cat.yaml")
    house.drain()
    forgotten(house)
    assert "never seen" in explain(house.inbox / "cat.yaml", house.settings(), None).text
    house.drop("CAT.yaml")
    house.drop("cat.yaml", b"prompt: another\n")
    house.drain()
    assert {"CAT.png", "cat.png", "cat.r2.png"} <= set(house.results())


def test_a_text_that_comes_after_its_forgotten_picture_is_a_prompt(house: House) -> None:
    house.drop("photo.png", PNG)
    house.drain()
    forgotten(house)
    house.drop("photo.txt", b"a red circle\n")
    assert house.drain().done == 1


def test_a_file_that_stays_in_the_inbox_is_never_forgotten(house: House) -> None:
    house.drop("cat.yaml")
    house.drain(sources="keep")
    house.drop("newest.yaml")
    house.drain(sources="keep")
    opened = Kept(house)
    assert opened.sweep(days=31, age="30d").deleted == 0
    opened.journal.close()
    house.drain(sources="keep")
    assert house.results() == ["cat.json", "cat.png", "newest.json", "newest.png"]


def test_what_failed_is_known_while_its_file_lies_in_failed(house: House) -> None:
    house.drop("cat.yaml")
    house.drop("bad.yaml", b"promt: x\n")
    house.drain(fail(FailureKind.BAD_INPUT))
    house.drop("newest.yaml")
    house.drain()
    opened = Kept(house)
    assert opened.sweep(days=31, age="30d").deleted == 0
    (house.outbox / "failed" / "cat.yaml").unlink()
    (house.outbox / "failed" / "bad.yaml").unlink()
    assert opened.journal.counts()[JobState.FAILED] == 2
    assert opened.sweep(days=31, age="30d").deleted == 2
    assert opened.journal.counts()[JobState.FAILED] == 0
    opened.journal.close()


def test_a_file_whose_hook_is_still_to_run_is_kept_with_its_event(house: House) -> None:
    house.drop("cat.yaml")
    house.drop("newest.yaml")
    house.drain()
    opened = Kept(house)
    events = opened.journal.hook_events
    events.wanted = frozenset(HookKind)
    (job,) = opened.journal.jobs_of(opened.journal.closed_sources(after="", before="~", limit=1)[0].id)
    with opened.journal._database.transaction() as database:
        events.record(database, HookKind.DONE, job.id, now=1.0)
    assert opened.sweep(days=31, age="30d").deleted == 0
    (event,) = events.due(2)
    events.end(event, "ok", now=2.0)
    events.become_idle(now=3.0)
    (idle,) = events.due(2)
    events.end(idle, "ok", now=4.0)
    assert opened.sweep(days=31, age="30d").deleted == 1
    assert events.outcomes_of(job.id) == events.outcomes_of("") == []
    opened.journal.close()


def test_images_that_were_named_are_forgotten_with_the_files_that_named_them(house: House) -> None:
    house.drop("beach.png", PNG)
    house.drop("about.yaml", b"task: caption\nimage: beach.png\n")
    house.drop("newest.yaml")
    house.drain()
    opened = Kept(house)
    assert opened.journal.latest_source("about.yaml") is not None
    opened.sweep(days=31, age="30d")
    assert opened.journal._database.rows("SELECT * FROM named_images") == []
    opened.journal.close()


def test_a_journal_that_is_too_large_forgets_the_oldest_until_it_fits(house: House) -> None:
    for number in range(60):
        house.drop(f"{number:03}.yaml", b"prompt: " + b"x " * 400 + b"\n")
    house.drain()
    opened = Kept(house)
    before = opened.journal.used_bytes()
    sweep = opened.sweep(size=before - 20_000)
    assert AT_ONCE <= sweep.deleted < 60
    assert opened.journal.used_bytes() <= before - 20_000
    assert sweep.freed_bytes >= 20_000
    assert "000.yaml" not in opened.paths()
    assert opened.journal.latest_source("059.yaml") is not None
    assert opened.sweep(size="1 GB").deleted == 0
    opened.journal.close()


def test_a_journal_that_is_too_large_forgets_though_the_clock_was_set_back(kept: Kept) -> None:
    assert kept.sweep(days=-1, size=0).deleted == 2
    assert kept.paths() == ["newest.yaml"]


def test_what_is_under_way_is_never_forgotten(house: House) -> None:
    house.drop("cat.yaml")
    house.drop("newest.yaml")
    with house.daemon(lambda task: None, drain=False) as daemon:
        daemon.start()
        while daemon.journal.counts()[JobState.RUNNING] == 0:
            daemon.turn()
        opened = Kept.__new__(Kept)
        opened.house, opened.journal = house, daemon.journal
        assert opened.sweep(days=1000, age="1d").deleted == 0
        assert opened.sweep(days=1000, size=0).deleted == 0
        daemon.shut_down()


def test_an_inbox_that_cannot_be_asked_keeps_everything(kept: Kept) -> None:
    if (kept.house.inbox / "sub").exists():
        (kept.house.inbox / "sub").rmdir()
    (kept.house.inbox / "sub").symlink_to("sub")  # leads to itself
    with pytest.raises(OSError, match="symbolic links"):
        kept.sweep(days=31, age="30d")
    assert "sub/cat.yaml" in kept.paths()
