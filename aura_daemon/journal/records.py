"""The journal's rows: as data, and the way to SQLite and back. In: a row as SQLite has it. Out: a row as data."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from aura_daemon.errors import Problem
from aura_daemon.file_names import collision_key
from aura_daemon.jobs.lifecycle import JobState, SourceState
from aura_daemon.jobs.requests import GenerateRequest, Request, demand_of
from aura_daemon.jobs.results import AppliedDefaults, Failure, FailureKind
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.request_json import request_from_dict
from aura_daemon.ladder.attempts import Attempt, RunConditions, StartedAttempt
from aura_daemon.ladder.prediction import Measured
from aura_daemon.ladder.rungs import Rung


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A claimed file."""

    id: str
    path: str
    """Below the inbox, `/` between folders; surrogates stand for bytes that are no text."""
    kind: SourceKind
    state: SourceState = SourceState.CLAIMED
    size_bytes: int
    modified_ns: int
    """This and `inode` as `in_64_bits` has them."""
    inode: int
    sha256: str = ""
    settled_s: float
    """Seconds from first sight to the claim."""
    claimed_at: float
    """Seconds since the epoch."""
    failure: Failure | None = None
    """Why it has no jobs, where it has none."""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedImage:
    """The very image that a job file named: another one under its path is another image."""

    path: str
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A job and where it stands."""

    id: str
    source_id: str
    number: int | None
    """Which document of several, from 1."""
    state: JobState = JobState.QUEUED
    kind: str
    request: Request
    text: bytes
    """The document's own bytes, so that it can be handed back alone; empty for images."""
    folder: str
    """Where its outputs go, below the outbox; empty for the outbox itself."""
    stem: str
    priority: int = 0
    """Higher runs first, else the oldest."""
    defaults: tuple[AppliedDefaults, ...] = ()
    """The folders' settings that are in `request`, the nearest first."""
    attempts: int = 0
    """Those that are held against it, and the one that runs."""
    tried: tuple[Attempt, ...] = ()
    """Every attempt that failed."""
    begun: StartedAttempt | None = None
    """The attempt that runs, or ran last."""
    payload_sha256: str | None = None
    """Hash of the payload that is being published: tells our half-done delivery from somebody else's file."""
    failure: Failure | None = None
    finished_at: float | None = None
    total_s: float | None = None

    @property
    def model(self) -> str:
        """The model that it names; empty for the configured one."""
        return (self.request.model or "") if isinstance(self.request, GenerateRequest) else ""

    @property
    def demand(self) -> str:
        """How much memory it takes, in words: jobs of one demand wait for it together."""
        return demand_of(self.request)

    @property
    def needs(self) -> str:
        """Name of what it cannot run without: its kind of job, with the model where it names one."""
        return f"{self.kind} {self.model}" if self.model else self.kind


def in_64_bits(number: int) -> int:
    """A time or inode number as a column holds it: file systems know larger ones. Equal numbers stay equal."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def stem_key(stem: str) -> str:
    """What two names have in common that some file system takes for the same."""
    return collision_key(stem).encode("utf-8", "backslashreplace").decode()


def tried_text(tried: Iterable[Attempt]) -> str:
    """Attempts as a column holds them."""
    return json.dumps([asdict(attempt) for attempt in tried])


def tried_of(text: str) -> tuple[Attempt, ...]:
    """And back."""
    return tuple(
        Attempt(
            **{
                **fields,
                "kind": FailureKind(fields["kind"]),
                "rung": Rung(fields["rung"]) if fields["rung"] is not None else None,
            }
        )
        for fields in json.loads(text)
    )


def begun_text(begun: StartedAttempt | None) -> str | None:
    """An attempt under way as a column holds it."""
    return json.dumps(asdict(begun)) if begun is not None else None


def begun_of(text: str | None) -> StartedAttempt | None:
    """And back."""
    if text is None:
        return None
    fields = json.loads(text)
    tried = fields["tried"]
    return StartedAttempt(
        **{**fields, "tried": RunConditions(**{**tried, "rung": Rung(tried["rung"])}) if tried is not None else None}
    )


def measured_of(row: sqlite3.Row) -> Measured:
    """A row of `measured`."""
    return Measured(
        device=row["device"],
        dtype=row["dtype"],
        rung=Rung(row["rung"]),
        width=row["width"],
        height=row["height"],
        batch=row["batch"],
        guided=bool(row["guided"]),
        peak_bytes=row["peak_bytes"],
        step_s=row["step_s"],
        refused_bytes=row["refused_bytes"],
        refusals=row["refusals"],
        good_since=row["good_since"],
        size_good_since=row["size_good_since"],
    )


def failure_text(failure: Failure | None) -> str | None:
    """A failure as a column holds it."""
    return json.dumps(asdict(failure)) if failure is not None else None


def failure_of(text: str | None) -> Failure | None:
    """And back."""
    if text is None:
        return None
    fields = json.loads(text)
    return Failure(kind=FailureKind(fields["kind"]), message=fields["message"], mend=fields["mend"])


def source_of(row: sqlite3.Row) -> Source:
    """A row of `sources`."""
    return Source(
        id=row["id"],
        path=os.fsdecode(row["path"]),
        kind=SourceKind(row["kind"]),
        state=SourceState(row["state"]),
        size_bytes=row["size_bytes"],
        modified_ns=row["modified_ns"],
        inode=row["inode"],
        sha256=row["sha256"],
        settled_s=row["settled_s"],
        claimed_at=row["claimed_at"],
        failure=failure_of(row["failure"]),
        problems=tuple(Problem(**fields) for fields in json.loads(row["problems"])),
    )


def job_of(row: sqlite3.Row) -> Job:
    """A row of `jobs`."""
    return Job(
        id=row["id"],
        source_id=row["source_id"],
        number=row["number"],
        state=JobState(row["state"]),
        kind=row["kind"],
        request=request_from_dict(json.loads(row["request"])),
        text=row["text"],
        folder=os.fsdecode(row["folder"]),
        stem=os.fsdecode(row["stem"]),
        priority=row["priority"],
        defaults=tuple(AppliedDefaults(**fields) for fields in json.loads(row["defaults"])),
        attempts=row["attempts"],
        tried=tried_of(row["tried"]),
        begun=begun_of(row["begun"]),
        payload_sha256=row["payload_sha256"],
        failure=failure_of(row["failure"]),
        finished_at=row["finished_at"],
        total_s=row["total_s"],
    )
