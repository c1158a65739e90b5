"""Weights that stay in their mapped files, of which the kernel keeps in memory as much as fits.

In: ModelFiles. Out: whether the files can be mapped, and their number formats, so that nothing is converted. Of some
parts they stay there on every rung of the CPU, because these compute for a moment of each picture alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

import torch
from safetensors import safe_open

from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.ladder.prediction import stays_in_files
from aura_daemon.ladder.rungs import Storage

FORMATS: Final = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""Names in safetensors -> torch's number formats."""

WHOLE: Final = ""
"""Name of the only part of a captioner."""

CHECKER: Final = "safety_checker"
READER: Final = "text_encoder"
"""Parts that compute for a moment of each picture."""

VISITOR_BYTES: Final = 100_000_000
"""Of a part, in the format it computes in; a smaller one is not worth the milliseconds that reading it takes."""


def visits(part: str, part_bytes: int, placement: Placement) -> bool:
    """Whether a part whose file can be mapped is in memory only while it computes.

    To widen the text encoder takes 0.1 s a prompt, so it stays where half precision makes it small.
    """
    if not placement.on_cpu or part_bytes < VISITOR_BYTES:
        return False
    is_wide = placement.torch_dtype.itemsize > 2 and placement.measures.storage is Storage.NATIVE
    return is_wide or part == CHECKER


def visitors(files: ModelFiles, placement: Placement, *, with_checker: bool = True) -> dict[str, Path]:
    """The files of the parts that visit; none where files cannot be mapped."""
    formats = mapped_formats(files) or {}
    found = {}
    for part in (CHECKER, READER) if with_checker else (READER,):
        if part not in formats:
            continue
        own = [files.folder / name for name in files.weights.names if name.startswith(f"{part}/")]
        numbers = sum(file.stat().st_size for file in own) // formats[part].itemsize
        if len(own) == 1 and visits(part, numbers * placement.torch_dtype.itemsize, placement):
            found[part] = own[0].resolve()
    return found


@lru_cache(maxsize=32)
def mapped_formats(files: ModelFiles) -> Mapping[str, torch.dtype] | None:
    """The number format of each part's files; None where they cannot be mapped.

    Pickles cannot be mapped; nor can a single file, because diffusers renames and copies its tensors; nor can weights
    that a LoRA changes.
    """
    if files.weights.pickled or files.checkpoint is not None or files.lora is not None:
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
    """Bytes of one number of the largest part in its files; 0 where they cannot be mapped."""
    formats = mapped_formats(files)
    return formats[next(part for part in ("unet", WHOLE) if part in formats)].itemsize if formats else 0


def left_in_files(files: ModelFiles, storage: Storage) -> Mapping[str, torch.dtype] | None:
    """The number format of each part's files where a rung uses the mapped files, else None."""
    return mapped_formats(files) if stays_in_files(storage, stored_bytes(files)) else None
