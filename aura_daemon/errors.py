"""The exceptions of this project, below one root. In: nothing. Out: errors that `cli` turns into an exit code.

A user's mistake lists all its problems at once, and is shown without a traceback. Expected outcomes (out of memory, a
bad job file) are no exceptions: they are returned, see `jobs.results.Failure`.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One mistake in what a user wrote, described so that the user can correct it."""

    message: str
    """What is wrong, and what is allowed."""
    file: str = ""
    line: int | None = None
    """The line, counted from 1; None where the format does not tell."""
    key: str = ""
    """The dotted path of the key: `generate.steps`."""
    given: str = ""
    """The value that was found, shortened."""
    suggestion: str = ""
    """The nearest known name, for "did you mean …"."""

    def __str__(self) -> str:
        return self._after(self.file + (f":{self.line}" if self.line is not None else ""))

    def within(self, file: str) -> str:
        """The problem as a text that stands beside the name of `file`: `line 2: steps: must be …`."""
        if self.file not in ("", file):
            return str(self)
        return self._after(f"line {self.line}" if self.line is not None else "")

    def _after(self, place: str) -> str:
        head = ": ".join(part for part in (place, self.key) if part)
        given = f" (given: {self.given})" if self.given else ""
        hint = f"; did you mean `{self.suggestion}`?" if self.suggestion else ""
        return f"{head}: {self.message}{given}{hint}" if head else f"{self.message}{given}{hint}"


class AuraError(Exception):
    """Root of all exceptions that this project raises on purpose."""


class UserError(AuraError):
    """Mistakes that only the user can correct: exit code 2, every problem listed, no traceback."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class JournalRefused(AuraError, OSError):
    """The journal's disk refuses (full, read-only, broken): nothing was changed, and a later try may succeed."""

    @property
    def is_missing(self) -> bool:
        """Whether there is no journal yet, for a reader."""
        return self.errno == errno.ENOENT


class BrokenState(AuraError):
    """The machine or our own records are not as they must be: a bug or a broken disk, never a mistake of the user."""


class StateRefused(BrokenState):
    """The disk of the state folder refuses what a start takes (full, read-only, broken); a later try may succeed."""


def with_mend(message: str, mend: str) -> str:
    """What went wrong and what the user can do, as two sentences."""
    if not mend:
        return message
    end = "" if message.endswith(("?", "!")) else "."
    return f"{message.rstrip('.')}{end} {mend[0].upper()}{mend[1:]}"
