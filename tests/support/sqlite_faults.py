"""Faults of SQLite itself: connections that fail at a statement, or are read-only. Only sqlite3 is patched."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest

Statement = Callable[[str, Any], None]
"""Gets the text and the values of a statement before it runs; an error that it raises, the statement raises."""


class SqliteFaults:
    """Every connection that is opened while `sqlite_faults` lasts."""

    def __init__(self) -> None:
        self.before: Statement = lambda sql, values: None
        self._opened: list[sqlite3.Connection] = []

    def refuse(self, *parts: str, times: int | None = None) -> None:
        """Lets the disk fail at statements in which one of `parts` stands: the first `times` of them, or all."""
        left = [times]

        def before(sql: str, values: Any) -> None:
            if left[0] != 0 and any(part in sql for part in parts):
                left[0] = left[0] - 1 if left[0] is not None else None
                raise disk_error()

        self.before = before

    def refuse_writes(self, *, refuse: bool = True) -> None:
        """Makes the open connections read-only, or writable again."""
        for connection in self._opened:
            with suppress(sqlite3.ProgrammingError):  # it was closed
                connection.execute(f"PRAGMA query_only = {int(refuse)}")

    def connect(self, *arguments: Any, **options: Any) -> sqlite3.Connection:
        """`sqlite3.connect`, with connections that ask `before`."""
        connection = _CONNECT(*arguments, factory=partial(_Connection, self), **options)
        self._opened.append(connection)
        return connection


@contextmanager
def sqlite_faults() -> Iterator[SqliteFaults]:
    """For as long as the context lasts, new connections can be made to fail."""
    faults = SqliteFaults()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sqlite3, "connect", faults.connect)
        yield faults


def disk_error() -> sqlite3.OperationalError:
    """The error of a disk that cannot be read or written."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    error.sqlite_errorname = "SQLITE_IOERR"
    return error


_CONNECT = sqlite3.connect


class _Connection(sqlite3.Connection):
    def __init__(self, faults: SqliteFaults, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._faults = faults

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        self._faults.before(sql, parameters)
        return super().execute(sql, parameters)
