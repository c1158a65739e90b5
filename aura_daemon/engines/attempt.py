"""One try at some jobs on one rung: who is told what, and how much memory the try took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aura_daemon.engines.interface import AttemptListener, TaskResult, Work
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.placement.rung_choice import RungChooser
from aura_daemon.jobs.results import Failure, Outcome
from aura_daemon.ladder.attempts import RunConditions, Start
from aura_daemon.ladder.prediction import Measured


class EngineAttempt:
    """One try at the first of some works, with as many of the others as go with it."""

    def __init__(
        self,
        *,
        works: Sequence[Work],
        hearing: AttemptListener,
        start: Start,
        measured: Sequence[Measured],
        fits: RungChooser,
    ) -> None:
        self.works = works
        self.start = start
        self.measured = measured
        self.fits = fits
        self.tried: RunConditions | None = None
        self.placed_on: Placement | None = None
        self._hearing = hearing
        self._concerned: Sequence[Work] = works
        self._heard: set[int] = set()
        self._peak: PeakMemory | None = None

    @property
    def placement(self) -> Placement:
        """Where it runs."""
        assert self.placed_on is not None
        return self.placed_on

    @property
    def peak(self) -> PeakMemory:
        """Counts since the place was chosen."""
        assert self._peak is not None
        return self._peak

    @property
    def left(self) -> list[Work]:
        """Those that have not had their last word."""
        return [work for work in self.works if id(work) not in self._heard]

    def place(self, works: Sequence[Work], tried: RunConditions, placement: Placement) -> None:
        """Says how these are about to run."""
        self._concerned, self.tried, self.placed_on = works, tried, placement
        self._peak = PeakMemory(placement)
        self._hearing.placed(works, tried)

    def end(self, work: Work, outcome: Outcome, *, step_s: float = 0.0) -> None:
        """The last word on one."""
        self._heard.add(id(work))
        tried = self.tried
        if tried is not None and self._peak is not None:
            tried = replace(tried, peak_bytes=self._peak.highest_bytes())
        self._hearing.ended(TaskResult(work=work, outcome=outcome, tried=tried, step_s=step_s))

    def fail(self, failure: Failure) -> None:
        """The last word on all that are concerned and have had none."""
        for work in self._concerned:
            if id(work) not in self._heard:
                self.end(work, failure)


class SingleResult:
    """Hears of one work."""

    def __init__(self) -> None:
        self.heard: list[TaskResult] = []

    def placed(self, works: Sequence[Work], tried: RunConditions) -> None:
        """Nobody asks."""

    def ended(self, ended: TaskResult) -> None:
        self.heard.append(ended)
