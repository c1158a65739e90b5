"""From a model's name to its files. In: ModelSettings. Out: ModelFiles, checked and hashed, or one Failure.

A name is `aura-mini`, a short name of `config.engine.ALIASES`, a folder, a `.safetensors` file or
`owner/name` on the hub.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from aura_daemon.config.engine import ALIASES, EMBEDDED, ModelSettings
from aura_daemon.engines.defaults import ModelDefaults
from aura_daemon.engines.model_files.configurations import read_json
from aura_daemon.engines.model_files.hub import PINNED, AbsentModel, Choose, FetchedModel, cached, fetch
from aura_daemon.engines.model_files.inspection import folder_fault, weights_fault
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

LCM_CLASS: Final = "LCMScheduler"
"""The scheduler in the configuration of models that were made for few steps (Luo et al. 2023, LCM)."""

FEW_STEPS: Final = 4
EMBEDDED_GUIDANCE: Final = 8.0
"""The defaults of the authors of LCM, whose UNet is told the guidance."""

CLASS_KEYS: Final = ("architectures", "model_type", "_class_name")
"""Keys of `config.json` that say what a model is."""

MOST_NATIVE_PX: Final = 8_192
MOST_TOKENS: Final = 10_000
"""What a model can say of itself: the side of its pictures, and the length of its captions."""

FILE_SLASHES: Final = 2
"""Slashes in the name of a file on the hub, `owner/name/file`, at the least."""


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
    at_turbo: bool = False
    lora: ModelFiles | None = None
    """A LoRA for few steps, which is fused with the weights when they are loaded."""
    decoder: ModelFiles | None = None
    """A tiny decoder, for pictures at turbo, at other levels for previews."""

    @property
    def loaded_sha256(self) -> str:
        """Tells the weights in memory from any others: `sha256`, and that of the LoRA that is fused with them."""
        return f"{self.sha256}-{self.lora.sha256}" if self.lora is not None else self.sha256

    @property
    def size_bytes(self) -> int:
        """Of the weights on the disk."""
        root = self.checkpoint.parent if self.checkpoint is not None else self.folder
        return sum((root / file).stat().st_size for file in self.weights.names)


def find_model(
    settings: ModelSettings, model_format: ModelFormat, half: bool, reporter: Reporter
) -> ModelFiles | Failure:
    """Finds, fetches, checks and hashes; `half` prefers files in half precision where there are any."""
    found = _find(settings, model_format, half, fetching=reporter, hashing=reporter)
    assert not isinstance(found, AbsentModel)  # an absent model is fetched
    return found


def find_here(settings: ModelSettings, model_format: ModelFormat, half: bool, reporter: Reporter) -> Found:
    """As `find_model`, of what is on this machine now: fetches nothing, asks no hub."""
    return _find(settings, model_format, half, fetching=None, hashing=reporter)


def fetch_model(settings: ModelSettings, model_format: ModelFormat, half: bool, reporter: Reporter) -> Found:
    """As `find_model`, for another process: hashes nothing."""
    return _find(settings, model_format, half, fetching=reporter, hashing=None)


def look_for_model(settings: ModelSettings, model_format: ModelFormat, half: bool) -> Found:
    """What `find_model` would find on this machine now; fetches and hashes nothing."""
    return _find(settings, model_format, half, fetching=None, hashing=None)


Found: TypeAlias = ModelFiles | Failure | AbsentModel


def is_on_hub(name: str, *, one_file: bool = False) -> bool:
    """Whether a model with this name would come from the hub; `one_file`: it is no more than a file."""
    path = Path(name).expanduser()
    is_a_path = path.suffix in SINGLE_FILES and (path.is_file() or not (one_file and name.count("/") >= FILE_SLASHES))
    is_here = name == EMBEDDED or path.is_dir() or is_a_path
    return name in ALIASES or (not is_here and _may_be_on_hub(name, one_file=one_file))


def _may_be_on_hub(name: str, *, one_file: bool) -> bool:
    is_file = one_file and name.count("/") >= FILE_SLASHES and name.endswith(SINGLE_FILES)
    return not name.startswith(("/", ".", "~")) and (name.count("/") == 1 or is_file)


def is_pinned(settings: ModelSettings) -> bool:
    """Whether a model on the hub has a revision that never changes: what is here of it is not asked for again."""
    return re.fullmatch("[0-9a-f]{40}", hub_name(settings)[1] or "") is not None


def hub_name(settings: ModelSettings) -> tuple[str, str | None]:
    """Repository and revision of a model on the hub."""
    name = ALIASES.get(settings.model, settings.model)
    return "/".join(name.split("/")[:FILE_SLASHES]), settings.revision or PINNED.get(settings.model)


def chosen_by(settings: ModelSettings, model_format: ModelFormat, half: bool) -> Choose:
    """What chooses the files of a model on the hub."""

    def choose(folder: Path, names: tuple[str, ...]) -> WeightFiles | Failure:
        return _weights_of(settings.model, folder, names, model_format, half, settings.allow_pickle)

    return choose


def _find(
    settings: ModelSettings,
    model_format: ModelFormat,
    half: bool,
    *,
    fetching: Reporter | None,
    hashing: Reporter | None,
) -> Found:
    """Who hears of what is fetched, and of what is hashed; None: nothing is."""
    name = settings.model
    path = model_format.embedded if name == EMBEDDED else Path(name).expanduser()
    if name in ALIASES:
        return _from_hub(settings, model_format, half, fetching, hashing)
    if path.is_dir():
        weights = _weights_of(name, path, names_below(path), model_format, half, settings.allow_pickle)
        return weights if isinstance(weights, Failure) else _checked(name, path, weights, hashing)
    if path.suffix in SINGLE_FILES and not is_on_hub(name, one_file=model_format.is_one_file):
        return _from_file(settings, path, model_format, fetching, hashing)
    if name == EMBEDDED:
        return unavailable(name, f"its weights are not in this installation ({path})", "install the package anew")
    if not _may_be_on_hub(name, one_file=model_format.is_one_file):
        mend = f"known short names: {EMBEDDED}, {', '.join(ALIASES)}"
        return unavailable(name, "there is no such folder or file here", mend)
    return _from_hub(settings, model_format, half, fetching, hashing)


def _from_hub(
    settings: ModelSettings,
    model_format: ModelFormat,
    half: bool,
    fetching: Reporter | None,
    hashing: Reporter | None,
) -> Found:
    name, (repository, revision), choose = settings.model, hub_name(settings), chosen_by(settings, model_format, half)
    if fetching is None:
        fetched = cached(name, repository, revision, choose)
    else:
        fetched = fetch(name, repository, revision, choose, fetching)
    if isinstance(fetched, FetchedModel):
        return _checked(name, fetched.folder, fetched.weights, hashing)
    return fetched


def _from_file(
    settings: ModelSettings,
    path: Path,
    model_format: ModelFormat,
    fetching: Reporter | None,
    hashing: Reporter | None,
) -> Found:
    """A single file; its configuration comes from a folder beside the file or from the hub."""
    name = settings.model
    if not path.is_file():
        return unavailable(name, "there is no such file here", "correct the path")
    if model_format.is_one_file:
        if path.suffix != ".safetensors":
            return pickle_refused(name, path.name)
        return _checked(name, path.parent, WeightFiles(names=(path.name,)), hashing)
    if not model_format.has_checkpoints:
        return unavailable(name, f"{model_format.noun} cannot be a single file", "name a folder with its config.json")
    if path.suffix != ".safetensors" and not settings.allow_pickle:
        return pickle_refused(name, path.name)
    folder = find_checkpoint(name, path, fetching)
    if not isinstance(folder, Path):
        return folder
    if (fault := folder_fault(folder)) is not None:
        return unavailable(name, *fault)
    return _checked(name, folder, WeightFiles(names=(path.name,)), hashing, checkpoint=path)


def _weights_of(
    name: str, folder: Path, names: tuple[str, ...], model_format: ModelFormat, half: bool, allow_pickle: bool
) -> WeightFiles | Failure:
    """The weight files in use, after the folder was looked over and the architecture was checked."""
    if (fault := folder_fault(folder)) is not None:
        return unavailable(name, *fault)
    if (wrong := _wrong_architecture(name, folder, model_format)) is not None:
        return wrong
    chosen = model_format.weight_files(names, read_json(folder / "model_index.json"), half, allow_pickle)
    if not isinstance(chosen, str):
        return chosen
    if chosen.endswith(".bin"):
        return pickle_refused(name, chosen)
    return unavailable(name, f"{chosen} is missing", "complete its folder, or name another revision")


def _wrong_architecture(name: str, folder: Path, model_format: ModelFormat) -> Failure | None:
    """None for a model of this format, else a Failure that says what the model is instead."""
    if model_format.is_one_file and name.count("/") >= FILE_SLASHES and not Path(name).expanduser().is_dir():
        return None  # the file itself is named
    names = architectures_of(folder)
    if any(architecture in model_format.architectures for architecture in names):
        return None
    if not names and model_format.is_one_file:
        return None
    silent = "it has neither model_index.json nor config.json that say what it is"
    what = f"it is {', '.join(names)}" if names else silent
    return unavailable(name, f"{what}, not {model_format.description}", "name a model of that kind")


def architectures_of(folder: Path) -> tuple[str, ...]:
    """What a folder says that it is: class names, or a model type where there is none; empty where it says nothing."""
    pipeline, config = read_json(folder / "model_index.json"), read_json(folder / "config.json")
    found = next(filter(None, (pipeline.get("_class_name"), *map(config.get, CLASS_KEYS))), None)
    names = found if isinstance(found, list) else [found] if found else []
    return tuple(map(str, names))


def _checked(
    name: str, folder: Path, weights: WeightFiles, reporter: Reporter | None, checkpoint: Path | None = None
) -> ModelFiles | Failure:
    """Refuses broken files, hashes the others where there is a reporter, and reads the model's own defaults."""
    root = checkpoint.parent if checkpoint is not None else folder
    if broken := broken_file(root / file for file in weights.names):
        mend = "delete that file and fetch it again"
        return unavailable(name, f"a file of it is cut short or damaged: {broken}", mend)
    if (fault := weights_fault(folder, {file: (root / file).stat().st_size for file in weights.names})) is not None:
        return unavailable(name, *fault)
    sha256 = _hashed(name, root, weights.names, reporter) if reporter is not None else ""
    carried = read_json(folder / "aura.json")
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
    unet = read_json(folder / "unet" / "config.json")
    embedded = unet.get("time_cond_proj_dim") is not None
    if few := embedded or read_json(folder / "scheduler" / "scheduler_config.json").get("_class_name") == LCM_CLASS:
        guidance_scale = EMBEDDED_GUIDANCE if embedded else 1.0
        plain = replace(plain, steps=FEW_STEPS, guidance_scale=guidance_scale, scheduler=Scheduler.LCM)
    sample_size = unet.get("sample_size")
    native = int(sample_size) * MULTIPLE_PX if isinstance(sample_size, int) else plain.native_size_px
    native_size_px = int(carried.get("native_size_px", native))
    max_new_tokens = int(carried.get("max_new_tokens", plain.max_new_tokens))
    if not (0 < native_size_px <= MOST_NATIVE_PX and 0 < max_new_tokens <= MOST_TOKENS):
        raise ValueError(f"{native_size_px} pixels, {max_new_tokens} tokens")
    return ModelDefaults(
        native_size_px=native_size_px,
        steps=int(defaults.get("num_inference_steps", plain.steps)),
        guidance_scale=float(defaults.get("guidance_scale", plain.guidance_scale)),
        scheduler=Scheduler(defaults.get("scheduler", plain.scheduler)),
        max_new_tokens=max_new_tokens,
        embedded_guidance=embedded,
        few_steps=few,
    )
