"""What belongs to a model beside its own files: a LoRA for few steps, a tiny decoder. In: settings. Out: ModelFiles.

At turbo both come, in this order, from the model itself (the key `turbo` of its aura.json, or a model made for few
steps), from the configuration, from what suits every Stable Diffusion 1.x. The source of the LoRA names steps, guidance
and sampler too: they belong together. At other levels a tiny decoder draws previews where one is on this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final

from loguru import logger

from aura_daemon.config.engine import NONE, GenerateSettings, ModelSettings, TurboSettings
from aura_daemon.engines.model_files.configurations import read_json
from aura_daemon.engines.model_files.find import (
    FEW_STEPS,
    FILE_SLASHES,
    Found,
    ModelFiles,
    fetch_model,
    find_here,
    find_model,
    is_on_hub,
    is_pinned,
    look_for_model,
)
from aura_daemon.engines.model_files.hub import AbsentModel
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.model_files.weights import WeightFiles, choose_weights, unavailable
from aura_daemon.engines.reporter import Reporter
from aura_daemon.jobs.results import Failure
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.mini import GENERATOR

USUAL_LORA: Final = "latent-consistency/lcm-lora-sdv1-5"
USUAL_DECODER: Final = "madebyollin/taesd"
"""Made for Stable Diffusion 1.5, whose layout and latents are those of every 1.x."""

USUAL: Final = TurboSettings(steps=FEW_STEPS, guidance_scale=1.0, scheduler=Scheduler.LCM)

LORA_FILE: Final = "pytorch_lora_weights.safetensors"
"""The name that diffusers gives the file of a LoRA."""

CHANNELS: Final = [320, 640, 1280, 1280]
TEXT_WIDTH: Final = 768
"""Of the UNet of Stable Diffusion 1.x."""


def _one_lora(
    name: str, wanted: str, names: Iterable[str], _index: Mapping[str, Any], _half: bool, _allow_pickle: bool
) -> WeightFiles | Failure | str:
    """The file that is wanted, else the one that diffusers would write, else the only one."""
    present = sorted(names)
    loras = [file for file in present if file.endswith(".safetensors") and "/" not in file]
    if wanted in present:
        return WeightFiles(names=(wanted,))
    if not wanted and (LORA_FILE in loras or len(loras) == 1):
        return WeightFiles(names=(LORA_FILE if LORA_FILE in loras else loras[0],))
    if not loras:
        return next((file for file in present if file.endswith(".bin")), "a LoRA (.safetensors)")
    cause = f"it has no file {wanted}" if wanted else f"it holds {len(loras)} LoRAs"
    return unavailable(name, cause, f"name one file: {', '.join(f'{name}/{file}' for file in loras[:MOST_NAMED])}")


def _decoder_weights(
    names: Iterable[str], _index: Mapping[str, Any], half: bool, allow_pickle: bool
) -> WeightFiles | str:
    return choose_weights(names, [("", "diffusion_pytorch_model")], half, allow_pickle)


MOST_NAMED: Final = 12
"""Files that a refusal names."""

TINY_DECODER: Final = ModelFormat(
    noun="a tiny decoder",
    description="a tiny autoencoder (AutoencoderTiny in its config.json)",
    architectures=("AutoencoderTiny",),
    embedded=GENERATOR / "turbo" / "decoder",
    weight_files=_decoder_weights,
)


def turbo_lora(name: str) -> ModelFormat:
    """The format of the LoRA with this name; on the hub it may name the file, `owner/name/file`."""
    is_here = Path(name).expanduser().exists()
    return ModelFormat(
        noun="a LoRA",
        description="a LoRA",
        architectures=(),
        embedded=GENERATOR / "turbo",
        weight_files=partial(_one_lora, name, "" if is_here else "/".join(name.split("/")[FILE_SLASHES:])),
        is_one_file=True,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class TurboPart:
    """A file or folder that belongs to a model."""

    settings: ModelSettings
    model_format: ModelFormat
    told_as: str
    """Its name in sidecars: without the folder of a model that brings it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TurboParts:
    """What a model takes at turbo."""

    lora: TurboPart | None
    decoder: TurboPart | None
    settings: TurboSettings
    """Steps, guidance and sampler; each may be None for the model's own."""

    @property
    def all(self) -> tuple[TurboPart, ...]:
        """Those that there are."""
        return tuple(one for one in (self.lora, self.decoder) if one is not None)


