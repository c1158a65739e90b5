"""A request as the journal holds it, and back; apart from the parser, so that reading a journal needs none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, GridRequest, JobKind, Request, kind_of

ANY: Final[TypeAdapter[Any]] = TypeAdapter(Any)
"""Turns any data class into dictionaries, as `asdict` does, in a twentieth of the time."""

_REQUESTS: Final[dict[JobKind, TypeAdapter[Any]]] = {
    JobKind.GENERATE: TypeAdapter(GenerateRequest),
    JobKind.CAPTION: TypeAdapter(CaptionRequest),
    JobKind.GRID: TypeAdapter(GridRequest),
}


def request_to_dict(request: Request) -> dict[str, object]:
    """For the journal."""
    return {"task": kind_of(request).value, **ANY.dump_python(request)}


def request_from_dict(fields: Mapping[str, Any]) -> Request:
    """From the journal; a key that an older release did not write has its default."""
    request: Request = _REQUESTS[JobKind(fields["task"])].validate_python(fields)
    return request
