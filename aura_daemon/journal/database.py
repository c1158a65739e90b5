"""One SQLite file: opens, reads and writes it, and translates its errors. In: SQL. Out: rows.

A disk that is full, read-only or busy is a passing fault (JournalRefused), a damaged file is a lasting one
(BrokenState). A mistake in our own SQL stays the exception of sqlite3 that it is.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aura_daemon.errors import BrokenState, JournalRefused, StateRefused
from aura_daemon.system import private_state
from aura_daemon.system.files import regular_files
from aura_daemon.system.permissions import may_read, may_update, user_name, why_denied

FILE_NAME: Final = "journal.sqlite3"
"""In the state folder."""

_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
    }
)
"""Errors that may pass by themselves: the disk or another process causes them."""

_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_REMEDY: Final = "move it away, and what is claimed is taken up again"


@dataclass(kw_only=True, slots=True)
class _JoinedTransactions:
    """Transactions that are one."""

    is_durable: bool = False
    """One of them is to lie on the disk when it is over."""
    has_failed: bool = False
    """One of them was not written, so that none may be."""


class Database:
    """A connection, for one thread."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        """Opens the file; where that fails, raises JournalRefused for readers and BrokenState for writers."""
        self._path = path
        self._connection = _open_for_reading(path) if read_only else _open_for_writing(path)
        self._connection.isolation_level = None
        self._connection.row_factory = sqlite3.Row
        self._is_full: bool | None = None
        """Whether a commit returns only when it lies on the disk; None: as SQLite was told at the start."""
        self.is_behind = False
        """Whether the last commits might not survive a power cut."""
        self._group: _JoinedTransactions | None = None
        """What `together` makes one transaction of."""

    def close(self) -> None:
        """Writes the write-ahead log back into the file and closes it."""
        self._connection.close()

    def define(self, name: str, function: Callable[[Any], str | bytes]) -> None:
        """Makes a function of one argument available to statements."""
        self._connection.create_function(name, 1, function, deterministic=True)

    def run(self, statement: str) -> None:
        """Runs one or several statements outside a transaction."""
        with self._errors_translated("used"):
            self._connection.executescript(statement)

    def rows(self, query: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        """All rows that a query finds; raises JournalRefused where the disk cannot be read."""
        with self._errors_translated("read"):
            return self._connection.execute(query, values).fetchall()

    @property
    def changes(self) -> int:
        """How many rows were written through this connection."""
        return self._connection.total_changes

    def row(self, query: str, values: Sequence[object] = ()) -> sqlite3.Row | None:
        """The first row that a query finds; raises JournalRefused as `rows` does."""
        with self._errors_translated("read"):
            found: sqlite3.Row | None = self._connection.execute(query, values).fetchone()
            return found

    def copy_into(self, target: Path) -> None:
        """Copies everything, as it is at one moment, into a new file, which is checked and durable.

        Others may write meanwhile. Raises JournalRefused where the disk refuses, BrokenState for a damaged copy.
        """
        with self._errors_translated("copied"), closing(sqlite3.connect(target, isolation_level=None)) as copy:
            self._connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
            found = [row[0] for row in copy.execute("PRAGMA integrity_check(3)")]
        if found != ["ok"]:
            raise BrokenState(f"{self._path} is damaged: {'; '.join(found)}")
        with target.open("rb") as file:
            os.fsync(file.fileno())

    def sync(self) -> None:
        """Returns when everything that was committed lies on the disk; raises JournalRefused where that fails."""
        if self.is_behind:
            with self.transaction() as connection:  # a commit of one page, which takes all earlier ones with it
                connection.execute("DELETE FROM companions WHERE path = x''")
                connection.execute("INSERT INTO companions VALUES (x'', 0, 0)")

    @contextmanager
    def together(self) -> Iterator[None]:
        """Makes all transactions within one, which is written at the end; where one of them fails, none is written."""
        with self.transaction(is_durable=False):
            self._group = group = _JoinedTransactions()
            try:
                yield
            finally:
                self._group = None
            self._require_whole(group)
        if group.is_durable:
            self.sync()

    def _require_whole(self, group: _JoinedTransactions) -> None:
        if group.has_failed:
            raise JournalRefused(errno.EIO, "the journal cannot be written: a step before this one was refused")

    @contextmanager
    def _part_of(self, group: _JoinedTransactions, *, is_durable: bool) -> Iterator[sqlite3.Connection]:
        self._require_whole(group)
        group.is_durable |= is_durable
        try:
            with self._errors_translated("written"):
                yield self._connection
        except BaseException:
            group.has_failed = True
            raise

    def transaction(self, *, is_durable: bool = True) -> AbstractContextManager[sqlite3.Connection]:
        """Writes everything or nothing; raises JournalRefused where the disk refuses the write.

        What is written survives the death of this process in any case, and a power cut where `is_durable`; else a cut
        takes it, with all that was written later, unless a durable transaction or `sync` came in between.
        """
        if self._group is not None:
            return self._part_of(self._group, is_durable=is_durable)
        return self._whole(is_durable=is_durable)

    @contextmanager
    def _whole(self, *, is_durable: bool) -> Iterator[sqlite3.Connection]:
        with self._errors_translated("written"):
            try:
                if self._is_full is not is_durable:
                    self._connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
                    self._is_full = is_durable
                self._connection.execute("BEGIN IMMEDIATE")
                before = self._connection.total_changes
                yield self._connection
                self._connection.execute("COMMIT")
                self.is_behind = not is_durable and (self.is_behind or self._connection.total_changes != before)
            except BaseException:
                with suppress(sqlite3.Error):  # an error of the rollback would hide the first one
                    if self._connection.in_transaction:  # a full disk makes SQLite roll back by itself
                        self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors_translated(self, verb: str) -> Iterator[None]:
        """`verb`: what was done when the error came, for the message."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            # The primary code, without its extension.
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if code in _PASSING:
                raise JournalRefused(errno.EIO, f"the journal cannot be {verb}: {error}") from None
            if code in _DAMAGED:
                raise BrokenState(f"{self._path} is damaged or no journal ({error}): {_REMEDY}") from None
            raise


