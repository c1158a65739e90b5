"""One attempt at some tasks on one rung: which tasks run, under which conditions, and how much memory they take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aura_daemon.engines.placement.device_memory import PeakMemory, keep_within_room
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.placement.rung_choice import RungChooser
from aura_daemon.engines.reporter import Reporter
from aura_daemon.jobs.results import Failure, Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import RunConditions, Start
from aura_daemon.ladder.prediction import Measured


class EngineAttempt:
    """One attempt at the first of some tasks that may run together, and at as many others as fit beside it."""

    def __init__(
        self,
        *,
        tasks: Sequence[Task],
        following: Sequence[Task] = (),
        reporter: Reporter,
        start: Start,
        measured: Sequence[Measured],
        chooser: RungChooser,
    ) -> None:
        self.tasks = tasks
        self.following = following
        """The next batch, if this one runs whole."""
        self.reporter = reporter
        self.start = start
        self.measured = measured
        self.chooser = chooser
        self.tried: RunConditions | None = None
        self.placed_on: Placement | None = None
        self._running: Sequence[Task] = tasks
        self._ended: set[str] = set()
        self._peak: PeakMemory | None = None

    @property
    def placement(self) -> Placement:
        """Where the tasks run; only after `place`."""
        assert self.placed_on is not None
        return self.placed_on

    @property
    def peak(self) -> PeakMemory:
        """The highest memory since `place`."""
        assert self._peak is not None
        return self._peak

    def has_ended(self, task: Task) -> bool:
        """Whether a task has its outcome."""
        return task.job_id in self._ended

    def place(self, tasks: Sequence[Task], tried: RunConditions, placement: Placement) -> None:
        """Records and reports the conditions under which these tasks are about to run."""
        self._running, self.tried, self.placed_on = tasks, tried, placement
        keep_within_room(placement)
        self._peak = PeakMemory(placement)
        self.reporter.placed([task.job_id for task in tasks], tried)

    def end(self, task: Task, outcome: Outcome, *, step_s: float = 0.0) -> None:
        """Ends one task."""
        self._ended.add(task.job_id)
        tried = self.tried
        if tried is not None and self._peak is not None:
            tried = replace(tried, peak_bytes=self._peak.highest_bytes())
        self.reporter.finish(task.job_id, outcome, tried=tried, step_s=step_s)

    def fail(self, failure: Failure) -> None:
        """Ends every running task that has no outcome; before `place` all tasks count as running."""
        for task in self._running:
            if task.job_id not in self._ended:
                self.end(task, failure)