def find_with_companions(
    settings: ModelSettings, model_format: ModelFormat, half: bool, reporter: Reporter
) -> ModelFiles | Failure:
    """As `find_model`, with what belongs to the model; what it takes at turbo is fetched."""
    found = _all(settings, model_format, half, lambda one, kind: find_model(one, kind, half, reporter))
    assert not isinstance(found, AbsentModel)  # an absent one is fetched
    return found


def find_all_here(settings: ModelSettings, model_format: ModelFormat, half: bool, reporter: Reporter) -> Found:
    """As `find_with_companions`, of what is on this machine now: fetches nothing, asks no hub."""
    return _all(settings, model_format, half, lambda one, kind: find_here(one, kind, half, reporter))


def fetch_all(settings: ModelSettings, model_format: ModelFormat, half: bool, reporter: Reporter) -> Found:
    """As `find_with_companions`, for another process: hashes nothing."""
    return _all(settings, model_format, half, lambda one, kind: fetch_model(one, kind, half, reporter))


def look_for_all(settings: ModelSettings, model_format: ModelFormat, half: bool) -> Found:
    """What `find_with_companions` would find on this machine now; fetches and hashes nothing."""
    return _all(settings, model_format, half, lambda one, kind: look_for_model(one, kind, half))


def would_fetch(settings: ModelSettings, model_format: ModelFormat, half: bool) -> bool:
    """Whether `find_with_companions` would ask the hub: for what is missing, or whether what is here is the newest."""
    found = look_for_all(settings, model_format, half)
    if isinstance(found, AbsentModel):
        return True
    parts = [(settings, model_format)]
    if isinstance(settings, GenerateSettings) and settings.at_turbo and isinstance(found, ModelFiles):
        companions = companions_of(settings, found)
        of_turbo = companions.all if isinstance(companions, TurboParts) else ()
        parts += [(one.settings, one.model_format) for one in of_turbo]
    on_hub = [one for one, kind in parts if is_on_hub(one.model, one_file=kind.is_one_file)]
    return any(not is_pinned(one) for one in on_hub) or (bool(on_hub) and isinstance(found, Failure))


def companions_of(settings: GenerateSettings, files: ModelFiles | None) -> TurboParts | Failure:
    """What a model takes at turbo; one that is not here (None) counts as Stable Diffusion 1.x."""
    folder = files.folder if files is not None else None
    unet = read_json(folder / "unet" / "config.json") if folder is not None else {}
    is_standard = folder is None or (
        unet.get("cross_attention_dim") == TEXT_WIDTH and (unet.get("block_out_channels") or [0])[0] == CHANNELS[0]
    )
    is_whole = folder is None or (is_standard and _is_whole(unet))
    own = read_json(folder / "aura.json").get("turbo") if folder is not None else None
    if folder is not None and own is not None:
        return _own(settings.model, folder, own)
    configured = settings.turbo
    decoder_name = configured.decoder or (USUAL_DECODER if is_standard else NONE)
    decoder = _named(settings, decoder_name, TINY_DECODER) if decoder_name != NONE else None
    if files is not None and files.own.few_steps:
        return TurboParts(lora=None, decoder=decoder, settings=TurboSettings())
    lora_name = configured.lora or (USUAL_LORA if is_whole else "")
    if not lora_name:
        known = f"{USUAL_LORA} is for whole Stable Diffusion 1.x, which it is not"
        mend = "set generate.turbo.lora to a LoRA that was made for it (or to none), or take another speed"
        return unavailable(settings.model, f"nothing is known that draws with it in a few steps: {known}", mend)
    chosen = {key: value for key, value in _scalars(configured).items() if value is not None}
    return TurboParts(
        lora=_named(settings, lora_name, turbo_lora(lora_name)) if lora_name != NONE else None,
        decoder=decoder,
        settings=replace(USUAL, **chosen),
    )


def _all(
    settings: ModelSettings,
    model_format: ModelFormat,
    half: bool,
    find: Callable[[ModelSettings, ModelFormat], Found],
) -> Found:
    files = find(settings, model_format)
    if not isinstance(files, ModelFiles) or not isinstance(settings, GenerateSettings):
        return files
    return _with_companions(files, settings, half, find)


