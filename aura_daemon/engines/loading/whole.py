"""Models whose tensors all stand in their files. In: a class of a library, files. Out: the model, or UnfitModel.

What the files lack the libraries make up: transformers draws random numbers, diffusers leaves tensors without memory.
Neither is the model that was named. What a library ties to another tensor, or computes itself, is not missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch

from aura_daemon.engines.failures import UnfitModel
from aura_daemon.engines.model_files.weights import unavailable

_MEND: Final = "fetch the model anew from where you trust it, or name another: random numbers would stand for them"


def load_whole(kind: Any, folder: Path, *, model: str, part: str = "", **options: Any) -> Any:
    """A model that transformers loads; `kind`: its class, which is untyped. Raises what transformers raises, too.

    `model`, `part`: how the model and the part of it are called where tensors are missing.
    """
    loaded, told = kind.from_pretrained(str(folder), output_loading_info=True, **options)
    _require(sorted(told["missing_keys"]), model, part)
    return loaded


def require_whole(module: torch.nn.Module, *, model: str, part: str = "") -> None:
    """Raises UnfitModel for a module of diffusers with tensors that were in none of its files."""
    named = (*module.named_parameters(), *module.named_buffers())
    _require([name for name, tensor in named if tensor.is_meta], model, part)


def lacking(model: str, cause: str) -> UnfitModel:
    """The exception of a model whose files lack something."""
    return UnfitModel(unavailable(model, cause, _MEND))


def _require(missing: list[str], model: str, part: str) -> None:
    if missing:
        tensors = "1 tensor" if len(missing) == 1 else f"{len(missing)} tensors"
        of = f"its {part} has" if part else "it has"
        raise lacking(model, f"its files lack {tensors} that {of}, the first: {missing[0]}")
