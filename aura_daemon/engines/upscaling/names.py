"""Which upscaler a name means. In: the configuration, a name. Out: settings of a model, or why there is none."""

from __future__ import annotations

from pathlib import Path

from aura_daemon.config.engine import ModelSettings, UpscaleSettings
from aura_daemon.engines.model_files.beside.named_files import link_refused, listed, refused, weights_below
from aura_daemon.engines.upscaling.model_format import PICKLES, pickle_refused
from aura_daemon.file_names import escaped
from aura_daemon.jobs.guidance.upscaling import upscaler_label, upscalers_meant
from aura_daemon.jobs.prompts.lora_names import EXTENSION
from aura_daemon.jobs.results import Failure
from aura_daemon.problems import nearest


def upscaler_named(configured: UpscaleSettings, name: str | None) -> ModelSettings | Failure:
    """The settings of the upscaler that a request names; None means the configured one."""
    present = weights_below(Path(configured.folder)) if configured.folder is not None else {}
    label = upscaler_label(configured.model)
    if name is None or name in (configured.model, label):
        meant = upscalers_meant(configured.model, present)
        if len(meant) == 1:
            return _in_folder(configured, present[meant[0]])
        return pickle_refused(configured.model) if configured.model.endswith(PICKLES) else configured
    meant = upscalers_meant(name, present)
    if len(meant) == 1:
        return _in_folder(configured, present[meant[0]])
    allowed = (label, *present)
    if meant:
        return refused(f"upscaler {escaped(name)}: there are several: {', '.join(map(escaped, meant))}", "name one")
    if pickle := _pickle(configured, name):
        return pickle_refused(pickle)
    near = nearest(name, allowed)
    mend = f"did you mean {escaped(near)}?" if near else f"name one of {listed(allowed)}"
    return refused(f"upscaler {escaped(name)} is none that the configuration allows", mend)


def name_of(configured: UpscaleSettings, model: str) -> str:
    """What jobs call an upscaler, by the name that it was found by."""
    if configured.folder is not None and Path(model).is_relative_to(configured.folder):
        return escaped(Path(model).relative_to(configured.folder).as_posix().removesuffix(EXTENSION))
    return escaped(upscaler_label(model))


def _pickle(configured: UpscaleSettings, name: str) -> str:
    """The pickle of that name in the folder; empty where there is none."""
    if configured.folder is None:
        return ""
    files = (file for file in Path(configured.folder).rglob("*") if file.suffix in PICKLES)
    return next((file.name for file in files if name in (file.name, file.stem)), "")


def _in_folder(configured: UpscaleSettings, file: Path) -> ModelSettings | Failure:
    assert configured.folder is not None
    link = link_refused("upscaler", file.name, Path(configured.folder), [file], key="upscale.folder")
    return link or ModelSettings(model=str(file))
