"""What is held up (a kind of job without its model, an outbox without room) and when it is tried again."""

from __future__ import annotations

from dataclasses import dataclass

from aura_daemon.core.recovery import backoff_s
from aura_daemon.core.vitals import Holdup


@dataclass(frozen=True, kw_only=True, slots=True)
class _Held:
    until_s: float
    failures: int
    reason: str
    mend: str


class Holdups:
    """Named things that failed lately; each is left alone for a time that doubles with every failure in a row."""

    def __init__(self, *, first_s: float, most_s: float) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._held: dict[str, _Held] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    def fail(self, what: str, *, reason: str, mend: str, now: float) -> float:
        """Holds something up; returns for how many seconds."""
        failures = self._held[what].failures + 1 if what in self._held else 1
        wait_s = backoff_s(failures, first_s=self._first_s, most_s=self._most_s)
        self._held[what] = _Held(until_s=now + wait_s, failures=failures, reason=reason, mend=mend)
        return wait_s

    def clear(self, what: str) -> bool:
        """It works again; True where it did not before."""
        return self._held.pop(what, None) is not None

    def is_held(self, what: str, now: float) -> bool:
        """Whether it is too early for another try."""
        return what in self._held and now < self._held[what].until_s

    def has_failed(self, what: str) -> bool:
        """Whether it has failed and not worked since."""
        return what in self._held

    def next_s(self, now: float) -> float | None:
        """When the next thing may be tried again."""
        return min((held.until_s for held in self._held.values() if held.until_s > now), default=None)

    def records(self, now: float) -> list[Holdup]:
        """For the health document."""
        return [
            Holdup(
                what=what,
                reason=held.reason,
                mend=held.mend,
                retry_in_s=round(max(0.0, held.until_s - now), 1),
            )
            for what, held in self._held.items()
        ]
