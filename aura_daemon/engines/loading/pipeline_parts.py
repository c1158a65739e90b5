"""The parts of a diffusers pipeline, each whole or none. In: ModelFiles. Out: parts, or UnfitModel."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import diffusers
import torch
import transformers

from aura_daemon.engines.loading.whole import lacking, load_whole
from aura_daemon.engines.model_files.configurations import read_json
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.model_files.weights import HALF
from aura_daemon.engines.placement.mapped_weights import CHECKER, READER

READ_BY_TRANSFORMERS: Final = (READER, CHECKER, "image_encoder")
"""Parts of a diffusers folder; diffusers reads the others itself."""

_WITHOUT_MEMORY: Final = "meta tensor"
"""What torch says of a tensor that has none."""


def load_parts_whole(
    files: ModelFiles, dtype: torch.dtype | Mapping[str, torch.dtype], *, without: Collection[str] = ()
) -> dict[str, Any]:
    """The parts of a diffusers folder that transformers reads, by name. `dtype`: of all, or of each by name."""
    index = read_json(files.folder / "model_index.json")
    parts = {}
    for part in READ_BY_TRANSFORMERS:
        kind = _class_of(index.get(part))
        if part in without or kind is None:
            continue
        halved = any(name.startswith(f"{part}/") and f".{HALF}." in name for name in files.weights.names)
        own = dtype.get(part, dtype.get("default", torch.float32)) if isinstance(dtype, Mapping) else dtype
        parts[part] = load_whole(
            kind,
            files.folder / part,
            model=files.name,
            part=part,
            dtype=own,
            variant=HALF if halved else None,
            use_safetensors=not files.weights.pickled,
            local_files_only=True,
        )
    return parts


def read_checkpoint(kind: Any, files: ModelFiles, **options: Any) -> Any:
    """What diffusers makes of a single file; raises UnfitModel where the file lacks what it looks for."""
    try:
        return kind.from_single_file(str(files.checkpoint), config=str(files.folder), local_files_only=True, **options)
    except KeyError as error:  # the name of a tensor that every Stable Diffusion has
        raise lacking(files.name, f"its file lacks {str(error)[:200]}") from None
    except NotImplementedError as error:  # of a part that is moved to where it computes
        if _WITHOUT_MEMORY not in str(error):
            raise
        raise lacking(files.name, "its file lacks tensors that Stable Diffusion has") from None


def _class_of(entry: object) -> Any:
    """The class of a part, by its entry in `model_index.json`; None where transformers reads no such part."""
    if not isinstance(entry, list) or len(entry) != 2 or None in entry:
        return None
    library, name = entry
    if library == "transformers":
        kind = getattr(transformers, name)
    elif library == "stable_diffusion":
        kind = getattr(diffusers.pipelines.stable_diffusion, name)
    else:
        return None
    return kind if issubclass(kind, transformers.PreTrainedModel) else None
