"""From a model's name to its files. In: ModelSettings. Out: ModelFiles, checked and hashed, or one Failure.

A name is `aura-mini`, a short name of `config.engine.ALIASES`, a folder, a `.safetensors` file or
`owner/name` on the hub.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aura_daemon.config.engine import ALIASES, EMBEDDED, ModelSettings
from aura_daemon.engines.defaults import ModelDefaults
from aura_daemon.engines.model_files.hub import PINNED, AbsentModel, Choose, FetchedModel, cached, fetch
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.model_files.single_file import find_checkpoint
from aura_daemon.engines.model_files.weights import (
    WeightFiles,
    broken_file,
    content_hash,
    names_below,
    pickle_refused,
    unavailable,
)
from aura_daemon.engines.reporter import Reporter
from aura_daemon.jobs.results import Failure
from aura_daemon.jobs.sampling import MULTIPLE_PX, Scheduler

SINGLE_FILES: Final = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
"""A name with such an ending is a file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFiles:
    """A model that is on this machine, complete and allowed."""

    name: str
    """As configured."""
    folder: Path
    """Configurations, tokenizer and, unless there is a single file, the weights."""
    weights: WeightFiles
    checkpoint: Path | None
    """The single file that holds all weights."""
    own: ModelDefaults
    carried_name: str
    """The name its `aura.json` gives, `aura-mini` for the embedded model."""
    sha256: str
    """Empty where nothing was hashed (`look_for_model`)."""

    @property
    def size_bytes(self) -> int:
        """Of the weights on the disk."""
        root = self.checkpoint.parent if self.checkpoint is not None else self.folder
        return sum((root / file).stat().st_size for file in self.weights.names)


def find_model(
    settings: ModelSettings, model_format: ModelFormat, half: bool, reporter: Reporter
) -> ModelFiles | Failure:
    """Finds, fetches, checks and hashes; `half` prefers files in half precision where there are any."""
    found = _find(settings, model_format, half, reporter)
    assert not isinstance(found, AbsentModel)  # an absent model is fetched
    return found


def look_for_model(
    settings: ModelSettings, model_format: ModelFormat, half: bool
) -> ModelFiles | Failure | AbsentModel:
    """What `find_model` would find on this machine now; fetches and hashes nothing."""
    return _find(settings, model_format, half, None)


def is_on_hub(name: str) -> bool:
    """Whether a model with this name would come from the hub."""
    path = Path(name).expanduser()
    is_here = name == EMBEDDED or path.is_dir() or path.suffix in SINGLE_FILES
    return name in ALIASES or (not is_here and _may_be_on_hub(name))


def _may_be_on_hub(name: str) -> bool:
    return not name.startswith(("/", ".", "~")) and name.count("/") == 1


def hub_name(settings: ModelSettings) -> tuple[str, str | None]:
    """Repository and revision of a model on the hub."""
    return ALIASES.get(settings.model, settings.model), settings.revision or PINNED.get(settings.model)


def chosen_by(settings: ModelSettings, model_format: ModelFormat, half: bool) -> Choose:
    """What chooses the files of a model on the hub."""

    def choose(folder: Path, names: tuple[str, ...]) -> WeightFiles | Failure:
        return _weights_of(settings.model, folder, names, model_format, half, settings.allow_pickle)

    return choose


def _find(
    settings: ModelSettings, model_format: ModelFormat, half: bool, reporter: Reporter | None
) -> ModelFiles | Failure | AbsentModel:
    """Without a reporter nothing is fetched and nothing hashed."""
    name = settings.model
    path = model_format.embedded if name == EMBEDDED else Path(name).expanduser()
    if name in ALIASES:
        return _from_hub(settings, model_format, half, reporter)
    if path.is_dir():
        weights = _weights_of(name, path, names_below(path), model_format, half, settings.allow_pickle)
        return weights if isinstance(weights, Failure) else _checked(name, path, weights, reporter)
    if path.suffix in SINGLE_FILES:
        return _from_file(settings, path, model_format, reporter)
    if name == EMBEDDED:
        return unavailable(name, f"its weights are not in this installation ({path})", "install the package anew")
    if not _may_be_on_hub(name):
        mend = f"known short names: {EMBEDDED}, {', '.join(ALIASES)}"
        return unavailable(name, "there is no such folder or file here", mend)
    return _from_hub(settings, model_format, half, reporter)


def _from_hub(
    settings: ModelSettings, model_format: ModelFormat, half: bool, reporter: Reporter | None
) -> ModelFiles | Failure | AbsentModel:
    name, (repository, revision), choose = settings.model, hub_name(settings), chosen_by(settings, model_format, half)
    if reporter is None:
        fetched = cached(name, repository, revision, choose)
    else:
        fetched = fetch(name, repository, revision, choose, reporter)
    if isinstance(fetched, FetchedModel):
        return _checked(name, fetched.folder, fetched.weights, reporter)
    return fetched


