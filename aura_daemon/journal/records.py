"""The rows of the journal as data, and how SQLite holds them. In: a row of SQLite. Out: a row as data; and back.

A column has the name of its field. Columns hold paths as bytes, lists and objects as JSON, and all other values as they
are.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from aura_daemon.errors import Problem
from aura_daemon.file_names import collision_key
from aura_daemon.jobs.benchmarks import BenchmarkRun
from aura_daemon.jobs.caption_files import CaptionPlace
from aura_daemon.jobs.lifecycle import JobState, SourceState
from aura_daemon.jobs.parts import Chain
from aura_daemon.jobs.queueing import demand_of, model_named, queue_of
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, Request, text_of
from aura_daemon.jobs.results import AppliedDefaults, Failure
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.request_json import (
    ANY,
    adapter,
    chain_from_dict,
    chain_to_dict,
    request_from_dict,
    request_to_dict,
)
from aura_daemon.ladder.attempts import Attempt, StartedAttempt
from aura_daemon.ladder.prediction import Measured

_PATHS: Final = frozenset({"path", "folder", "stem"})
"""Columns that hold bytes: a name on Linux need not be text."""

_JSON: Final = frozenset({"problems", "defaults", "tried", "begun", "failure", "waits_for", "warnings", "chain"})
"""Columns that hold JSON, as `json` writes it: pydantic's writer refuses names that are no text. `request` does too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A claimed file."""

    id: str
    path: str
    """Path below the inbox, with `/` between folders; surrogates stand for bytes that are no text."""
    kind: SourceKind
    state: SourceState = SourceState.CLAIMED
    size_bytes: int
    modified_ns: int
    """This and `inode` are folded by `in_64_bits`."""
    inode: int
    sha256: str = ""
    settled_s: float
    """Seconds from the first sight of the file to its claim."""
    claimed_at: float
    """Time of the claim, in seconds since the epoch."""
    failure: Failure | None = None
    """Why the file has no jobs; None where it has jobs."""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedImage:
    """An image that a job file named, identified by size and time too: the path may hold another image later."""

    path: str
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A job and its state."""

    id: str
    source_id: str
    number: int | None
    """Which of several documents of the file, counted from 1; None for a single one."""
    state: JobState = JobState.QUEUED
    kind: str
    """Of what it runs; that of `request` once it has ended."""
    request: Request
    """What it is asked for."""
    text: bytes
    """The bytes of this document, so that it can be handed back alone; empty for images."""
    folder: str
    """The folder of the outputs, below the outbox; empty for the outbox itself."""
    stem: str
    priority: int = 0
    """A job of higher priority runs first; of several, the oldest."""
    defaults: tuple[AppliedDefaults, ...] = ()
    """The folder defaults that `request` includes, nearest folder first."""
    waits_for: tuple[str, ...] = ()
    """Ids of jobs that must have ended, well or not, before this one runs; an id that is not in the journal has."""
    warnings: tuple[str, ...] = ()
    """What of its file was read otherwise than the writer may have meant."""
    attempts: int = 0
    """How many attempts count against the job, the running one included."""
    tried: tuple[Attempt, ...] = ()
    """Every attempt that failed."""
    begun: StartedAttempt | None = None
    """The attempt that is running, or ran last."""
    payload_sha256: str | None = None
    """Hash of the payload that is being published, of several each with a space between: they distinguish our
    unfinished delivery from a foreign file."""
    failure: Failure | None = None
    finished_at: float | None = None
    total_s: float | None = None
    chain: Chain | None = None
    """How far a job of several parts is; None for a job of one part."""

    @property
    def runs(self) -> Request:
        """What runs next, or now: the whole, or one of several parts."""
        return self.chain.runs if self.chain is not None else self.request

    @property
    def words(self) -> str:
        """The prompt that was drawn, with the caption in it once that is known; else as `text_of` the request."""
        chain = self.chain
        parts = (chain.runs, *(part.request for part in chain.done)) if chain is not None else ()
        drawn = next((part for part in parts if isinstance(part, GenerateRequest)), self.request)
        return text_of(drawn)

    @property
    def model(self) -> str:
        """The model that the request names; empty for the configured one."""
        return model_named(self.runs)

    @property
    def queue(self) -> str:
        """The queue of its kind in which the job waits: jobs of one queue need the same model."""
        return queue_of(self.runs)

    @property
    def demand(self) -> str:
        """How much memory the job takes, in words: jobs of one demand wait for memory together."""
        return demand_of(self.runs)

    @property
    def picture_beside(self) -> str:
        """The path of the picture beside which its caption is written; empty where it makes something else."""
        request = self.request
        if isinstance(request, CaptionRequest) and request.file.place is CaptionPlace.BESIDE:
            return request.picture
        return ""

    @property
    def needs(self) -> str:
        """What the job cannot run without: the engine of its kind, with the model where the request names one."""
        return f"{self.kind} {self.queue}" if self.queue else self.kind


def in_64_bits(number: int) -> int:
    """A time or inode number folded into the range of a column, which some exceed. Equal numbers stay equal."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def stem_key(stem: str) -> str:
    """A text that is equal for two names which some file system takes for the same."""
    return stored_key(collision_key(stem))


