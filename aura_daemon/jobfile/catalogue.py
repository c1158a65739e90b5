"""Which models, LoRAs and word lists a job may name. In: the names that the configuration allows. Out: problems.

A name that is not allowed is refused, and the nearest allowed name is suggested. No name leads to a path of the job's
choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.jobs.requests import GenerateRequest, Request
from aura_daemon.problems import cut, nearest

MOST_LISTED: Final = 20
"""The most names that a refusal lists."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """Everything that jobs may name at this moment."""

    models: tuple[str, ...] = ()
    """The configured model comes first."""
    loras: tuple[str, ...] = ()
    wildcards: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Maps the name of a word list, with its folders and `/` before it, to its lines."""
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Maps the name of a word list that exists to the reason why it cannot be used."""


NOTHING: Final = Catalogue()


def problems_of_names(request: Request, catalogue: Catalogue | None, *, file: str) -> tuple[Problem, ...]:
    """Every name in a request that is not allowed. Without a catalogue every name is allowed."""
    if catalogue is None or not isinstance(request, GenerateRequest):
        return ()
    names = [("loras", lora.name, catalogue.loras, "LoRAs") for lora in request.loras]
    if request.model is not None:
        names.append(("model", request.model, catalogue.models, "models"))
    return tuple(_problem(file, key, name, allowed, what) for key, name, allowed, what in names if name not in allowed)


def _problem(file: str, key: str, name: str, allowed: Iterable[str], what: str) -> Problem:
    names = listed(allowed)
    message = f"is none of the {what} that the configuration allows"
    message += f": {names}" if names else "; it allows none"
    return Problem(file=file, key=key, message=message, given=cut(name), suggestion=nearest(name, allowed))


def listed(allowed: Iterable[str]) -> str:
    """The names as a refusal lists them, at most MOST_LISTED."""
    names = list(allowed)
    more = [f"… and {len(names) - MOST_LISTED:,} more"] if len(names) > MOST_LISTED else []
    return ", ".join([*map(cut, names[:MOST_LISTED]), *more])