def _from_file(
    settings: ModelSettings, path: Path, model_format: ModelFormat, reporter: Reporter | None
) -> ModelFiles | Failure | AbsentModel:
    """A single file; its configuration comes from a folder beside the file or from the hub."""
    name = settings.model
    if not path.is_file():
        return unavailable(name, "there is no such file here", "correct the path")
    if not model_format.has_checkpoints:
        return unavailable(name, f"{model_format.noun} cannot be a single file", "name a folder with its config.json")
    if path.suffix != ".safetensors" and not settings.allow_pickle:
        return pickle_refused(name, path.name)
    folder = find_checkpoint(name, path, reporter)
    if not isinstance(folder, Path):
        return folder
    return _checked(name, folder, WeightFiles(names=(path.name,)), reporter, checkpoint=path)


def _weights_of(
    name: str, folder: Path, names: tuple[str, ...], model_format: ModelFormat, half: bool, allow_pickle: bool
) -> WeightFiles | Failure:
    """The weight files in use, after the architecture was checked."""
    if (wrong := _wrong_architecture(name, folder, model_format)) is not None:
        return wrong
    chosen = model_format.weight_files(names, _json(folder / "model_index.json"), half, allow_pickle)
    if isinstance(chosen, WeightFiles):
        return chosen
    if chosen.endswith(".bin"):
        return pickle_refused(name, chosen)
    return unavailable(name, f"{chosen} is missing", "complete its folder, or name another revision")


def _wrong_architecture(name: str, folder: Path, model_format: ModelFormat) -> Failure | None:
    """None for a model of this format, else a Failure that says what the model is instead."""
    pipeline, config = _json(folder / "model_index.json"), _json(folder / "config.json")
    found = pipeline.get("_class_name") or config.get("architectures") or config.get("model_type")
    names = found if isinstance(found, list) else [found]
    if any(architecture in model_format.architectures for architecture in names):
        return None
    silent = "it has neither model_index.json nor config.json that say what it is"
    what = f"it is {', '.join(map(str, names))}" if found else silent
    return unavailable(name, f"{what}, not {model_format.description}", "name a model of that kind")


def _checked(
    name: str, folder: Path, weights: WeightFiles, reporter: Reporter | None, checkpoint: Path | None = None
) -> ModelFiles | Failure:
    """Refuses broken files, hashes the others where there is a reporter, and reads the model's own defaults."""
    root = checkpoint.parent if checkpoint is not None else folder
    if broken := broken_file(root / file for file in weights.names):
        mend = "delete that file and fetch it again"
        return unavailable(name, f"a file of it is cut short or damaged: {broken}", mend)
    sha256 = _hashed(name, root, weights.names, reporter) if reporter is not None else ""
    carried = _json(folder / "aura.json")
    try:
        own = _own_defaults(folder, carried)
    except (KeyError, TypeError, ValueError) as error:
        return unavailable(name, f"its aura.json or config.json is not understood: {error!r}", "mend that file")
    return ModelFiles(
        name=name,
        folder=folder,
        weights=weights,
        checkpoint=checkpoint,
        own=own,
        carried_name=str(carried.get("name", "")),
        sha256=sha256,
    )


def _hashed(name: str, root: Path, files: Sequence[str], reporter: Reporter) -> str:
    """The hash over all weight files; reports the progress."""
    total = sum((root / file).stat().st_size for file in files)
    done = 0

    def read(amount: int) -> None:
        nonlocal done
        done += amount
        reporter.loading(name, done, total)

    reporter.loading(name, 0, total)
    return content_hash(root, files, read)


def _own_defaults(folder: Path, carried: Mapping[str, Any]) -> ModelDefaults:
    """The model's defaults: from its aura.json, then its config.json, then those of Stable Diffusion 1.x and BLIP."""
    plain = ModelDefaults()
    defaults = carried.get("defaults", {})
    sample_size = _json(folder / "unet" / "config.json").get("sample_size")
    native = int(sample_size) * MULTIPLE_PX if isinstance(sample_size, int) else plain.native_size_px
    return ModelDefaults(
        native_size_px=int(carried.get("native_size_px", native)),
        steps=int(defaults.get("num_inference_steps", plain.steps)),
        guidance_scale=float(defaults.get("guidance_scale", plain.guidance_scale)),
        scheduler=Scheduler(defaults.get("scheduler", plain.scheduler)),
        max_new_tokens=int(carried.get("max_new_tokens", plain.max_new_tokens)),
    )


def _json(path: Path) -> Mapping[str, Any]:
    """A JSON object; empty where the file cannot be read."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}