def _open_for_reading(path: Path) -> sqlite3.Connection:
    _check_reader(path)
    try:
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)
    except sqlite3.OperationalError as error:
        raise JournalRefused(errno.ENOENT, f"the journal cannot be opened: {error}") from None


def _check_reader(path: Path) -> None:
    """Raises JournalRefused for a user who may not read the file; SQLite would call it missing."""
    try:
        # Not by opening it: to close a file gives up the locks that this process has on it.
        is_readable = may_read(path) or not regular_files.exists(path)
    except PermissionError:
        is_readable = False
    if not is_readable:
        owner = user_name(path.parent.stat().st_uid)
        message = f"{path.parent} is {owner}'s alone: ask as that user, or read outbox/health.json"
        raise JournalRefused(errno.EACCES, f"the journal cannot be read: {message}")


def _open_for_writing(path: Path) -> sqlite3.Connection:
    """Opens the file for writing; makes it and its folder, for their owner alone, where there is none."""
    try:
        private_state.make(path.parent)
        with suppress(FileExistsError):  # SQLite's own files beside it get the same mode
            path.touch(mode=private_state.FILE_MODE, exist_ok=False)
        for place in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
            if regular_files.exists(place) and not may_update(place):  # as after a start by root; SQLite names no file
                denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
                raise BrokenState(f"the journal: {place}: {why_denied(denied, place, updates=True)}")
        return sqlite3.connect(path, timeout=10.0)
    except PermissionError as error:
        raise BrokenState(f"the journal: {path}: {why_denied(error, path, writes=True)}") from None
    except (OSError, sqlite3.OperationalError) as error:
        message = f"{path} cannot be opened for writing ({error}): make room there, or name another folder with `state`"
        passes = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO)
        raise (StateRefused if passes else BrokenState)(message) from None