def image_key(path: str) -> str:
    """The key under which an image is found: of its stem, whatever its folder and its extension."""
    name = path.rpartition("/")[2]
    return stem_key(name.rpartition(".")[0] or name)


def stored_key(key: str) -> str:
    """A key as a column holds it, which takes no bytes that are no text."""
    return key.encode("utf-8", "backslashreplace").decode()


def benchmark_row(run: BenchmarkRun) -> dict[str, object]:
    """The columns of a benchmark: what it is found by, and all of it."""
    found_by = {"job_id": run.id, "kind": run.of, "model": run.model, "device": run.device_name, "dtype": run.dtype}
    found_by |= {"variant": run.variant, "settings": json.dumps(dict(run.settings)), "finished": run.finished}
    return {**found_by, "figures": json.dumps(ANY.dump_python(run))}


def benchmark_of(row: sqlite3.Row) -> BenchmarkRun:
    """A row of `benchmarks`."""
    run: BenchmarkRun = adapter(BenchmarkRun).validate_python(json.loads(row["figures"]))
    return run


def columns_of(row: Source | Job | Measured) -> dict[str, object]:
    """The columns of a whole row."""
    return columns({field.name: getattr(row, field.name) for field in fields(row)})


def columns(values: Mapping[str, Any]) -> dict[str, object]:
    """Some fields of a row, as their columns hold them."""
    return {name: _column(name, value) for name, value in values.items()}


def source_of(row: sqlite3.Row) -> Source:
    """A row of `sources`."""
    source: Source = adapter(Source).validate_python(_fields(row))
    return source


def job_of(row: sqlite3.Row) -> Job:
    """A row of `jobs`."""
    job: Job = adapter(Job).validate_python(_fields(row))
    return job


def measured_of(row: sqlite3.Row) -> Measured:
    """A row of `measured`."""
    measured: Measured = adapter(Measured).validate_python(_fields(row))
    return measured


def _column(name: str, value: Any) -> object:
    if value is None:
        return None
    if name in _PATHS:
        return os.fsencode(value)
    if name == "request":
        return json.dumps(request_to_dict(value))
    if name == "chain":
        return json.dumps(chain_to_dict(value))
    return json.dumps(ANY.dump_python(value)) if name in _JSON else value


def _fields(row: sqlite3.Row) -> dict[str, object]:
    found: dict[str, Any] = dict(zip(row.keys(), row, strict=True))
    for name in _PATHS & found.keys():
        found[name] = os.fsdecode(found[name])
    for name in _JSON & found.keys():
        value = found[name]
        found[name] = () if value == "[]" else value and json.loads(value)  # most lists are empty
    if "request" in found:
        found["request"] = request_from_dict(json.loads(found["request"]))
    if found.get("chain") is not None:
        found["chain"] = chain_from_dict(found["chain"])
    return found
