"""`check --expand`: the jobs of a file, one line each. In: what was parsed. Out: lines, as wide as the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields
from typing import Final

from rich.console import Console
from rich.text import Text

from aura_daemon.file_names import escaped
from aura_daemon.jobfile.parser import ParsedJob
from aura_daemon.jobs.requests import GenerateRequest, GridRequest, Hires, Lora, RegenerateRequest, Request

_SHOWN_ANYWAY: Final = frozenset({"prompt", "seed"})


def lines_of(jobs: Sequence[ParsedJob]) -> Iterator[str]:
    """Of each job its number, its seed, the keys in which it differs from others of the file, and its prompt."""
    width = Console().width if sys.stdout.isatty() else None
    requests = [job.asked.request for job in jobs]
    differing = _differing([one for one in requests if isinstance(one, GenerateRequest)])
    for number, request in enumerate(requests, start=1):
        line = Text(escaped(f"{number:>5}  {_said(request, differing)}"))
        if width is not None:
            line.truncate(width, overflow="ellipsis")
        yield line.plain


def _differing(requests: Sequence[GenerateRequest]) -> list[str]:
    """Keys of which not all say the same."""
    keys = [field.name for field in fields(GenerateRequest) if field.name not in _SHOWN_ANYWAY]
    return [key for key in keys if len({getattr(request, key) for request in requests}) > 1]


def _said(request: Request | RegenerateRequest, differing: Sequence[str]) -> str:
    if isinstance(request, RegenerateRequest):
        return f"{request.image or 'the image that is called as the file'}, drawn again"
    if isinstance(request, GridRequest):
        return f"a sheet of {len(request.cells)} pictures"
    if not isinstance(request, GenerateRequest):
        return f"caption of {request.image or 'the image that is called as the file'}  {request.prompt}".rstrip()
    seed = "drawn" if request.seed is None else str(request.seed)
    told = [f"{key}={_shown(getattr(request, key))}" for key in differing]
    return "  ".join((f"seed {seed}", *told, " ".join(request.prompt.split())))


def _shown(value: object) -> str:
    """A value of a key, short."""
    match value:
        case None:
            return "default"
        case tuple():
            return "[" + ", ".join(map(_shown, value)) + "]"
        case Lora() | Hires():
            return ":".join(map(str, astuple(value)))
        case str():
            return value if value and value.isprintable() and " " not in value else repr(value)
        case _:
            return str(value)
