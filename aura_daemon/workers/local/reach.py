"""What a worker may read, write and start, by what is configured. In: settings, variables. Out: what it reaches.

Beside its interpreter and libraries a worker needs its models and a folder of its own, and nothing else: no home
folders, inbox, outbox or state. What is missing of a model is fetched by another process, which reaches the hub.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aura_daemon.config.engine import ALIASES, EMBEDDED, NONE, EngineSettings
from aura_daemon.jobs.speed import EngineChoice
from aura_daemon.system.files.xdg_folders import OPENVINO, own_cache, xdg_folder

LOADERS: Final = (
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
)
"""What the kernel starts with every program that has libraries."""

COMPILERS: Final = ("cc", "c++", "gcc", "g++", "clang", "clang++", "as", "ld", "ld.bfd", "ptxas", "ldconfig", "openssl")
"""Programs that torch's compiler starts; one of them hashes code."""

PARTS_OF_COMPILERS: Final = ("/usr/lib/gcc", "/usr/libexec/gcc", "/usr/lib/llvm")

CODE_CACHE: Final = "TORCHINDUCTOR_CACHE_DIR"
OFFLINE: Final = "HF_HUB_OFFLINE"
YES: Final = ("1", "ON", "YES", "TRUE")
"""What huggingface_hub takes for yes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """What a worker gets at."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    """Folders of others in which it reads and writes."""
    sets_attributes: bool = True
    """Whether what it writes there takes modes and times that it chooses."""
    programs: tuple[str, ...] = ()
    """Files and folders of programs that it starts."""
    filled: tuple[str, ...] = ()
    """Folders of `reads` in which others put something later: what is not there when it starts stays closed to it."""
    told: tuple[str, ...] = ()
    """What of this is more than models and a folder of its own, a clause each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What decides about it beside the settings."""

    settings: EngineSettings
    environment: Mapping[str, str]
    """Of the worker."""


def reach_of(around: Surroundings) -> Reach:
    """Everything that a worker needs."""
    parts = [Reach(reads=tuple(_models(around))), _compiling(around), _profiling(around)]
    is_any_other = any(name != EMBEDDED for name in _names(around.settings))
    return Reach(
        reads=_all(part.reads for part in parts),
        writes=_all(part.writes for part in parts),
        programs=_all(part.programs for part in parts),
        filled=tuple(_caches(around)) if is_any_other else (),
        told=_all(part.told for part in parts),
    )


def reach_of_fetches(around: Surroundings) -> Reach:
    """What a process that fetches models needs beside the network: the hub's cache, and who asks for models there."""
    cache = hub_cache(around.environment)
    home = str(Path(cache).parent)
    return Reach(
        reads=_all([tuple(_models(around)), (f"{home}/token", f"{home}/stored_tokens")]),
        writes=(cache, f"{home}/xet"),
    )


def reach_of_conversions(around: Surroundings) -> Reach:
    """What a process that converts models for OpenVINO needs: it reads what workers read, and writes what it makes."""
    store = own_cache(around.environment)
    writes = (str(store / OPENVINO),) if store is not None else ()
    return Reach(reads=_all([tuple(_models(around))]), writes=writes, sets_attributes=False)


def _compiling(around: Surroundings) -> Reach:
    """`generate.engine: compiled` and `tensorrt` start compilers, whose code is kept."""
    if around.settings.generate.engine not in (EngineChoice.COMPILED, EngineChoice.TENSORRT):
        return Reach()
    named = around.environment.get(CODE_CACHE)
    base = xdg_folder("XDG_CACHE_HOME", ".cache")
    folder = named or (str(base / "aura-daemon" / "compiled") if base is not None else "")
    found = (shutil.which(name) for name in COMPILERS)
    return Reach(
        writes=(folder,) if folder else (),
        programs=(
            *(os.path.realpath(place) for place in found if place is not None),
            *PARTS_OF_COMPILERS,
            *_interpreter(),
            *LOADERS,
        ),
        told=(f"starting compilers, and writing in {folder}, because of engine: {around.settings.generate.engine}",),
    )


def _profiling(around: Surroundings) -> Reach:
    """The worker writes down where the time of each job went."""
    profiles = around.settings.profiles
    if profiles is None:
        return Reach()
    return Reach(writes=(profiles,), told=(f"writing in {profiles}, because AURA_PROFILE is set",))


def hub_cache(environment: Mapping[str, str]) -> str:
    """The folder of models from the hub, as huggingface_hub finds it."""
    named = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE")
    if named:
        return os.path.expandvars(os.path.expanduser(named))  # noqa: PTH111 - as the library does
    base = xdg_folder("XDG_CACHE_HOME", ".cache")
    home = environment.get("HF_HOME") or (str(base / "huggingface") if base is not None else "")
    return os.path.join(os.path.expandvars(os.path.expanduser(home)), "hub")  # noqa: PTH111, PTH118 - as the library does


def _models(around: Surroundings) -> Iterator[str]:
    """Where models, LoRAs, textual inversions, ControlNets, adapters and what was converted for OpenVINO lie."""
    yield from _caches(around)
    generate = around.settings.generate
    folders = (generate.loras, generate.embeddings, generate.controlnets, generate.adapters)
    for folder in (*folders, around.settings.upscale.folder):
        if folder is not None:
            yield folder
    for name in _names(around.settings):
        path = Path(name).expanduser().absolute()
        if name == EMBEDDED or name in ALIASES or not path.exists():
            continue
        yield str(path)
        if path.is_file():  # its configuration lies in a folder of its name, or beside it
            yield str(path.with_suffix(""))
            if (path.parent / "model_index.json").is_file():
                yield str(path.parent)
        elif path.parent.name == "snapshots":  # of a hub's cache, whose files are links
            yield str(path.parents[1])


def _caches(around: Surroundings) -> Iterator[str]:
    """Where models come that are fetched or converted."""
    yield hub_cache(around.environment)
    if (cache := own_cache(around.environment)) is not None:
        yield str(cache / OPENVINO)


def _names(settings: EngineSettings) -> Iterator[str]:
    """All models that jobs may get, as they are configured."""
    generate, caption = settings.generate, settings.caption
    named = (generate.turbo.lora, generate.turbo.decoder, caption.question_model, caption.matching_model)
    yield from (generate.model, *generate.models, caption.model, settings.upscale.model)
    yield from (name for name in named if name is not None and name != NONE)


def _interpreter() -> tuple[str, ...]:
    return (sys.executable, os.path.realpath(sys.executable))


def _all(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for part in parts for one in part if one))
