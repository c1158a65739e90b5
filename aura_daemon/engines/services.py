"""What the daemon does for a process that may not do it itself. In: what the process would like. Out: whether it may.

The process that opens strangers' pictures has no network and reads no inbox: it asks, and names no more than what the
configuration names. The daemon decides by its own settings, and has others do it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from aura_daemon.config.engine import EngineSettings, ModelSettings
from aura_daemon.jobs.results import Failure
from aura_daemon.jobs.speed import Speed


class ModelRole(StrEnum):
    """What a model is for."""

    GENERATOR = "generator"
    CAPTIONER = "captioner"
    ANSWERS = "answers"
    """It answers questions about pictures."""
    MATCHES = "matches"
    """It says how well texts fit pictures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedModel:
    """A model by what it is for and by its name; revision, and what belongs to it, are the configuration's."""

    role: ModelRole
    model: str
    at_turbo: bool = False
    """With what makes it draw in a few steps."""
    half: bool = False
    """Whether files in half precision are preferred."""


class Services(Protocol):
    """Who does what this process may not; each call returns when it is done."""

    def fetch(self, wanted: WantedModel) -> Failure | None:
        """Has what is missing of a model fetched, or brought up to date; why that did not go well."""

    def picture(self, job_id: str, number: int) -> bytes | None:
        """The file of one picture of the set that a job puts together, counted from 0; None: it is not to be read."""


def configured(settings: EngineSettings, wanted: WantedModel) -> ModelSettings | None:
    """The settings of a model that the configuration names for that; None for any other."""
    if wanted.role is ModelRole.GENERATOR:
        named = settings.generate
        if wanted.model not in (named.model, *named.models):
            return None
        own = named if wanted.model == named.model else replace(named, model=wanted.model, revision=None)
        return replace(own, speed=Speed.TURBO if wanted.at_turbo else Speed.BALANCED)
    found = _others(settings)[wanted.role]
    return found if found is not None and found.model == wanted.model and not wanted.at_turbo else None


def _others(settings: EngineSettings) -> Mapping[ModelRole, ModelSettings | None]:
    caption = settings.caption
    return {
        ModelRole.CAPTIONER: caption,
        ModelRole.ANSWERS: caption.answering,
        ModelRole.MATCHES: caption.matching,
    }
