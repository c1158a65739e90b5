"""What may be decided about a file in the inbox besides to claim it. In: reasons. Out: decisions."""

from __future__ import annotations

from dataclasses import dataclass, field

from aura_daemon.watch.settling import WaitsFor


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Not yet: judge the file again when it has been unchanged for `unchanged_s`."""

    unchanged_s: float
    reason: str
    waits_for: WaitsFor = WaitsFor.TIME
    may_never_end: bool = field(default=False, compare=False)
    is_one_of_many: bool = field(default=False, compare=False)
    """Thousands may wait for the same, so that the log does not tell of each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Leave:
    """The file is no job: leave it alone and count it, until it changes."""

    reason: str
    mend: str = field(default="", compare=False)
    """What to do if the file should be a job; empty where nothing need be done."""
    is_conflict: bool = False
    """The file is a copy of the user's data by a sync tool, and is reported."""
    is_usual: bool = field(default=False, compare=False)
    """Such files are expected in an inbox: they are counted, and the log does not tell of them."""

    def __str__(self) -> str:
        return f"{self.reason}; {self.mend}" if self.mend else self.reason
