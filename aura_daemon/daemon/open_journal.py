"""Opens the journal for a question, or says why it cannot be read. In: the state folder. Out: the journal."""

from __future__ import annotations

import errno
from pathlib import Path

from aura_daemon.errors import JournalRefused, Problem, UserError
from aura_daemon.journal.journal import FILE_NAME, Journal

NOTHING_YET = "nothing has run here yet (no journal in {}): run the daemon"


def open_journal(state: Path) -> Journal:
    """The journal, opened for reading; raises UserError where there is none, or none that this program can read."""
    try:
        return Journal(state / FILE_NAME, read_only=True)
    except JournalRefused as error:
        is_missing = error.errno not in (errno.EPROTO, errno.EACCES, errno.EIO)
        message = NOTHING_YET.format(state) if is_missing else str(error.strerror)
        raise UserError([Problem(message=message)]) from None
