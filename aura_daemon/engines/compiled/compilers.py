"""torch's compilers, with a cache on the disk: the second start compiles nothing. In: nothing. Out: a compiler.

The cache is torch's own (code by graph, versions and hardware), in our folder: its usual place, below /tmp, is empty
after each start of the machine. It holds what `torch.compiler.save_cache_artifacts` would pack into one file.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from loguru import logger

from aura_daemon.engines.compiled.compiled_unet import Compiler
from aura_daemon.system.files.xdg_folders import xdg_folder

VARIABLE: Final = "TORCHINDUCTOR_CACHE_DIR"

RECOMPILES: Final = 64
"""Codes that torch keeps for one function; all loaded UNets share their function."""

ENGINE_BYTES: Final = 8 << 30
"""The most that engines of TensorRT take on the disk; one of Stable Diffusion 1.x takes about 1.7 GB."""


def cache_folder() -> Path:
    """Where compiled code is kept, beside other files that could be made again."""
    return (xdg_folder("XDG_CACHE_HOME", ".cache") or Path.cwd()) / "aura-daemon" / "compiled"


def inductor() -> Compiler:
    """torch's own; weights are not frozen into the code, because torch keeps no such code: each start would compile."""
    keep_code(cache_folder())

    def compiled(forward: Callable[..., Any], *, dynamic: bool) -> Callable[..., Any]:
        return torch.compile(forward, dynamic=dynamic, fullgraph=True)

    return compiled


def tensorrt() -> Compiler:
    """torch-tensorrt, which is installed; number formats stay those of the model."""
    importlib.import_module("torch_tensorrt")  # which gives torch its backend
    folder = cache_folder()
    keep_code(folder)
    options: dict[str, Any] = {
        "use_explicit_typing": True,
        "cache_built_engines": True,
        "reuse_cached_engines": True,
        "engine_cache_dir": str(folder / "tensorrt"),
        "engine_cache_size": ENGINE_BYTES,
    }

    def compiled(forward: Callable[..., Any], *, dynamic: bool) -> Callable[..., Any]:
        return torch.compile(forward, backend="tensorrt", dynamic=dynamic, options=dict(options))

    return compiled


def keep_code(folder: Path) -> None:
    """Has torch keep its code here, unless the user says where; raises nothing: without a cache it compiles anew."""
    # Not at the top: the compiler is kept away from a worker that compiles nothing (`library_imports`).
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    torch._dynamo.config.recompile_limit = RECOMPILES
    # torch names a folder of its own in this variable when its compiler is imported.
    if os.environ.get(VARIABLE, default_cache_dir()) != default_cache_dir():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        logger.warning("compiled code is not kept, each start compiles anew: {}", error)
        return
    if not os.access(folder, os.W_OK):
        logger.warning("compiled code is not kept, each start compiles anew: {} cannot be written to", folder)
        return
    os.environ[VARIABLE] = str(folder)
