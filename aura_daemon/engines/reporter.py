"""What the engines report about the tasks they run: the protocol that the caller of a session implements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aura_daemon.jobs.results import Outcome
from aura_daemon.ladder.attempts import RunConditions


class Reporter(Protocol):
    """Receives what happens to tasks. The engines call it from any thread; every call is a sign of life."""

    def loading(self, model: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        """A model is being fetched, checked or loaded; `total_bytes` is 0 where nothing is counted."""

    def placed(self, job_ids: Sequence[str], tried: RunConditions) -> None:
        """These jobs are about to run under these conditions."""

    def is_cancelled(self, job_id: str) -> bool:
        """Whether nobody wants the job any more; the engines ask before a task and after each step."""

    def stepped(self, job_id: str, step: int, steps: int, preview: bytes = b"") -> None:
        """Step `step`, counted from 1, of `steps` is done; `preview` is a small JPEG of the unfinished picture."""

    def finish(self, job_id: str, outcome: Outcome, *, tried: RunConditions | None = None, step_s: float = 0.0) -> None:
        """The job has its outcome. `tried`: None where no rung was chosen. `step_s`: seconds, 0 without steps."""


class KeptOutcomes:
    """A `Reporter` that keeps the outcomes and nothing else, for measurements."""

    def __init__(self) -> None:
        self.all: dict[str, Outcome] = {}
        """By job, in the order in which they ended."""

    def loading(self, model: str, done_bytes: int = 0, total_bytes: int = 0) -> None: ...

    def placed(self, job_ids: Sequence[str], tried: object) -> None: ...

    def is_cancelled(self, job_id: str) -> bool:
        """Nothing is."""
        return False

    def stepped(self, job_id: str, step: int, steps: int, preview: bytes = b"") -> None: ...

    def finish(self, job_id: str, outcome: Outcome, *, tried: object = None, step_s: float = 0.0) -> None:
        """Keeps it."""
        self.all[job_id] = outcome
