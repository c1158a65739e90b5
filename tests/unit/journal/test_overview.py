"""What `status` asks of the journal: the same as the journal says itself."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from aura_daemon.errors import JournalRefused
from aura_daemon.jobs.results import FailureKind
from aura_daemon.journal.database import FILE_NAME
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.overview import JournalOverview
from tests.support.house import House, fail


def test_the_overview_says_what_the_journal_says(house: House) -> None:
    house.drop("bad.yaml", b"promt: x\n")
    house.drop("good.yaml")
    house.drain()
    house.drop("caf\udce9.yaml")
    house.drain(fail(FailureKind.UNEXPECTED, "it broke"))
    place = house.state / FILE_NAME
    with closing(Journal(place, read_only=True)) as journal, closing(JournalOverview(place)) as overview:
        assert overview.counts() == journal.counts()
        failures = overview.recent_failures(5, among=5)
        assert failures == journal.recent_failures(5, among=5)
        assert [(failure.path, failure.kind) for failure in failures] == [
            ("caf\udce9.yaml", FailureKind.UNEXPECTED),
            ("bad.yaml", FailureKind.BAD_INPUT),
        ]
        assert len(overview.recent_failures(1, among=5)) == 1


def test_a_journal_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalRefused):
        JournalOverview(tmp_path / FILE_NAME)
