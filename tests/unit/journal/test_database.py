"""SQLite's errors in our words: what passes, what does not, and what is our own mistake."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aura_daemon.errors import BrokenState, JournalRefused
from aura_daemon.journal.database import Database
from tests.support.plain_user import NOBODY, as_a_plain_user


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "state" / "journal.sqlite3", read_only=False)
    opened.run("CREATE TABLE words (word TEXT PRIMARY KEY)")
    yield opened
    opened.close()


def words(database: Database) -> list[str]:
    return [row[0] for row in database.rows("SELECT word FROM words ORDER BY word")]


def test_a_transaction_is_whole_or_nothing(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO words VALUES ('one')")
    with pytest.raises(RuntimeError), database.transaction() as connection:
        connection.execute("INSERT INTO words VALUES ('two')")
        raise RuntimeError("something else")
    assert words(database) == ["one"]


def test_a_mistake_in_our_own_statement_is_no_fault_of_the_disk(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"), database.transaction() as connection:
        connection.execute("INSERT INTO wrods VALUES ('one')")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        database.rows("SELECT * FROM wrods")


def test_a_journal_that_another_process_holds_is_refused_for_now(database: Database, tmp_path: Path) -> None:
    database.run("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(tmp_path / "state" / "journal.sqlite3", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(JournalRefused, match="cannot be written: database is locked"), database.transaction():
        pass
    with pytest.raises(JournalRefused, match="cannot be read: database is locked"):
        words(database)
    other.execute("ROLLBACK")
    other.close()
    assert words(database) == []


def test_damage_found_while_it_is_open_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    writer = Database(path, read_only=False)
    writer.run("CREATE TABLE words (word TEXT PRIMARY KEY)")
    writer.close()
    reader = Database(path, read_only=True)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(BrokenState, match=r"damaged or no journal .*: move it away"):
        words(reader)
    reader.close()


def test_a_place_that_takes_no_journal_is_told_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"a file")
    with pytest.raises(BrokenState, match=r"cannot be opened for writing .*name another folder with `state`"):
        Database(tmp_path / "state" / "journal.sqlite3", read_only=False)
    with pytest.raises(JournalRefused, match="cannot be opened"):
        Database(tmp_path / "nothing" / "journal.sqlite3", read_only=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave a file")
@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
def test_a_file_that_root_left_in_a_users_folder_is_told_with_its_owner_and_the_mend(
    place_for_all: Path, ending: str
) -> None:
    path = place_for_all / "state" / "journal.sqlite3"
    with closing(Database(path, read_only=False)) as database:
        database.run("PRAGMA journal_mode = WAL; CREATE TABLE a (b)")
    left = path.with_name(path.name + ending)
    left.touch(mode=0o600)
    with as_a_plain_user(owning=place_for_all):
        os.seteuid(0)
        os.chown(left, 0, -1)
        os.seteuid(NOBODY)
        with pytest.raises(BrokenState) as refused:
            Database(path, read_only=False)
    message = str(refused.value)
    assert message.startswith(f"the journal: {left}: Permission denied: it belongs to root with mode 0600")
    assert message.endswith("and aura-daemon runs as nobody; chmod or chown it")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave a folder")
def test_a_state_folder_that_may_not_be_written_is_told_with_its_owner_and_the_mend(place_for_all: Path) -> None:
    mend = r"belongs to \w+ with mode 0755.*chmod or chown that folder"
    with as_a_plain_user(), pytest.raises(BrokenState, match=mend):
        Database(place_for_all / "journal.sqlite3", read_only=False)
