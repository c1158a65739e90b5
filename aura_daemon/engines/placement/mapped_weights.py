"""Weights that stay in their files, of which the kernel holds in memory what there is room for.

In: ModelFiles. Out: whether they can, and in which number formats they lie there, so that nothing is converted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import torch
from safetensors import safe_open

from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.ladder.prediction import stays_in_files
from aura_daemon.ladder.rungs import Storage

FORMATS: Final = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""As safetensors calls them."""

WHOLE: Final = ""
"""What the one part of a captioner is called."""


@lru_cache(maxsize=32)
def mapped_formats(files: ModelFiles) -> Mapping[str, torch.dtype] | None:
    """The format of each part's files, so that nothing is converted; None where they cannot be mapped.

    Pickles are read, and the names in a single file are not diffusers': it takes them apart and copies.
    """
    if files.weights.pickled or files.checkpoint is not None:
        return None
    formats: dict[str, Counter[torch.dtype]] = {}
    for name in files.weights.names:
        with safe_open(files.folder / name, framework="numpy") as opened:
            part = name.partition("/")[0] if "/" in name else WHOLE
            for key in opened.keys():  # noqa: SIM118 - not a dictionary
                dtype = FORMATS.get(opened.get_slice(key).get_dtype())
                if dtype is not None:
                    formats.setdefault(part, Counter())[dtype] += 1
    return {part: counted.most_common(1)[0][0] for part, counted in formats.items()}


def stored_bytes(files: ModelFiles) -> int:
    """Of a number of the largest part in its files; 0 where they cannot be mapped."""
    formats = mapped_formats(files)
    return formats[next(part for part in ("unet", WHOLE) if part in formats)].itemsize if formats else 0


def left_in_files(files: ModelFiles, storage: Storage) -> Mapping[str, torch.dtype] | None:
    """The format of each part's files, where a rung leaves them there."""
    return mapped_formats(files) if stays_in_files(storage, stored_bytes(files)) else None
