"""Jobs that take several parts, each one run of one model. In: nothing. Out: what is done, and what runs now."""

from __future__ import annotations

from dataclasses import dataclass

from aura_daemon.jobs.requests import Request


@dataclass(frozen=True, kw_only=True, slots=True)
class JobPart:
    """A part that is done."""

    request: Request
    """As it ran."""
    model: str
    model_sha256: str
    device: str
    rung: str
    seconds: float
    """Of the attempt that worked."""
    text: str = ""
    """The caption, or the answer."""
    texts: tuple[str, ...] = ()
    """All captions that were written, where there were several."""
    scores: tuple[float, ...] = ()
    """How probably each text of a comparison is about the picture, 0 to 1."""
    is_hidden: bool = False
    """Whether the safety checker had the picture made black or blurred."""
    warnings: tuple[str, ...] = ()
    """What there was to say of it."""
    kept_sha256: str = ""
    """Of the file that keeps its result until the job ends; empty for the last part, which is delivered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """How far a job of several parts is."""

    runs: Request
    """The part that runs next, or now."""
    looks_at: int | None = None
    """The part, counted from 0, whose picture this one is about; None for the job's own image."""
    done: tuple[JobPart, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenPart:
    """All parts are done."""

    part: int
    """The part, counted from 0, whose result is delivered."""


def kept_name(job_id: str, part: int) -> str:
    """The name of the file that keeps the result of a part until its job ends."""
    return f"{job_id}.part{part}"