def _with_companions(
    files: ModelFiles, settings: GenerateSettings, half: bool, find: Callable[[ModelSettings, ModelFormat], Found]
) -> Found:
    if not settings.at_turbo:
        without_lora = replace(settings, turbo=replace(settings.turbo, lora=NONE))
        return replace(files, decoder=_present(companions_of(without_lora, files), half))
    companions = companions_of(settings, files)
    if isinstance(companions, Failure):
        return companions
    found: dict[str, ModelFiles] = {}
    for part, wanted in (("lora", companions.lora), ("decoder", companions.decoder)):
        if wanted is None:
            continue
        one = find(wanted.settings, wanted.model_format)
        if not isinstance(one, ModelFiles):
            return one
        found[part] = replace(one, name=wanted.told_as)
    chosen = {key: value for key, value in _scalars(companions.settings).items() if value is not None}
    return replace(
        files, at_turbo=True, own=replace(files.own, **chosen), lora=found.get("lora"), decoder=found.get("decoder")
    )


def _present(companions: TurboParts | Failure, half: bool) -> ModelFiles | None:
    """A tiny decoder that is on this machine; none is fetched for previews alone."""
    if isinstance(companions, Failure) or companions.decoder is None:
        return None
    wanted = companions.decoder
    found = look_for_model(wanted.settings, wanted.model_format, half)
    if isinstance(found, Failure):
        logger.debug("previews are decoded by the model's own VAE: {}", found.message)
    return replace(found, name=wanted.told_as) if isinstance(found, ModelFiles) else None


def _own(model: str, folder: Path, own: object) -> TurboParts | Failure:
    """What the key `turbo` of a model's aura.json names."""
    try:
        keys = _keys(own)
        lora, decoder = (_inside(keys.pop(key, None)) for key in ("lora", "decoder"))
        scheduler = keys.pop("scheduler", None)
        return TurboParts(
            lora=_carried(model, folder, lora, turbo_lora(str(folder / lora))) if lora is not None else None,
            decoder=_carried(model, folder, decoder, TINY_DECODER) if decoder is not None else None,
            settings=TurboSettings(
                steps=int(keys.pop("steps", FEW_STEPS)),
                guidance_scale=float(keys.pop("guidance_scale", 1.0)),
                scheduler=Scheduler(scheduler) if scheduler is not None else Scheduler.LCM,
                **keys,
            ),
        )
    except (TypeError, ValueError) as error:
        return unavailable(model, f"the key turbo of its aura.json is not understood: {error}", "mend that file")


def _keys(own: object) -> dict[str, Any]:
    if not isinstance(own, Mapping):
        raise TypeError("it must hold keys")
    return dict(own)


def _inside(path: object) -> str | None:
    """A path below the model's folder; raises ValueError for any other."""
    if path is None:
        return None
    parts = PurePosixPath(str(path))
    if parts.is_absolute() or ".." in parts.parts:
        raise ValueError(f"{path} is outside the model's folder")
    return parts.as_posix()


def _carried(model: str, folder: Path, path: str, model_format: ModelFormat) -> TurboPart:
    short = model.rstrip("/").rpartition("/")[2]
    return TurboPart(
        settings=ModelSettings(model=str(folder / path)), model_format=model_format, told_as=f"{short}/{path}"
    )


def _named(settings: GenerateSettings, name: str, model_format: ModelFormat) -> TurboPart:
    return TurboPart(
        settings=ModelSettings(model=name, allow_pickle=settings.allow_pickle), model_format=model_format, told_as=name
    )


def _scalars(settings: TurboSettings) -> dict[str, Any]:
    names = {field.name for field in fields(settings)} - {"lora", "decoder"}
    return {name: getattr(settings, name) for name in names}


def _is_whole(unet: Mapping[str, Any]) -> bool:
    """Whether no block was taken out of a UNet of Stable Diffusion 1.x."""
    is_deep = unet.get("layers_per_block", 2) == 2 and unet.get("mid_block_type", True) is not None
    return is_deep and unet.get("block_out_channels") == CHANNELS
