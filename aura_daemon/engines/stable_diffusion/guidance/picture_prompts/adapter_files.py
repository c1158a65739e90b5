"""Where the adapters of a job lie. In: the names that it has for them. Out: what is to be found, or why it is none.

Each is two models: the adapter, and the image encoder that looks at pictures for it. Importing this module imports no
torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from aura_daemon.config.engine import EMBEDDED, GenerateSettings, ModelSettings
from aura_daemon.config.guidance.adapters import (
    ENCODER,
    AdapterPlace,
    adapter_meant,
    adapters_below,
    adapters_named,
)
from aura_daemon.config.workers.services import ModelRole
from aura_daemon.engines.model_files.beside.further_models import FurtherModel
from aura_daemon.engines.model_files.beside.named_files import (
    link_refused,
    listed,
    no_folder,
    one_meant,
    one_of_several,
    refused,
)
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.model_files.weights import WeightFiles, choose_weights
from aura_daemon.file_names import escaped
from aura_daemon.jobs.guidance.picture_prompts import ADAPTER_ON_HUB, PicturePrompt
from aura_daemon.jobs.results import Failure
from aura_daemon.mini import WEIGHTS

PER_ADAPTER: Final = 2
"""Models of each: itself, then its image encoder."""


def _encoder_weights(
    names: Iterable[str], _index: Mapping[str, Any], half: bool, allow_pickle: bool
) -> WeightFiles | str:
    return choose_weights(names, [("", "model")], half, allow_pickle)


ADAPTER_FILE: Final = ModelFormat(
    noun="an IP-Adapter",
    description="an IP-Adapter",
    architectures=(),
    embedded=WEIGHTS / "adapter",
    weight_files=no_folder("an adapter (.safetensors)"),
    is_one_file=True,
)
"""One file without a configuration; its tensors say what it is."""

IMAGE_ENCODER: Final = ModelFormat(
    noun="an image encoder",
    description="an image encoder (CLIPVisionModelWithProjection in its config.json)",
    architectures=("CLIPVisionModelWithProjection",),
    embedded=WEIGHTS / "adapter",
    weight_files=_encoder_weights,
)

ADAPTER_OF_HUB: Final = replace(
    ADAPTER_FILE, weight_files=one_of_several(ADAPTER_ON_HUB.adapter), role=ModelRole.ADAPTER
)
ENCODER_OF_HUB: Final = replace(
    IMAGE_ENCODER,
    weight_files=one_of_several(ADAPTER_ON_HUB.encoder),
    role=ModelRole.IMAGE_ENCODER,
    is_one_file=True,
)
"""Files of a repository that holds several."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AdapterFiles:
    """An adapter, and the model that looks at pictures for it."""

    adapter: ModelFiles
    encoder: ModelFiles

    @property
    def adapter_file(self) -> Path:
        """Its only one."""
        return self.adapter.folder / self.adapter.weights.names[0]

    @property
    def encoder_folder(self) -> Path:
        """With its configuration and its weights."""
        return (self.encoder.folder / self.encoder.weights.names[0]).parent


def with_adapters(like: Iterable[PicturePrompt], settings: GenerateSettings) -> tuple[PicturePrompt, ...]:
    """The same pictures, each with the name of the adapter that reads it."""
    folder = _folder_of(settings)
    return tuple(replace(one, model=adapter_meant(one.model, settings.adapter, folder)) for one in like)


def adapters_wanted(
    like: Iterable[PicturePrompt], settings: GenerateSettings, model: str
) -> tuple[FurtherModel, ...] | Failure:
    """The models that read the pictures of a request, two for each adapter, in the order in which they are named.

    A Failure for a name that is not allowed. `model`: that draws.
    """
    found: dict[str | None, tuple[FurtherModel, FurtherModel]] = {}
    for one in with_adapters(like, settings):
        if one.model in found:
            continue
        wanted = _wanted(one.model, settings, model)
        if isinstance(wanted, Failure):
            return wanted
        found[one.model] = wanted
    return tuple(part for pair in found.values() for part in pair)


def adapters_found(like: Iterable[PicturePrompt], further: tuple[ModelFiles, ...]) -> dict[str, AdapterFiles]:
    """By their names. `like`: `with_adapters`; `further`: what was found of `adapters_wanted`, at the end of others."""
    names = list(dict.fromkeys(one.model for one in like if one.model is not None))
    own = further[len(further) - PER_ADAPTER * len(names) :]
    pairs = zip(names, own[::PER_ADAPTER], own[1::PER_ADAPTER], strict=True)
    return {name: AdapterFiles(adapter=adapter, encoder=encoder) for name, adapter, encoder in pairs}


def _wanted(name: str | None, settings: GenerateSettings, model: str) -> tuple[FurtherModel, FurtherModel] | Failure:
    folder = _folder_of(settings)
    known = adapters_named(folder)
    if name is None:
        message = f"`like` names no adapter, and there are several: {listed(known)}"
        return refused(message, "add `model`, or set generate.adapter")
    meant = one_meant("adapter", name, known, otherwise="is none that the configuration allows")
    if isinstance(meant, Failure):
        return meant
    own = {place.name: place for place in adapters_below(folder)} if folder is not None else {}
    if folder is not None and (place := own.get(meant)) is not None:
        return _of_folder(name, place, folder)
    if model == EMBEDDED:
        message = f"adapter {escaped(name)} was made for Stable Diffusion 1.5, and {EMBEDDED} has none of its own"
        return refused(message, "name another model with `model`, or leave `like` out")
    return adapter_on_hub(name)


def adapter_on_hub(name: str) -> tuple[FurtherModel, FurtherModel]:
    """The one with a short name, and its image encoder, at their revision. `name`: in jobs."""
    known = ADAPTER_ON_HUB
    adapter, encoder = (
        ModelSettings(model=f"{known.repository}/{file}", revision=known.revision)
        for file in (known.adapter, known.encoder)
    )
    return (
        FurtherModel(told_as=name, settings=adapter, model_format=ADAPTER_OF_HUB),
        FurtherModel(told_as=f"{name}/{ENCODER}", settings=encoder, model_format=ENCODER_OF_HUB),
    )


def _of_folder(name: str, place: AdapterPlace, folder: Path) -> tuple[FurtherModel, FurtherModel] | Failure:
    if place.encoder is None:
        message = f"adapter {escaped(name)} has no image encoder: there is no folder `{ENCODER}` beside its file"
        mend = f"put the image encoder that it was trained with there; most take that of {ADAPTER_ON_HUB.repository}"
        return refused(message, mend)
    if link := link_refused("adapter", name, folder, (place.file, place.encoder), key="generate.adapters"):
        return link
    adapter, encoder = (ModelSettings(model=str(path)) for path in (place.file, place.encoder))
    return (
        FurtherModel(told_as=name, settings=adapter, model_format=ADAPTER_FILE),
        FurtherModel(told_as=f"{name}/{ENCODER}", settings=encoder, model_format=IMAGE_ENCODER),
    )


def _folder_of(settings: GenerateSettings) -> Path | None:
    return Path(settings.adapters) if settings.adapters is not None else None
