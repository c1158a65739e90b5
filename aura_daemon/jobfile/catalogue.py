"""What a job may name: models, LoRAs, word lists. In: what the configuration allows. Out: whether a name is among it.

A name that is not allowed is refused with the nearest that is; nothing a job says leads to a path of its choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.jobs.requests import GenerateRequest, Request
from aura_daemon.problems import cut, nearest

MOST_LISTED: Final = 20
"""Names that a refusal lists."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """Everything that jobs may name, as it is now."""

    models: tuple[str, ...] = ()
    """The configured one first."""
    loras: tuple[str, ...] = ()
    wildcards: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name of a word list, folders with `/` before it -> its lines."""
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Name of a word list that is there -> why it cannot be used."""


NOTHING: Final = Catalogue()


def problems_of_names(request: Request, catalogue: Catalogue | None, *, file: str) -> tuple[Problem, ...]:
    """Every name in a request that is not allowed; without a catalogue any name is."""
    if catalogue is None or not isinstance(request, GenerateRequest):
        return ()
    named = [("loras", lora.name, catalogue.loras, "LoRAs") for lora in request.loras]
    if request.model is not None:
        named.append(("model", request.model, catalogue.models, "models"))
    return tuple(_problem(file, *one) for one in named if one[1] not in one[2])


def _problem(file: str, key: str, name: str, known: Iterable[str], what: str) -> Problem:
    allowed = listed(known)
    message = f"is none of the {what} that the configuration allows"
    message += f": {allowed}" if allowed else "; it allows none"
    return Problem(file=file, key=key, message=message, given=cut(name), suggestion=nearest(name, known))


def listed(known: Iterable[str]) -> str:
    """Names for a refusal, no more than anyone reads."""
    names = list(known)
    more = [f"… and {len(names) - MOST_LISTED:,} more"] if len(names) > MOST_LISTED else []
    return ", ".join([*map(cut, names[:MOST_LISTED]), *more])
