"""Jobs on their way through the engines. In: works, who hears of them. Out: where they run, and their last words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aura_daemon.jobs.requests import Request
from aura_daemon.jobs.results import Outcome
from aura_daemon.ladder.attempts import RunConditions


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """One job, with the bytes it names and who hears of it."""

    request: Request
    report: Report
    image: bytes | None = field(default=None, repr=False)
    image_name: str = ""
    mask: bytes | None = field(default=None, repr=False)
    cells: tuple[bytes | None, ...] = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskResult:
    """The last word on one."""

    work: Work
    outcome: Outcome
    tried: RunConditions | None = None
    step_s: float = 0.0


class AttemptListener(Protocol):
    """Who is told how a batch goes."""

    def placed(self, works: Sequence[Work], tried: RunConditions) -> None:
        """These are about to run like that."""

    def ended(self, ended: TaskResult) -> None:
        """One has had its last word."""


class Report(Protocol):
    """Called from inside the engines, from any thread; each call is a sign of life."""

    def loading(self, model: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        """A model is being fetched, checked or loaded; `total_bytes` is 0 where nothing is counted."""

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody wants this any more; asked after each step."""

    def stepped(self, step: int, steps: int, preview: bytes = b"") -> None:
        """Step `step`, counted from 1, of `steps` is done; `preview` is a small JPEG of the picture by now."""
