"""A job whose attempt has ended, and the model that it ran on. In: a job, how it was run. Out: the attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aura_daemon.config.settings import Settings
from aura_daemon.jobs.queueing import engine_kind, speed_named
from aura_daemon.jobs.requests import JobKind, MatchRequest, is_question
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.jobs.speed import loaded_as
from aura_daemon.journal.records import Job, Source
from aura_daemon.ladder.attempts import Attempt, RunConditions, attempt_of

_ATTEMPTED: Final = frozenset({FailureKind.OUT_OF_MEMORY, FailureKind.CRASHED, FailureKind.DEADLINE})
"""Failures that are recorded as an attempt, after which there may be another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EndedJob:
    """A job that has ended, and how it was run; `tried` is None where it ended before a rung was chosen."""

    job: Job
    source: Source
    waited_s: float = 0.0
    """Seconds from the claim to the start of the attempt."""
    attempt_s: float = 0.0
    """Seconds from the start of the attempt to its end."""
    tried: RunConditions | None = None
    device_name: str = ""
    """As of an `Attempt`."""
    step_s: float = 0.0

    def attempt(self, failure: Failure) -> Attempt | None:
        """The failed attempt; None for failures that do not count as one."""
        if failure.kind not in _ATTEMPTED:
            return None
        return attempt_of(
            self.tried,
            kind=failure.kind,
            reason=failure.message,
            seconds=self.attempt_s,
            device_name=self.device_name,
        )


def model_of(job: Job, settings: Settings) -> str:
    """The model of a job, as workers and the journal's measurements name it; empty for sheets."""
    match engine_kind(job.runs):
        case JobKind.GENERATE:
            model, speed = job.model or settings.generate.model, speed_named(job.runs)
            return loaded_as(model, speed or settings.generate.speed)
        case JobKind.CAPTION:
            captions = settings.caption
            if isinstance(job.runs, MatchRequest):
                return captions.matching_model or ""
            return (captions.question_model or "") if is_question(job.runs) else job.model or captions.model
        case JobKind.UPSCALE:
            return job.model or settings.upscale.model
        case JobKind.GRID | JobKind.BENCHMARK | JobKind.DATASET:
            return ""
