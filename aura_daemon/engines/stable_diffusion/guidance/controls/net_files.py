"""Where the ControlNets of a job lie. In: the names that it has for them. Out: what is to be found, or why it is none.

Importing this module imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from aura_daemon.config.engine import EMBEDDED, GenerateSettings, ModelSettings
from aura_daemon.config.guidance.controlnets import controlnets_below, controlnets_named
from aura_daemon.config.workers.services import ModelRole
from aura_daemon.engines.model_files.beside.further_models import FurtherModel
from aura_daemon.engines.model_files.beside.named_files import link_refused, no_folder, one_meant, one_of_several
from aura_daemon.engines.model_files.find import FILE_SLASHES
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.model_files.weights import WeightFiles, choose_weights
from aura_daemon.jobs.guidance.controls import CONTROLNETS, Control, NetOnHub
from aura_daemon.jobs.results import Failure
from aura_daemon.mini import WEIGHTS


def _net_weights(names: Iterable[str], _index: Mapping[str, Any], half: bool, allow_pickle: bool) -> WeightFiles | str:
    return choose_weights(names, [("", "diffusion_pytorch_model")], half, allow_pickle)


CONTROLNET: Final = ModelFormat(
    noun="a ControlNet",
    description="a ControlNet (ControlNetModel in its config.json)",
    architectures=("ControlNetModel",),
    embedded=WEIGHTS / "controlnet",
    weight_files=_net_weights,
    role=ModelRole.CONTROLNET,
)

CONTROLNET_FILE: Final = ModelFormat(
    noun="a ControlNet",
    description="a ControlNet",
    architectures=(),
    embedded=WEIGHTS / "controlnet",
    weight_files=no_folder("a ControlNet (.safetensors)"),
    is_one_file=True,
)
"""One file without a configuration; its tensors say what it is."""


def format_on_hub(model: str) -> ModelFormat:
    """Of a ControlNet on the hub: `owner/name` is a folder in diffusers format, `owner/name/file` is one file."""
    file = "/".join(model.split("/")[FILE_SLASHES:])
    if not file:
        return CONTROLNET
    return replace(CONTROLNET_FILE, weight_files=one_of_several(file), role=ModelRole.CONTROLNET)


def nets_wanted(
    controls: Iterable[Control], settings: GenerateSettings, model: str
) -> tuple[FurtherModel, ...] | Failure:
    """The ControlNets that a request names, each once, in its order; a Failure for a name that is not allowed.

    `model`: that draws.
    """
    found: dict[str, FurtherModel] = {}
    for control in controls:
        one = net_wanted(control.model, settings, model)
        if isinstance(one, Failure):
            return one
        found.setdefault(control.model, one)
    return tuple(found.values())


def net_wanted(name: str, settings: GenerateSettings, model: str) -> FurtherModel | Failure:
    """The ControlNet that a name means; in the configured folder one of any short name may lie."""
    folder = Path(settings.controlnets) if settings.controlnets is not None else None
    known = controlnets_named(folder, [model])
    meant = one_meant("ControlNet", name, known, otherwise="is none that this model can be guided with")
    if isinstance(meant, Failure):
        return meant
    own = dict(controlnets_below(folder)) if folder is not None else {}
    if (place := own.get(meant)) is not None and folder is not None:
        if link := link_refused("ControlNet", name, folder, [place], key="generate.controlnets"):
            return link
        kind = CONTROLNET if place.is_dir() else CONTROLNET_FILE
        return FurtherModel(told_as=name, settings=ModelSettings(model=str(place)), model_format=kind)
    if model == EMBEDDED or (net := CONTROLNETS.get(meant)) is None:
        return FurtherModel(told_as=name, settings=ModelSettings(model=EMBEDDED), model_format=CONTROLNET)
    return net_on_hub(name, net)


def net_on_hub(name: str, net: NetOnHub) -> FurtherModel:
    """One with a short name, at its revision. `name`: in jobs."""
    settings = ModelSettings(model=net.model, revision=net.revision)
    return FurtherModel(told_as=name, settings=settings, model_format=format_on_hub(net.model))
