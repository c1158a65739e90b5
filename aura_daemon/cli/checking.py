"""`check`: what the daemon would say of files, without running them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from aura_daemon import durable
from aura_daemon.core import names, pictures, request, routing, sidecar
from aura_daemon.core.defaults import FILE_NAME, parse_defaults
from aura_daemon.core.job import CaptionRequest, GenerateRequest, RegenerateRequest
from aura_daemon.core.routing import Accept, SourceKind
from aura_daemon.errors import Problem
from aura_daemon.pairing import HEAD_BYTES, TAIL_BYTES

FAILED = 1

_VERBS: Final = {GenerateRequest: "draw", CaptionRequest: "caption", RegenerateRequest: "draw again"}


def check(files: list[Path]) -> int:
    """Prints a line a file that is well, and every problem of the others; 1 where there is any."""
    problems: list[Problem] = []
    for file in files:
        found = _look_at(file, names.escaped(str(file)))
        if isinstance(found, str):
            print(f"{names.escaped(str(file))}: {found}")
        else:
            problems.extend(found)
    for problem in problems:
        print(f"error: {problem}")
    return FAILED if problems else 0


def _look_at(file: Path, name: str) -> str | tuple[Problem, ...]:
    """What the file asks for, or what is wrong with it; `name` is how it is printed."""
    try:
        content = durable.read(file, most_bytes=200_000_000).content
    except OSError as error:
        return (Problem(file=name, message=f"cannot be read: {error.strerror}"),)
    if file.name == FILE_NAME:
        settings = parse_defaults(content, file=name, sha256="")
        return settings if isinstance(settings, tuple) else "the settings of its folder"
    route = routing.route(file.name, content[:HEAD_BYTES], frozenset(Accept))
    match route:
        case SourceKind.JOB_FILE:
            return _said(request.parse_job_file(content, file=name))
        case SourceKind.PROMPT_TEXT:
            return _said(request.parse_prompt_text(content, file=name))
        case SourceKind.SIDECAR:
            document = sidecar.parse(content, file=name)
            return document if isinstance(document, tuple) else "a sidecar: 1 job, makes the same again"
        case SourceKind.IMAGE:
            if pictures.ends_properly(content[:HEAD_BYTES], content[-TAIL_BYTES:], len(content)) is False:
                return (Problem(file=name, message="the end of the image is missing: it is truncated"),)
            return "an image: 1 caption job"
        case routing.Foreign():
            return (Problem(file=name, message=f"would be left alone: {names.escaped(route.reason)}"),)
        case routing.Mismatch():
            return (Problem(file=name, message=route.reason),)
        case routing.Unfinished():
            return (Problem(file=name, message="is empty or holds nothing but zeros"),)


def _said(parsed: request.Parsed | request.Rejected) -> str | tuple[Problem, ...]:
    if isinstance(parsed, request.Rejected):
        return parsed.problems
    kinds = Counter(type(job.asked.request) for job in parsed.jobs)
    parts = [f"{kinds[kind]} to {verb}" for kind, verb in _VERBS.items() if kinds[kind]]
    return f"{len(parsed.jobs)} job{'s' * (len(parsed.jobs) != 1)}: {', '.join(parts)}"
