"""Requests as the journal holds them, read without a parser. In: a request. Out: a dictionary for JSON; and back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter

from aura_daemon.jobs.parts import Chain, JobPart
from aura_daemon.jobs.requests import (
    MATCH,
    BenchmarkRequest,
    CaptionRequest,
    DatasetRequest,
    GenerateRequest,
    GridRequest,
    JobKind,
    MatchRequest,
    Request,
    UpscaleRequest,
    task_name,
)

ANY: Final[TypeAdapter[Any]] = TypeAdapter(Any)
"""Turns any data class into dictionaries, as `asdict` does, in a twentieth of the time."""

_REQUESTS: Final[dict[str, Any]] = {
    JobKind.GENERATE: GenerateRequest,
    JobKind.CAPTION: CaptionRequest,
    JobKind.GRID: GridRequest,
    JobKind.BENCHMARK: BenchmarkRequest,
    MATCH: MatchRequest,
    JobKind.DATASET: DatasetRequest,
    JobKind.UPSCALE: UpscaleRequest,
}


@cache
def adapter(row: Any) -> TypeAdapter[Any]:
    """What makes data of a dictionary; built when it is first needed, as that takes longer than most answers."""
    return TypeAdapter(row)


def request_to_dict(request: Request) -> dict[str, object]:
    """A request as a dictionary for JSON."""
    return {"task": task_name(request), **ANY.dump_python(request)}


def request_from_dict(fields: Mapping[str, Any]) -> Request:
    """The request of a dictionary; a key that an older release did not write has its default."""
    request: Request = adapter(_REQUESTS[fields["task"]]).validate_python(fields)
    return request


def chain_to_dict(chain: Chain) -> dict[str, object]:
    """How far a job of several parts is, as a dictionary for JSON."""
    done = [{**ANY.dump_python(part), "request": request_to_dict(part.request)} for part in chain.done]
    return {"runs": request_to_dict(chain.runs), "looks_at": chain.looks_at, "done": done}


def chain_from_dict(fields: Mapping[str, Any]) -> Chain:
    """The chain of a dictionary; a key that an older release did not write has its default."""
    done = [{**part, "request": request_from_dict(part["request"])} for part in fields["done"]]
    return Chain(
        runs=request_from_dict(fields["runs"]),
        looks_at=fields["looks_at"],
        done=tuple(adapter(JobPart).validate_python(part) for part in done),
    )
