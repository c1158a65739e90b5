"""Which models `fetch` takes. In: names, the configuration. Out: each, with what it may be and what it is for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aura_daemon.config.engine import GenerateSettings, ModelSettings, UpscaleSettings
from aura_daemon.config.settings import Settings
from aura_daemon.engines.captioning.model_format import ANSWERS, CAPTIONS, MATCHES
from aura_daemon.engines.model_files.beside.further_models import FurtherModel
from aura_daemon.engines.model_files.companions import (
    TINY_DECODER,
    USUAL_DECODER,
    USUAL_LORA,
    companions_of,
    turbo_lora,
)
from aura_daemon.engines.model_files.find import ModelFiles, is_on_hub, look_for_model
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.stable_diffusion.guidance.controls.net_files import net_on_hub
from aura_daemon.engines.stable_diffusion.guidance.picture_prompts.adapter_files import adapter_on_hub
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION
from aura_daemon.engines.upscaling.model_format import UPSCALERS
from aura_daemon.errors import Problem, UserError
from aura_daemon.jobs.guidance.controls import CONTROLNETS
from aura_daemon.jobs.guidance.picture_prompts import ADAPTER_ON_HUB
from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.results import Failure

KINDS: Final = {
    "sd-1.4": STABLE_DIFFUSION,
    "blip-base": CAPTIONS,
    "blip-large": CAPTIONS,
    "git-base-coco": CAPTIONS,
    "florence-2-base": CAPTIONS,
    "blip-vqa-base": ANSWERS,
    "blip-itm-base": MATCHES,
}
"""Models that a configuration calls by a short name."""

FORMATS: Final = (STABLE_DIFFUSION, CAPTIONS, ANSWERS, MATCHES)
"""What a model may be that is called by its name on the hub."""

NOT_CONFIGURED: Final = "not configured"

TURBO: Final = "speed: turbo"
"""What a companion is for, in the list."""

QUESTION: Final = "question"
"""What the model of `caption.question_model` is for, in the list."""

MATCH: Final = "match"
"""What the model of `caption.matching_model` is for."""

CONTROL: Final = "control"
LIKE: Final = "like"
IMAGE_ENCODER: Final = "image encoder"
"""What those are for that a job names, and what one of them takes beside it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchableModel:
    """A model that can be fetched before a job needs it."""

    name: str
    """What `fetch` calls it; two that are fetched together have the same."""
    settings: ModelSettings
    formats: tuple[ModelFormat, ...]
    """What it may be; several where only the hub can tell."""
    use: str

    @property
    def is_on_hub(self) -> bool:
        """Whether it comes from there, not from this machine."""
        return is_on_hub(self.settings.model, one_file=self.formats[-1].is_one_file)


def configured_models(settings: Settings) -> list[FetchableModel]:
    """Those that the configuration names."""
    engine = settings.engine()
    further = [replace(engine.generate, model=model, revision=None) for model in engine.generate.models]
    generators = {model.model: model for model in (*reversed(further), engine.generate)}
    answering, matching = engine.caption.answering, engine.caption.matching
    return [
        *(_of_format(STABLE_DIFFUSION, model, JobKind.GENERATE) for model in reversed(generators.values())),
        _of_format(CAPTIONS, engine.caption, JobKind.CAPTION),
        *([_of_format(ANSWERS, answering, QUESTION)] if answering is not None else []),
        *([_of_format(MATCHES, matching, MATCH)] if matching is not None else []),
        *([_of_format(UPSCALERS, engine.upscale, JobKind.UPSCALE)] if _is_fetched(engine.upscale) else []),
        *_companions(reversed(generators.values())),
    ]


def models_with_short_names() -> Mapping[str, tuple[FetchableModel, ...]]:
    """All of them, and what is usually taken at turbo."""
    plain = {name: _of_format(kind, ModelSettings(model=name), NOT_CONFIGURED) for name, kind in KINDS.items()}
    nets = {name: _beside(net_on_hub(name, net), name, CONTROL) for name, net in CONTROLNETS.items()}
    adapter, encoder = adapter_on_hub(ADAPTER_ON_HUB.name)
    turbo = {USUAL_LORA: turbo_lora(USUAL_LORA), USUAL_DECODER: TINY_DECODER}
    companions = {name: _of_format(kind, ModelSettings(model=name), TURBO) for name, kind in turbo.items()}
    return {
        **{name: (model,) for name, model in (plain | nets).items()},
        adapter.told_as: (
            _beside(adapter, adapter.told_as, LIKE),
            _beside(encoder, adapter.told_as, IMAGE_ENCODER),
        ),
        **{name: (model,) for name, model in companions.items()},
    }


def models_meant(name: str, configured: Sequence[FetchableModel]) -> tuple[FetchableModel, ...]:
    """As the configuration means a name, or as a short name does, or whatever the hub has; raises UserError."""
    if own := tuple(model for model in configured if model.name == name):
        return own
    known = models_with_short_names()
    if name in known:
        return known[name]
    if not is_on_hub(name, one_file=True):
        names = ", ".join((*(short for short in known if "/" not in short), "owner/name on the hub"))
        raise UserError([Problem(key="MODEL", given=repr(name), message=f"is no name of a model to fetch: {names}")])
    formats = (*FORMATS, TINY_DECODER, turbo_lora(name))
    return (FetchableModel(name=name, settings=ModelSettings(model=name), formats=formats, use=NOT_CONFIGURED),)


def _is_fetched(upscaler: UpscaleSettings) -> bool:
    """Whether it is one on the hub; with a folder its name mostly means a file there."""
    return upscaler.folder is None and is_on_hub(upscaler.model, one_file=True)


def _companions(models: Iterable[GenerateSettings]) -> Iterator[FetchableModel]:
    """What these models take at turbo, of those that draw so; what lies in a model's own folder comes with it."""
    shown: set[str] = set()
    for model in models:
        found = look_for_model(model, STABLE_DIFFUSION, half=False)
        taken = companions_of(model, found if isinstance(found, ModelFiles) else None)
        if not model.at_turbo or isinstance(taken, Failure):
            continue
        for one in taken.all:
            if one.told_as == one.settings.model and one.told_as not in shown:
                shown.add(one.told_as)
                yield _of_format(one.model_format, one.settings, TURBO)


def _of_format(model_format: ModelFormat, settings: ModelSettings, use: str) -> FetchableModel:
    return FetchableModel(name=settings.model, settings=settings, formats=(model_format,), use=use)


def _beside(model: FurtherModel, name: str, use: str) -> FetchableModel:
    return FetchableModel(name=name, settings=model.settings, formats=(model.model_format,), use=use)
