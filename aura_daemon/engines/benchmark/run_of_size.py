"""One run of one size: collects its outcomes, and passes on what is a sign of life. In: reports. Out: seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from aura_daemon.engines.reporter import Reporter
from aura_daemon.jobs.benchmarks import RunSeconds
from aura_daemon.jobs.results import Failure, Outcome, Produced
from aura_daemon.ladder.attempts import RunConditions


@dataclass(kw_only=True, slots=True)
class RunOfSize:
    """The reporter of one run: it collects the outcomes, and passes on what is a sign of life."""

    job_id: str
    reporter: Reporter
    progress: Callable[[int, int], None]
    clock: Callable[[], float]
    pictures: int
    tried: RunConditions | None
    """At first those of the run before: what is as before is not said again."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    step_s: list[float] = field(default_factory=list)
    ended_s: float = 0.0
    _steps: dict[str, int] = field(default_factory=dict)

    def loading(self, model: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        self.reporter.loading(model, done_bytes, total_bytes)

    def placed(self, job_ids: Sequence[str], tried: RunConditions) -> None:
        before, self.tried = self.tried, tried
        if before is None or (before.rung, before.extent) != (tried.rung, tried.extent):
            self.reporter.placed([self.job_id], tried)

    def is_cancelled(self, job_id: str) -> bool:
        return self.reporter.is_cancelled(self.job_id)

    def stepped(self, job_id: str, step: int, steps: int, preview: bytes = b"") -> None:
        self._steps[job_id] = step
        done, rest = divmod(sum(self._steps.values()), self.pictures)
        if not rest:  # else pictures of the same batch have not said this step yet
            self.progress(done, steps)

    def finish(self, job_id: str, outcome: Outcome, *, tried: RunConditions | None = None, step_s: float = 0.0) -> None:
        self.ended_s = self.clock()
        self.tried = tried or self.tried
        self.outcomes[job_id] = outcome
        self.step_s.append(step_s)

    @property
    def made(self) -> list[Produced]:
        return [outcome for outcome in self.outcomes.values() if isinstance(outcome, Produced)]

    @property
    def failure(self) -> Failure | None:
        return next((outcome for outcome in self.outcomes.values() if isinstance(outcome, Failure)), None)

    @property
    def place(self) -> tuple[str, str, int]:
        """Where it ran, and how many pictures at once: all runs of a size have this in common."""
        made = self.made
        return made[0].device, made[0].rung, max(one.batch_size for one in made)

    def seconds(self, whole_s: float) -> RunSeconds:
        """The stages of the run, summed over its pictures; those that are denoised together share their time."""
        timings = [(one.timing, one.batch_size) for one in self.made]
        check_s, file_s = sum(one.checked_s for one, _ in timings), sum(one.filed_s for one, _ in timings)
        return RunSeconds(
            whole_s=max(0.0, whole_s),
            encode_s=sum(one.encoded_s for one, _ in timings),
            steps_s=sum(one.denoised_s / together for one, together in timings),
            decode_s=max(0.0, sum(one.decoded_s for one, _ in timings) - check_s - file_s),
            check_s=check_s,
            file_s=file_s,
            step_s=fmean(self.step_s),
        )
