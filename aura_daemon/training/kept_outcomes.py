"""How the tasks of a measurement ended. In: what the engine's session reports. Out: outcomes by job."""

from __future__ import annotations

from collections.abc import Sequence

from aura_daemon.jobs.results import Outcome


class KeptOutcomes:
    """An `engines.reporter.Reporter` that keeps the outcomes and nothing else."""

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
