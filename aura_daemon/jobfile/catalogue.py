"""Which models, LoRAs, ControlNets, adapters and word lists a job may name. In: the allowed names. Out: problems.

A name that is not allowed is refused, and the nearest allowed name is suggested. No name leads to a path of the job's
choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.jobs.guidance.upscaling import Upscale
from aura_daemon.jobs.prompts.lora_names import names_meant
from aura_daemon.jobs.queueing import ANSWERS_MEND
from aura_daemon.jobs.requests import GenerateRequest, Request, UpscaleRequest, is_question
from aura_daemon.problems import cut, nearest

MOST_LISTED: Final = 20
"""The most names that a refusal lists."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """Everything that jobs may name at this moment."""

    models: tuple[str, ...] = ()
    """The configured model comes first."""
    loras: tuple[str, ...] = ()
    controlnets: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ()
    adapter: str | None = None
    """That of jobs which name none; None: there are several, and nothing says which."""
    wildcards: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Maps the name of a word list, with its folders and `/` before it, to its lines."""
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Maps the name of a word list that exists to the reason why it cannot be used."""
    upscalers: tuple[str, ...] = ()
    """The configured one comes first."""
    answers: bool = False
    """Whether a model is configured that answers questions about images."""

    def is_lora(self, name: str) -> bool:
        """Whether a name means a LoRA, or several that it does not tell apart."""
        return bool(names_meant(name, self.loras))

    def lists_named(self, name: str) -> tuple[str, ...]:
        """The word lists that a name means, usable or not; in a name `*` stands for any characters, `/` too."""
        if "*" not in name:
            return (name,) if name in self.wildcards or name in self.unusable else ()
        return tuple(sorted(one for one in {*self.wildcards, *self.unusable} if fnmatchcase(one, name)))


NOTHING: Final = Catalogue()

_TOLD: Final = {
    "loras": ("LoRAs", "names several LoRAs"),
    "control": ("ControlNets", "names several ControlNets"),
    "like": ("adapters", "names several adapters"),
    "upscale": ("upscalers", "names several upscalers"),
}
"""Key -> what it names, and what is said of a name that means several: whole, so that it is found in the docs."""


def problems_of_names(request: Request, catalogue: Catalogue | None, *, file: str) -> tuple[Problem, ...]:
    """Everything that a request names or needs and that is not allowed. Without a catalogue everything is allowed."""
    if catalogue is not None and is_question(request) and not catalogue.answers:
        message = f"is answered by no model: {ANSWERS_MEND}"
        return (Problem(file=file, key="question", message=message),)
    if catalogue is None or not isinstance(request, GenerateRequest | UpscaleRequest):
        return ()
    enlarged = _problem_of_upscaler(file, request.upscale, catalogue.upscalers)
    if isinstance(request, UpscaleRequest):
        return (enlarged,) if enlarged is not None else ()
    found = [_problem_of_name(file, "loras", lora.name, catalogue.loras) for lora in request.loras]
    if request.model is not None and request.model not in catalogue.models:
        found.append(_problem(file, "model", request.model, catalogue.models, "models"))
    found += [_problem_of_name(file, "control", control.model, catalogue.controlnets) for control in request.control]
    adapters = (picture.model or catalogue.adapter for picture in request.like)
    found += [_problem_of_adapter(file, name, catalogue.adapters) for name in adapters]
    return tuple(problem for problem in (*found, enlarged) if problem is not None)


def _problem_of_adapter(file: str, name: str | None, allowed: Sequence[str]) -> Problem | None:
    if name is None:
        message = f"does not say which adapter reads it, and there are several: {listed(allowed)}; add `model`"
        return Problem(file=file, key="like", message=message)
    return _problem_of_name(file, "like", name, allowed)


def _problem_of_upscaler(file: str, upscale: Upscale | None, allowed: Sequence[str]) -> Problem | None:
    if upscale is None or upscale.model is None:
        return None
    return _problem_of_name(file, "upscale", upscale.model, allowed)


def _problem_of_name(file: str, key: str, name: str, allowed: Sequence[str]) -> Problem | None:
    """The problem of a name that means none of the allowed ones, or several."""
    what, several = _TOLD[key]
    meant = names_meant(name, allowed)
    if len(meant) > 1:
        message = f"{several}: {listed(meant)}; write one of these names, with its folder"
        return Problem(file=file, key=key, message=message, given=cut(name))
    return None if meant else _problem(file, key, name, allowed, what)


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
