"""The one root of our exceptions. In: nothing. Out: errors that `cli` turns into an exit code.

A user's mistake carries a list of problems, all of them at once, and is shown without a traceback. Outcomes that are
expected (out of memory, a bad job file) are not exceptions: they are returned, see `core.job.Failure`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong with something a person wrote, in words that person can act on."""

    message: str
    """What is wrong, and what is allowed."""
    file: str = ""
    line: int | None = None
    """Counted from 1; None where the format does not tell."""
    key: str = ""
    """Dotted path of the key, `generate.steps`."""
    given: str = ""
    """What was found, as `repr`, cut short."""
    suggestion: str = ""
    """The nearest known name, for "did you mean"."""

    def __str__(self) -> str:
        place = self.file + (f":{self.line}" if self.line is not None else "")
        head = ": ".join(part for part in (place, self.key) if part)
        given = f" (given: {self.given})" if self.given else ""
        hint = f"; did you mean `{self.suggestion}`?" if self.suggestion else ""
        return f"{head}: {self.message}{given}{hint}" if head else f"{self.message}{given}{hint}"


class AuraError(Exception):
    """Root of every exception this project raises on purpose."""


class UserError(AuraError):
    """Something only the user can mend: exit code 2, every problem listed, no traceback."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class JournalRefused(AuraError, OSError):
    """The journal's disk does not take a write (full, read-only, broken): nothing was changed, try again later."""


class BrokenState(AuraError):
    """The machine or our own records are not as they must be; a bug or a broken disk, never the user's words."""
