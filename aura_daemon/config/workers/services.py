"""What the daemon does for a process that may not do it itself. In: what the process would like. Out: whether it may.

The process that opens strangers' pictures has no network and reads no inbox: it asks, and names no more than what the
configuration names. The daemon decides by its own settings, and has others do it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

from aura_daemon.config.engine import Dtype, EngineSettings, ModelSettings
from aura_daemon.jobs import results
from aura_daemon.jobs.guidance.controls import CONTROLNETS
from aura_daemon.jobs.guidance.picture_prompts import ADAPTER_ON_HUB
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
    CONTROLNET = "controlnet"
    """It reads maps that guide a generator."""
    ADAPTER = "adapter"
    """It has a generator see pictures."""
    IMAGE_ENCODER = "image_encoder"
    """It looks at pictures for an adapter."""
    UPSCALER = "upscaler"


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedModel:
    """A model by what it is for and by its name; revision, and what belongs to it, are the configuration's."""

    role: ModelRole
    model: str
    at_turbo: bool = False
    """With what makes it draw in a few steps."""
    half: bool = False
    """Whether files in half precision are preferred."""


class ConvertedPart(StrEnum):
    """What of a model is converted for another engine."""

    UNET = "unet"
    LOOKING = "looking"
    """What a captioner computes once for a picture."""

    @property
    def graph(self) -> str:
        """The name of its file; beside it its weights, `.bin`."""
        return f"{self}.xml"


class ConversionKind(StrEnum):
    """What a model is converted into; the values are variants (`Placement.variant`)."""

    OPENVINO = results.OPENVINO
    """Weights in float16, computed in the number format of the placement."""
    INT8 = results.OPENVINO_INT8
    """Weights and activations in 8 bits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedConversion:
    """A model that would be computed sooner if it were converted, and measured here."""

    wanted: WantedModel
    part: ConvertedPart
    wants_int8: bool
    device_name: str
    """Of the processor for which it is measured."""
    dtype: Dtype


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultyConversion:
    """A converted model that could not be computed."""

    place: str
    """The name of its folder among the converted models."""
    kind: ConversionKind
    reason: str
    lasts: bool
    """Whether it would fail again."""


_PLACE: Final = re.compile("[0-9a-f]{32}")


def is_place(name: str) -> bool:
    """Whether a folder of converted models can be called so."""
    return _PLACE.fullmatch(name) is not None


class Services(Protocol):
    """Who does what this process may not; each call returns when it is done."""

    def fetch(self, wanted: WantedModel) -> Failure | None:
        """Has what is missing of a model fetched, or brought up to date; why that did not go well."""

    def picture(self, job_id: str, number: int) -> bytes | None:
        """The file of one picture of the set that a job puts together, counted from 0; None: it is not to be read."""

    def convert(self, conversion: WantedConversion) -> None:
        """Has a model converted while jobs go on; returns at once."""

    def report_faulty(self, fault: FaultyConversion) -> None:
        """Has a converted model that failed made anew, or left; returns at once."""

    def note_used(self, place: str) -> None:
        """A job uses a converted model; returns at once."""


def configured(settings: EngineSettings, wanted: WantedModel) -> ModelSettings | None:
    """The settings of a model that the configuration names for that; None for any other."""
    if wanted.role is ModelRole.GENERATOR:
        named = settings.generate
        if wanted.model not in (named.model, *named.models):
            return None
        own = named if wanted.model == named.model else replace(named, model=wanted.model, revision=None)
        return replace(own, speed=Speed.TURBO if wanted.at_turbo else Speed.BALANCED)
    if wanted.role is ModelRole.CONTROLNET:
        nets = (net for net in CONTROLNETS.values() if net.model == wanted.model)
        return next((ModelSettings(model=net.model, revision=net.revision) for net in nets), None)
    if wanted.role in (ModelRole.ADAPTER, ModelRole.IMAGE_ENCODER):
        known = ADAPTER_ON_HUB
        file = known.adapter if wanted.role is ModelRole.ADAPTER else known.encoder
        own_name = f"{known.repository}/{file}"
        return ModelSettings(model=own_name, revision=known.revision) if wanted.model == own_name else None
    found = _others(settings)[wanted.role]
    return found if found is not None and found.model == wanted.model and not wanted.at_turbo else None


def _others(settings: EngineSettings) -> Mapping[ModelRole, ModelSettings | None]:
    caption = settings.caption
    return {
        ModelRole.CAPTIONER: caption,
        ModelRole.ANSWERS: caption.answering,
        ModelRole.MATCHES: caption.matching,
        ModelRole.UPSCALER: settings.upscale,
    }
