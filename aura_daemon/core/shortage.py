"""Memory that other programs have for now. In: how a job ran, what it asks for. Out: whether more of it is to be had.

Jobs of one demand wait for it together, so that one of them tries for all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, assert_never

from aura_daemon.core.attempts import Attempt, Tried
from aura_daemon.core.budget import REFUSED
from aura_daemon.core.job import CaptionRequest, GenerateRequest, GridRequest, Request
from aura_daemon.core.learning import refused_bytes
from aura_daemon.file_names import escaped

NEVER_FREE: Final = 0.05
"""Of all memory, what other programs never give back."""

FIRST_WAIT_S: Final = 15.0

LONGEST_WAIT_S: Final = 300.0
"""Other programs come and go, and a try costs next to nothing: nothing is loaded for it."""


def passes(tried: Tried | None) -> bool:
    """Whether a job that had no memory on its last rung would have it if other programs gave theirs back."""
    if tried is None:
        return False
    needed = max(tried.expected_bytes, int(refused_bytes(tried) * REFUSED))
    return tried.room_bytes < needed <= tried.total_bytes * (1 - NEVER_FREE)


def waited(attempt: Attempt, tried: Tried, waited_s: float) -> Attempt:
    """An attempt after which its job waits; one that was not made, for want of room, tells how long it has waited."""
    reason = f"{attempt.reason}; it waited for memory that other programs had"
    if tried.expected_bytes <= tried.room_bytes:
        return replace(attempt, reason=reason, waited=True)
    return replace(attempt, reason=reason, waited=True, rung=None, seconds=waited_s)


def demand_of(request: Request) -> str:
    """All of a request that says how much memory it takes, in words."""
    match request:
        case CaptionRequest():
            return "caption"
        case GridRequest():
            return "grid"
        case GenerateRequest():
            return " ".join(["generate", *_said(request)])
        case _:  # pragma: no cover
            assert_never(request)


def _said(request: GenerateRequest) -> list[str]:
    said = [request.model or ""]
    if request.width is not None or request.height is not None:
        said.append(f"{request.width or 'native'}x{request.height or 'native'}")
    else:
        said.append(request.aspect_ratio or "")
    if request.image is not None:
        said.append(f"from {escaped(request.image)}")
    if request.hires is not None:
        said.append(f"then {request.hires.scale:g} times as large")
    if request.guidance_scale is not None:
        said.append("guided" if request.guidance_scale > 1 else "unguided")
    return [word for word in said if word]
