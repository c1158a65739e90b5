"""A recorder of an engine's reports; it imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aura_daemon.jobs.results import Outcome
from aura_daemon.ladder.attempts import RunConditions


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskResult:
    """How one task ended."""

    outcome: Outcome
    tried: RunConditions | None
    step_s: float


class Listener:
    """Writes down every report (`engines.reporter.Reporter`); a task that ends twice is an error."""

    def __init__(self) -> None:
        self.loads: list[tuple[str, int, int]] = []
        self.placed_together: list[tuple[int, RunConditions]] = []
        """How many tasks were placed, and how."""
        self.steps: list[tuple[int, int]] = []
        """Of all jobs, in the order of the reports."""
        self.steps_of: dict[str, list[int]] = {}
        self.previews: list[bytes] = []
        self.results: dict[str, TaskResult] = {}
        self.cancelled_after: dict[str, int] = {}
        """Job id -> steps after which nobody wants the job any more."""

    def loading(self, model: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        self.loads.append((model, done_bytes, total_bytes))

    def placed(self, job_ids: Sequence[str], tried: RunConditions) -> None:
        self.placed_together.append((len(job_ids), tried))

    def is_cancelled(self, job_id: str) -> bool:
        after = self.cancelled_after.get(job_id)
        return after is not None and len(self.steps_of.get(job_id, ())) >= after

    def stepped(self, job_id: str, step: int, steps: int, preview: bytes = b"") -> None:
        self.steps.append((step, steps))
        self.steps_of.setdefault(job_id, []).append(step)
        self.previews += [preview] if preview else []

    def finish(self, job_id: str, outcome: Outcome, *, tried: RunConditions | None = None, step_s: float = 0.0) -> None:
        assert job_id not in self.results
        self.results[job_id] = TaskResult(outcome=outcome, tried=tried, step_s=step_s)
